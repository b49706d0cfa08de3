// A piece of a snapshot on its way: compressed by itself and summed up by itself, so that whoever
// has the first n of them can go on from there.
//
// Format (docs/peer-protocol.md, Snapshots), numbers little-endian:
//
//     0   8  the snapshot's stream (SnapshotDescription)
//     8   4  number, from 0
//    12   8  where it begins in the uncompressed stream
//    20   4  bytes, uncompressed
//    24   4  bytes of the frame
//    28   4  CRC-32C of the frame
//    32   4  CRC-32C of bytes 0 to 31
//    36      the frame: zstd

import API

enum SnapshotChunk {
    static let headerBytes = 36
    /// Of the stream, uncompressed; every chunk but the last holds as many. What compression takes
    /// and what is lost with a cut link, both are small.
    static let contentBytes = 256 * 1024
    /// A frame of a full chunk that cannot be compressed.
    static let maximumFrameBytes = ZstandardCompressor.bound(of: contentBytes)

    struct Header: Hashable {
        var stream: UInt64
        var number: UInt32
        var offset: UInt64
        var contentBytes: Int
        var frameBytes: Int
        var frameChecksum: UInt32
    }

    /// The header's bytes are to go before the frame.
    static func encode(_ header: Header) -> [UInt8] {
        var buffer = ByteBuffer(capacity: headerBytes)
        buffer.append(littleEndian: header.stream)
        buffer.append(littleEndian: header.number)
        buffer.append(littleEndian: header.offset)
        buffer.append(littleEndian: UInt32(header.contentBytes))
        buffer.append(littleEndian: UInt32(header.frameBytes))
        buffer.append(littleEndian: header.frameChecksum)
        buffer.append(littleEndian: buffer.withUnsafeBytes { checksum($0) })
        return buffer.array
    }

    /// Reads the chunk that `bytes` is. Every size is checked before anything is done by it.
    static func decode(
        _ bytes: UnsafeRawBufferPointer
    ) throws(SnapshotDamage) -> (header: Header, frame: UnsafeRawBufferPointer) {
        guard bytes.count >= headerBytes else { throw .truncated }
        guard bytes.count <= headerBytes + maximumFrameBytes else { throw .tooLarge }
        let covered = UnsafeRawBufferPointer(rebasing: bytes[..<32])
        guard checksum(covered) == bytes.littleEndian(at: 32, as: UInt32.self) else {
            throw .checksum
        }
        let header = Header(
            stream: bytes.littleEndian(at: 0, as: UInt64.self),
            number: bytes.littleEndian(at: 8, as: UInt32.self),
            offset: bytes.littleEndian(at: 12, as: UInt64.self),
            contentBytes: Int(bytes.littleEndian(at: 20, as: UInt32.self)),
            frameBytes: Int(bytes.littleEndian(at: 24, as: UInt32.self)),
            frameChecksum: bytes.littleEndian(at: 28, as: UInt32.self))
        guard (1...contentBytes).contains(header.contentBytes) else { throw .tooLarge }
        let frame = UnsafeRawBufferPointer(rebasing: bytes[headerBytes...])
        guard frame.count >= header.frameBytes else { throw .truncated }
        guard frame.count == header.frameBytes else { throw .tooLong }
        guard checksum(frame) == header.frameChecksum else { throw .checksum }
        return (header, frame)
    }
}
