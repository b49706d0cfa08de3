// The hash by which members find out that their stores differ, etcd's to the bit.
//
// CRC-32C over the name of the table and over the records that any member has which has compacted
// at C, however far its deletions have come: all after C, and of those up to C the ones that are
// current at the revision hashed (reference: semantics.md, HashKV algorithm).

import API
import CSupport

/// A hash and what it is of.
package struct KeyValueHash: Hashable, Sendable {
    package let value: UInt32
    /// Records up to here were hashed.
    package let revision: Revision
    /// The last compaction before; -1 for none.
    package let compacted: Revision
}

/// Takes the records of table `key` in order.
struct KeyValueHasher {
    let revision: Revision
    let compacted: Revision
    /// Records up to the compaction count whether current or not: so it is when no key is current.
    let takesAll: Bool
    private var value: UInt32

    init(revision: Revision, compacted: Revision, takesAll: Bool) {
        self.revision = revision
        self.compacted = compacted
        self.takesAll = takesAll
        value = Self.update(0, Array(Table.key.name.utf8).span.bytes)
    }

    /// Whether `key` counts if it is current; what is past the revision does not.
    @inline(__always)
    func wants(_ key: RecordKey) -> Bool {
        let main = key.position.main
        return main <= revision && !(main == compacted && key.isTombstone)
    }

    /// Whether it depends on the key's history at `revision` that this record counts.
    @inline(__always)
    func mustBeCurrent(_ key: RecordKey) -> Bool { key.position.main <= compacted && !takesAll }

    /// Adds a record that counts, as it lies in the table.
    @inline(__always)
    mutating func add(_ key: UnsafeRawBufferPointer, _ record: UnsafeRawBufferPointer) {
        value = csupport_crc32c(value, key.baseAddress, key.count)
        value = csupport_crc32c(value, record.baseAddress, record.count)
    }

    private static func update(_ value: UInt32, _ bytes: RawSpan) -> UInt32 {
        bytes.withUnsafeBytes { csupport_crc32c(value, $0.baseAddress, $0.count) }
    }

    var result: KeyValueHash {
        KeyValueHash(value: value, revision: revision, compacted: compacted)
    }
}
