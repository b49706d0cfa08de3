// Reading changes in the order they were made: those of the entry just applied, as they happen, and
// those of the past, for whoever fell behind.
//
// A revision's changes are never torn apart: a slice ends between two revisions. The past of a
// single key is in the index; that of a range is a walk over the records by age.

import API

/// Told of the changes of each applied entry. On the store's executor.
package protocol ChangeObserver: AnyObject, Sendable {
    /// The entry that made `revision` was applied; `MVCCStore.changes` shows what it did.
    /// Not called for entries that changed no key.
    func changed(_ revision: Revision, count: Int)
    /// Another member's state took the place of this one. `revision` is its newest; changes up to
    /// there were not told one by one.
    func replaced(_ revision: Revision)
}

/// One change. The bytes are valid during the visit only.
package struct StoredChange {
    package let position: RevisionPosition
    package let isDelete: Bool
    package let key: UnsafeRawBufferPointer
    /// The encoded KeyValue; of a deletion the record with nothing but the key.
    package let encoded: UnsafeRawBufferPointer
}

extension MVCCStore {
    /// Tells `observer`, or nobody, of all changes from now on. It is held weakly.
    package func observeChanges(_ observer: (any ChangeObserver)?) { changeObserver = observer }

    /// Shows the last `count` changes that were applied, oldest first; only while
    /// `ChangeObserver.changed` runs.
    package func lastChanges(
        _ count: Int, _ visit: (StoredChange) throws(StoreError) -> Void
    ) throws(StoreError) {
        let total = records.active.count
        precondition(count <= total, "\(count) changes of \(total) are in the buffer")
        for place in (total - count)..<total {
            let record = records.active.record(at: place)
            try visit(
                try StoredChange(record.key.position, record.key.isTombstone, record.encoded))
        }
    }

    /// Shows the changes of `bounds` from revision `from` on, by age.
    ///
    /// - Parameter budget: records to look at, at least 1. What is begun of a revision is finished
    ///   whatever the budget.
    /// - Parameter visit: says false when it has had enough, which counts from the next revision.
    /// - Returns: where to go on; the revision after the newest when all was shown.
    /// - Throws: `.compacted` when changes from `from` on are gone; `.backend`, `.damaged`.
    package func changes(
        of bounds: KeyBounds, from: Revision, budget: Int,
        _ visit: (StoredChange) throws(StoreError) -> Bool
    ) throws(StoreError) -> Revision {
        precondition(applying == nil, "history read within an apply")
        if let compacted, from < compacted { throw .compacted(oldest: compacted) }
        guard from <= revision, !bounds.isEmpty else { return max(from, revision.next) }
        if case .single = bounds.upper {
            return try changes(ofKey: bounds.lower, from: from, budget: budget, visit)
        }
        var walk = HistoryWalk(left: budget)
        try records.forEach(from: from) { (key, encoded) throws(StoreError) in
            guard try walk.takes(key.position.main) else { return false }
            // A record of no key: `snapshot restore --bump-revision` (reference: ondisk.md).
            if encoded.isEmpty { return true }
            let change = try StoredChange(key.position, key.isTombstone, encoded)
            if bounds.contains(change.key), try !visit(change) { walk.left = 0 }
            return true
        }
        return walk.next ?? revision.next
    }

    private func changes(
        ofKey key: UnsafeRawBufferPointer, from: Revision, budget: Int,
        _ visit: (StoredChange) throws(StoreError) -> Bool
    ) throws(StoreError) -> Revision {
        var walk = HistoryWalk(left: budget)
        var failure: StoreError?
        index.changes(of: key, from: from) { position, isDelete in
            do throws(StoreError) {
                guard try walk.takes(position.main) else { return false }
                let found = try backend { () throws(BackendError) in
                    try records.encoded(position, isTombstone: isDelete)
                }
                guard let found else {
                    throw damaged(position, "the index has it, the file does not")
                }
                let change = StoredChange(
                    position: position, isDelete: isDelete, key: key, encoded: found)
                if try !visit(change) { walk.left = 0 }
                return true
            } catch {
                failure = error
                return false
            }
        }
        if let failure { throw failure }
        return walk.next ?? revision.next
    }

    /// Calls `body` with the encoded pair of `key` just before `revision`; not at all when there
    /// was none, or when a compaction took it.
    package func previous(
        of key: UnsafeRawBufferPointer, before revision: Revision,
        _ body: (UnsafeRawBufferPointer) -> Void
    ) throws(StoreError) {
        let before = Revision(revision.rawValue - 1)
        if let compacted, before < compacted { return }
        guard let version = index.get(key, at: before) else { return }
        body(try encoded(version))
    }
}

/// How far a walk by age may go.
private struct HistoryWalk {
    var left: Int
    private var current: Revision?
    /// Where the walk paused.
    private(set) var next: Revision?

    init(left: Int) { self.left = left }

    /// Whether a record of `revision` is to be looked at; false ends the walk.
    mutating func takes(_ revision: Revision) throws(StoreError) -> Bool {
        if revision != current {
            guard current == nil || left > 0 else {
                next = revision
                return false
            }
            current = revision
        }
        left -= 1
        return true
    }
}

extension StoredChange {
    fileprivate init(
        _ position: RevisionPosition, _ isDelete: Bool, _ encoded: UnsafeRawBufferPointer
    ) throws(StoreError) {
        do throws(WireError) {
            self.init(
                position: position, isDelete: isDelete, key: try storedKey(encoded),
                encoded: encoded)
        } catch {
            throw .damaged(position, "not a KeyValue: \(error)")
        }
    }
}

/// The key of an encoded KeyValue: field 1, which always comes first.
private func storedKey(_ encoded: UnsafeRawBufferPointer) throws(WireError)
    -> UnsafeRawBufferPointer
{
    var reader = ProtobufReader(encoded)
    guard let field = try reader.next(), field.number == 1 else { throw .malformed }
    return try field.bytes()
}

extension KeyBounds {
    /// Whether `key` lies inside.
    func contains(_ key: UnsafeRawBufferPointer) -> Bool {
        let order = Bytes.compare(key, lower)
        switch upper {
        case .single: return order == 0
        case .open: return order >= 0
        case .before(let end): return order >= 0 && Bytes.compare(key, end) < 0
        }
    }
}
