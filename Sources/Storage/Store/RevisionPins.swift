// Revisions that someone is still reading.
//
// A large range is read in slices, and other requests run in between, a compaction among them. It
// may forget a revision for all who come later, but must leave what a pinned one needs until the
// pin goes.

import API

/// How many readers each pinned revision has.
struct RevisionPins {
    private var readers: [Revision: Int] = [:]

    /// What a compaction must leave readable; nil when nothing is pinned.
    var oldest: Revision? { readers.keys.min() }

    func contains(_ revision: Revision) -> Bool { readers[revision] != nil }

    mutating func add(_ revision: Revision) { readers[revision, default: 0] += 1 }

    mutating func remove(_ revision: Revision) {
        guard let count = readers[revision] else {
            preconditionFailure("revision \(revision.rawValue) is not pinned")
        }
        readers[revision] = count > 1 ? count - 1 : nil
    }
}

extension MVCCStore {
    /// Keeps `revision` readable until `unpin`, whatever is compacted meanwhile.
    /// - Throws: `.compacted`, `.futureRevision` when it cannot be read now.
    package func pin(_ revision: Revision) throws(StoreError) {
        try checkReadable(revision)
        pins.add(revision)
    }

    /// Ends one `pin` of `revision`.
    package func unpin(_ revision: Revision) {
        pins.remove(revision)
        continueCompaction()
    }
}
