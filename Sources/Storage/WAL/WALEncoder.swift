// Records into bytes, many to one buffer that is kept: the hot path of every write.
//
// A record's checksum stands before the data it covers and is itself of varying length. It is
// taken to be 5 bytes long, as 15 of 16 are; else the data is moved down. So the data is written
// once, in place, and no entry costs an allocation.

import API
import CSupport

/// Frames to be written, and the checksum that chains each record to all before it.
struct WALEncoder: ~Copyable {
    private(set) var buffer: ByteBuffer
    /// Over the data of all records so far (CRC-32C).
    private(set) var checksum: UInt32

    /// - Parameter checksum: That of the last record of the log so far.
    init(checksum: UInt32, capacity: Int = 64 * 1024) {
        self.checksum = checksum
        buffer = ByteBuffer(capacity: capacity)
    }

    /// Forgets the frames, which have been written, and keeps at most `limit` bytes of memory.
    mutating func removeAll(keepingAtMost limit: Int) { buffer.removeAll(keepingAtMost: limit) }

    mutating func append(_ entry: borrowing Entry) {
        let frame = open(.entry, dataSize: entry.encodedSize())
        entry.encode(into: &buffer)
        close(frame)
    }

    mutating func append(_ state: HardState) {
        let frame = open(.state, dataSize: WALPayload.size(state))
        state.encode(into: &buffer)
        close(frame)
    }

    /// Any record of `kind` with `data` as it is; nil leaves the field out.
    mutating func append(_ kind: WALRecordKind, _ data: [UInt8]?) {
        let frame = open(kind, dataSize: data?.count)
        if let data { buffer.append(data) }
        close(frame)
    }

    /// The record a segment begins with: the checksum that the chain goes on from.
    mutating func appendChecksum() { append(.checksum, nil) }

    // MARK: - Frames

    private struct OpenFrame {
        let start: Int
        let checksumAt: Int
        let dataAt: Int
    }

    private static let assumedChecksumSize = 5

    private mutating func open(_ kind: WALRecordKind, dataSize: Int?) -> OpenFrame {
        let start = buffer.count
        let overhead = WALFormat.lengthFieldSize + WALFormat.recordHeaderLimit + WALFormat.alignment
        buffer.reserve((dataSize ?? 0) + overhead)
        appendZeros(WALFormat.lengthFieldSize)
        buffer.append(0x08)
        buffer.append(kind.rawValue)
        buffer.append(0x10)
        let checksumAt = buffer.count
        appendZeros(Self.assumedChecksumSize)
        if let dataSize {
            buffer.append(0x1a)
            buffer.appendVarint(UInt64(dataSize))
        }
        return OpenFrame(start: start, checksumAt: checksumAt, dataAt: buffer.count)
    }

    private mutating func close(_ frame: OpenFrame) {
        let end = buffer.count
        var crc = checksum
        let surplus = buffer.withUnsafeMutableBytes { bytes in
            let base = bytes.baseAddress.unsafelyUnwrapped  // not empty: a frame is open
            crc = csupport_crc32c(crc, base + frame.dataAt, end - frame.dataAt)
            let size = WireSize.varint(UInt64(crc))
            var rest = crc
            for place in frame.checksumAt..<(frame.checksumAt + size - 1) {
                bytes[place] = UInt8(truncatingIfNeeded: rest) | 0x80
                rest >>= 7
            }
            bytes[frame.checksumAt + size - 1] = UInt8(truncatingIfNeeded: rest)
            let surplus = Self.assumedChecksumSize - size
            if surplus > 0 {
                let after = frame.checksumAt + Self.assumedChecksumSize
                (base + after - surplus).copyMemory(from: base + after, byteCount: end - after)
            }
            return surplus
        }
        checksum = crc
        if surplus > 0 { buffer.truncate(to: end - surplus) }
        let length = WALFrameLength(
            record: buffer.count - frame.start - WALFormat.lengthFieldSize)
        appendZeros(length.padding)
        buffer.withUnsafeMutableBytes { bytes in
            bytes.storeBytes(
                of: length.field.littleEndian, toByteOffset: frame.start, as: UInt64.self)
        }
    }

    private mutating func appendZeros(_ count: Int) {
        for _ in 0..<count { buffer.append(0) }
    }
}
