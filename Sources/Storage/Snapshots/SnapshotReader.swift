// Chunks into records, from a member that may be broken: every size is checked before memory is
// spent on it, every order that the store relies on is checked too.
//
// The bounds on memory: a chunk, and the record that the chunks so far are in the middle of, of
// which there is never more in memory than has come.

import API

/// Reads a snapshot's chunks. Pure. After an error it must not be used any more.
struct SnapshotReader: ~Copyable {
    private let stream: UInt64
    private let maximumValueBytes: Int
    private let decompressor = ZstandardDecompressor()
    private var content: UnsafeMutableRawBufferPointer
    /// The part of a record that the last chunk ended in.
    private var rest = ByteBuffer()

    /// The number of the chunk that is due, which is how many were read.
    private(set) var next: UInt32 = 0
    /// Whether the end was read.
    private(set) var isFinished = false
    /// Of the stream, in the chunks read.
    private(set) var bytes: UInt64 = 0
    /// Of the stream, in the records read.
    private var recordBytes: UInt64 = 0
    private var records: UInt64 = 0
    private var sum: UInt32 = 0
    private var lastTable: Table?
    private var lastKey: [UInt8] = []

    /// Keys and values as a store has them; nothing that it would take is refused by it.
    static let maximumValueBytes = 1 << 30

    init(stream: UInt64, maximumValueBytes: Int = Self.maximumValueBytes) {
        self.stream = stream
        self.maximumValueBytes = maximumValueBytes
        content = .allocate(byteCount: SnapshotChunk.contentBytes, alignment: 8)
    }

    deinit { content.deallocate() }

    /// Reads the chunk that is due, and shows its records to `visit`. The bytes are valid during
    /// the visit only.
    mutating func read(
        _ chunk: UnsafeRawBufferPointer,
        _ visit: (Table, _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer)
            throws(SnapshotError) -> Void
    ) throws(SnapshotError) {
        let number = next
        let count: Int
        do throws(SnapshotDamage) { count = try open(chunk) } catch {
            throw .damaged(chunk: number, error)
        }
        next += 1
        bytes += UInt64(count)
        let piece = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(content)[..<count])
        if rest.isEmpty {
            let used = try parse(piece, number, visit)
            rest.append(UnsafeRawBufferPointer(rebasing: piece[used...]))
        } else {
            rest.append(piece)
            // Moved out, so that it can be read while the rest of this is written.
            var all = ByteBuffer()
            swap(&all, &rest)
            let used = try all.withUnsafeBytes { (bytes) throws(SnapshotError) in
                try parse(bytes, number, visit)
            }
            all.dropFirst(used)
            swap(&all, &rest)
        }
        if isFinished && !rest.isEmpty { throw .damaged(chunk: number, .behindEnd) }
    }

    /// Decompresses a chunk to `content`.
    /// - Returns: how many bytes it has.
    private func open(_ chunk: UnsafeRawBufferPointer) throws(SnapshotDamage) -> Int {
        guard !isFinished else { throw .behindEnd }
        let (header, frame) = try SnapshotChunk.decode(chunk)
        guard header.stream == stream else { throw .otherSnapshot }
        guard header.number == next, header.offset == bytes else { throw .outOfOrder }
        let target = UnsafeMutableRawBufferPointer(rebasing: content[..<header.contentBytes])
        guard decompressor.decompress(frame, to: target) else { throw .notCompressed }
        return header.contentBytes
    }

    /// - Returns: how many of `bytes` were whole records.
    private mutating func parse(
        _ bytes: UnsafeRawBufferPointer, _ number: UInt32,
        _ visit: (Table, UnsafeRawBufferPointer, UnsafeRawBufferPointer)
            throws(SnapshotError) -> Void
    ) throws(SnapshotError) -> Int {
        var used = 0
        while used < bytes.count, !isFinished {
            let left = UnsafeRawBufferPointer(rebasing: bytes[used...])
            let record: Record?
            do throws(SnapshotDamage) {
                if left[0] == 0 {
                    guard left.count >= Self.endBytes else { break }
                    try end(left)
                    used += Self.endBytes
                    break
                }
                record = try Record(left, maximumValueBytes: maximumValueBytes)
                if let record { try check(record) }
            } catch {
                throw .damaged(chunk: number, error)
            }
            guard let record else { break }
            sum = checksum(UnsafeRawBufferPointer(rebasing: left[..<record.size]), from: sum)
            records += 1
            recordBytes += UInt64(record.size)
            used += record.size
            try visit(record.table, record.key, record.value)
        }
        return used
    }

    /// A 0, records, bytes, checksum.
    private static let endBytes = 1 + 8 + 8 + 4

    private mutating func end(_ bytes: UnsafeRawBufferPointer) throws(SnapshotDamage) {
        guard bytes.littleEndian(at: 1, as: UInt64.self) == records,
            bytes.littleEndian(at: 9, as: UInt64.self) == recordBytes
        else { throw .wrongTotals }
        guard bytes.littleEndian(at: 17, as: UInt32.self) == sum else { throw .checksum }
        isFinished = true
    }

    /// LMDB appends without looking: what is not in order would be lost to every search.
    private mutating func check(_ record: Record) throws(SnapshotDamage) {
        if record.table == lastTable {
            let order = lastKey.withUnsafeBytes { Bytes.compare($0, record.key) }
            guard order < 0 else { throw .unordered }
        } else {
            guard (lastTable?.snapshotNumber ?? 0) < record.table.snapshotNumber else {
                throw .unordered
            }
            lastTable = record.table
        }
        lastKey.removeAll(keepingCapacity: true)
        lastKey.append(contentsOf: record.key)
    }
}

/// A record at the beginning of some bytes of the stream.
private struct Record {
    let table: Table
    let key: UnsafeRawBufferPointer
    let value: UnsafeRawBufferPointer
    let size: Int

    /// - Returns: nil when the bytes end within it.
    init?(_ bytes: UnsafeRawBufferPointer, maximumValueBytes: Int) throws(SnapshotDamage) {
        guard let table = Table(snapshotNumber: bytes[0]) else { throw .unknownTable }
        var place = 1
        guard let keyBytes = try Self.length(bytes, &place) else { return nil }
        guard (1...Table.maximumKeyLength).contains(keyBytes) else { throw .invalidKey }
        guard let valueBytes = try Self.length(bytes, &place) else { return nil }
        guard valueBytes <= maximumValueBytes else { throw .tooLarge }
        guard bytes.count - place >= keyBytes + valueBytes else { return nil }
        self.table = table
        key = UnsafeRawBufferPointer(rebasing: bytes[place..<place + keyBytes])
        let start = place + keyBytes
        value = UnsafeRawBufferPointer(rebasing: bytes[start..<start + valueBytes])
        size = start + valueBytes
        guard table != .key || RecordKey(decoding: key) != nil else { throw .invalidKey }
    }

    /// A varint of at most 5 bytes.
    private static func length(
        _ bytes: UnsafeRawBufferPointer, _ place: inout Int
    ) throws(SnapshotDamage) -> Int? {
        var value = 0
        for shift in stride(from: 0, to: 35, by: 7) {
            guard place < bytes.count else { return nil }
            let byte = bytes[place]
            place += 1
            value |= Int(byte & 0x7f) << shift
            if byte < 0x80 { return value }
        }
        throw .outOfRange
    }
}
