// A window on a file that is read from front to back, however large the file is.

import Glibc

/// The bytes of a file around where the reader is. Memory: one chunk, or the largest piece that
/// was asked for.
final class FileWindow {
    private static let chunk = 256 * 1024

    let file: any File
    /// The file's size when it was opened, in bytes.
    let size: Int
    private var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    /// Where in the file the memory's content begins, and how much of it there is.
    private var start = 0
    private var filled = 0

    init(_ file: any File) throws(FileError) {
        self.file = file
        size = try file.size()
    }

    deinit { memory.deallocate() }

    /// `count` bytes from `offset` on, fewer at the end of the file. Valid until the next call.
    func bytes(at offset: Int, count: Int) throws(FileError) -> UnsafeRawBufferPointer {
        let wanted = max(0, min(count, size - offset))
        if offset < start || offset + wanted > start + filled {
            try fill(from: offset, atLeast: wanted)
        }
        let place = offset - start
        // The file may have been cut since its size was asked.
        let available = max(0, min(wanted, filled - place))
        guard available > 0 else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return UnsafeRawBufferPointer(rebasing: memory[place..<(place + available)])
    }

    private func fill(from offset: Int, atLeast wanted: Int) throws(FileError) {
        let room = max(wanted, Self.chunk)
        if memory.count < room {
            memory.deallocate()
            memory = .allocate(byteCount: room, alignment: 8)
        }
        filled = 0
        start = offset
        filled = try file.read(into: memory, at: offset)
    }

    /// Whether all bytes in `range`, as far as the file goes, are zero.
    func isZero(_ range: Range<Int>) throws(FileError) -> Bool {
        var place = range.lowerBound
        let end = min(range.upperBound, size)
        while place < end {
            let piece = try bytes(at: place, count: min(Self.chunk, end - place))
            if piece.isEmpty { return true }
            if !piece.isAllZero { return false }
            place += piece.count
        }
        return true
    }
}

extension UnsafeRawBufferPointer {
    /// All bytes are zero. Eight at a time: a preallocated tail has tens of millions of them.
    var isAllZero: Bool {
        var place = 0
        while place + 8 <= count {
            if loadUnaligned(fromByteOffset: place, as: UInt64.self) != 0 { return false }
            place += 8
        }
        while place < count {
            if self[place] != 0 { return false }
            place += 1
        }
        return true
    }
}
