// What a snapshot is of: said before its chunks, and compared with what they come to.
//
// Format (docs/peer-protocol.md, Snapshots): numbers of fixed width, little-endian; who has a say
// as raftpb.ConfState; a CRC-32C of all of it.

import API

/// Whose state a snapshot holds, and as of when.
package struct SnapshotDescription: Hashable, Sendable {
    /// A random number: chunks of two snapshots, though of one state, do not mix.
    package var stream: UInt64
    package var cluster: ClusterID
    /// The last log entry in it.
    package var index: LogIndex
    /// That entry's term.
    package var term: Term
    /// As of that entry.
    package var confState: ConfState
    package var revision: Revision
    /// About how much is to come, uncompressed, in bytes: for those who watch, never relied on.
    package var estimatedBytes: UInt64

    package init(
        stream: UInt64, cluster: ClusterID, index: LogIndex, term: Term, confState: ConfState,
        revision: Revision, estimatedBytes: UInt64
    ) {
        self.stream = stream
        self.cluster = cluster
        self.index = index
        self.term = term
        self.confState = confState
        self.revision = revision
        self.estimatedBytes = estimatedBytes
    }

    /// No description is longer: that is some thousand members.
    package static let maximumBytes = 64 * 1024

    private static let magic = UInt32(0x4e53_4e43)  // "CNSN"
    private static let version: UInt32 = 1
    /// Everything before the ConfState.
    private static let fixedBytes = 56
    private static let checksumBytes = 4
    /// As the links' frames have it (docs/peer-protocol.md).
    private static let numberLimit: UInt64 = 1 << 62

    package var encoded: [UInt8] {
        var buffer = ByteBuffer(capacity: 256)
        buffer.append(littleEndian: Self.magic)
        buffer.append(littleEndian: Self.version)
        buffer.append(littleEndian: stream)
        buffer.append(littleEndian: cluster.rawValue)
        buffer.append(littleEndian: index.rawValue)
        buffer.append(littleEndian: term.rawValue)
        buffer.append(littleEndian: UInt64(bitPattern: revision.rawValue))
        buffer.append(littleEndian: estimatedBytes)
        confState.encode(into: &buffer)
        buffer.append(littleEndian: buffer.withUnsafeBytes { checksum($0) })
        return buffer.array
    }

    /// - Throws: `.damaged` for anything that `encoded` does not make.
    package init(decoding bytes: [UInt8]) throws(SnapshotError) {
        do throws(SnapshotDamage) {
            self = try bytes.span.withUnsafeBytes { (bytes) throws(SnapshotDamage) in
                try Self.decode(bytes)
            }
        } catch {
            throw .damaged(chunk: nil, error)
        }
    }

    private static func decode(
        _ bytes: UnsafeRawBufferPointer
    ) throws(SnapshotDamage) -> SnapshotDescription {
        guard bytes.count <= maximumBytes else { throw .tooLarge }
        guard bytes.count >= fixedBytes + checksumBytes else { throw .truncated }
        guard bytes.littleEndian(at: 0, as: UInt32.self) == magic else { throw .notASnapshot }
        guard bytes.littleEndian(at: 4, as: UInt32.self) == version else { throw .unknownVersion }
        let end = bytes.count - checksumBytes
        let covered = UnsafeRawBufferPointer(rebasing: bytes[..<end])
        guard checksum(covered) == bytes.littleEndian(at: end, as: UInt32.self) else {
            throw .checksum
        }
        func number(_ offset: Int) -> UInt64 { bytes.littleEndian(at: offset, as: UInt64.self) }
        let (index, term, revision) = (number(24), number(32), number(40))
        guard (1..<numberLimit).contains(index), (1..<numberLimit).contains(term),
            (1..<numberLimit).contains(revision)
        else { throw .outOfRange }
        let state = UnsafeRawBufferPointer(rebasing: bytes[fixedBytes..<end])
        guard let confState = try? ConfState(decoding: state) else { throw .outOfRange }
        return SnapshotDescription(
            stream: number(8), cluster: ClusterID(number(16)),
            index: LogIndex(index), term: Term(term), confState: confState,
            revision: Revision(Int64(revision)), estimatedBytes: number(48))
    }
}
