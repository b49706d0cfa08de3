// Records into chunks.
//
// The stream inside the chunks: per record the number of its table (1 byte), the length of its key
// and of its value (varints), key and value. Tables come by number, records by key. It ends with a
// 0, the number of records and of bytes before the 0 (8 bytes each), and a CRC-32C of those bytes.

import API

/// Makes a snapshot's chunks of the records of a state. Pure. Memory: a chunk, twice, and a record.
struct SnapshotWriter: ~Copyable {
    private let stream: UInt64
    private let compressor = ZstandardCompressor()
    /// Of the stream, from `offset` on.
    private var content = ByteBuffer(capacity: 2 * SnapshotChunk.contentBytes)
    private var frame: UnsafeMutableRawBufferPointer
    private var offset: UInt64 = 0
    private var number: UInt32 = 0
    private var records: UInt64 = 0
    private var sum: UInt32 = 0

    init(stream: UInt64) {
        self.stream = stream
        frame = .allocate(byteCount: SnapshotChunk.maximumFrameBytes, alignment: 8)
    }

    deinit { frame.deallocate() }

    /// Whether a chunk is full: `takeChunk` should be called before more is appended.
    var isFull: Bool { content.count >= SnapshotChunk.contentBytes }

    /// Appends a record, which must come behind all before it.
    mutating func append(
        _ table: Table, _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) {
        let start = content.count
        content.append(table.snapshotNumber)
        content.appendVarint(UInt64(key.count))
        content.appendVarint(UInt64(value.count))
        content.append(key)
        content.append(value)
        records += 1
        sum = content.withUnsafeBytes {
            checksum(UnsafeRawBufferPointer(rebasing: $0[start...]), from: sum)
        }
    }

    /// There are no more records.
    mutating func finish() {
        let bytes = offset + UInt64(content.count)
        content.append(0)
        content.append(littleEndian: records)
        content.append(littleEndian: bytes)
        content.append(littleEndian: sum)
    }

    /// Shows the next chunk; to be called until `content` is used up at the end. The bytes are
    /// valid during the call only.
    /// - Returns: false when nothing is left.
    mutating func takeChunk<Failure: Error>(
        _ body: (_ header: [UInt8], _ frame: UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) -> Bool {
        let count = min(content.count, SnapshotChunk.contentBytes)
        guard count > 0 else { return false }
        let frameBytes = content.withUnsafeBytes {
            compressor.compress(UnsafeRawBufferPointer(rebasing: $0[..<count]), to: frame)
        }
        let compressed = UnsafeRawBufferPointer(
            rebasing: UnsafeRawBufferPointer(frame)[..<frameBytes])
        let header = SnapshotChunk.Header(
            stream: stream, number: number, offset: offset, contentBytes: count,
            frameBytes: frameBytes, frameChecksum: checksum(compressed))
        offset += UInt64(count)
        number += 1
        content.dropFirst(count)
        try body(SnapshotChunk.encode(header), compressed)
        return true
    }
}

extension ByteBuffer {
    /// Moves what is behind the first `count` bytes to the front.
    mutating func dropFirst(_ count: Int) {
        let left = self.count - count
        withUnsafeMutableBytes { bytes in
            guard left > 0, let base = bytes.baseAddress else { return }
            base.copyMemory(from: base + count, byteCount: left)
        }
        truncate(to: left)
    }
}
