// The ordered index of all keys: which revisions each has, and how many keys lie where.
//
// A B+ tree over 4 KB pages (IndexPage). Every link to a child carries how many keys below it
// exist now, so the count of a range, and skipping to the next key that exists, cost one descent,
// however many keys lie between. Keys that were put once cost a word beside their bytes; those
// with more to tell have a history (KeyHistory). A deleted key stays in its leaf, uncounted, until
// a compaction drops it.
//
// Why not a balanced tree of nodes, as etcd's? A million keys of 40 bytes would cost it over 150
// bytes each beside the key; here it is about 25 to 40, and a descent touches few cache lines.
//
// The face is here; structure changes, ranges and compaction are in the files beside.

import API

/// What a put did.
package struct PutOutcome: Hashable, Sendable {
    /// The revision of the put that began this life of the key.
    package let created: Revision
    /// The key's version after the put.
    package let version: Int64
    /// The key as it was before; nil when it did not exist.
    package let previous: IndexedVersion?
}

/// The index is confined to its owner: one executor, one call at a time. Keys are byte strings of
/// any length above 0. Positions must ascend from call to call.
package struct KeyIndex: ~Copyable {
    var pool = PagePool()
    var heap = IndexHeap()
    var root: UInt32
    /// From the root to a leaf, as the last descent went.
    let path: UnsafeMutablePointer<PathStep>
    var pathLength = 0
    let scratch: IndexPage
    /// The newest change known.
    private(set) var newest = RevisionPosition(main: Revision(0), sub: 0)
    /// Keys known, deleted ones that no compaction has dropped yet included.
    package internal(set) var keys = 0

    /// More levels than any tree that fits an address space has.
    static let maximumHeight = 64

    package init() {
        path = .allocate(capacity: Self.maximumHeight)
        scratch = IndexPage(
            base: .allocate(byteCount: IndexPage.size, alignment: 16))
        root = pool.allocate(level: 0)
    }

    deinit {
        var heap = heap
        freeBlocks(below: root, in: &heap)
        path.deallocate()
        scratch.base.deallocate()
    }

    /// Keys that exist now.
    package var liveKeys: Int { liveCount(of: root) }

    /// Bytes held: pages, histories and long keys, with the allocator's overhead.
    package var memoryBytes: Int { pool.bytes + heap.bytes + IndexPage.size }

    // MARK: Changes

    /// Records a put.
    package mutating func put(
        _ key: UnsafeRawBufferPointer, at position: RevisionPosition
    ) -> PutOutcome {
        note(position)
        let (leaf, index, found) = descend(to: key)
        if found { return putAgain(leaf, index, position) }
        insert(key, newEntry(put: position, created: position.main, version: 1), leaf, index)
        return PutOutcome(created: position.main, version: 1, previous: nil)
    }

    /// Records a delete. Returns the key as it was before; nil when it did not exist, and then
    /// nothing is recorded.
    package mutating func tombstone(
        _ key: UnsafeRawBufferPointer, at position: RevisionPosition
    ) -> IndexedVersion? {
        let (leaf, index, found) = descend(to: key)
        guard found, let previous = leaf.record(at: index).newest else { return nil }
        note(position)
        append(position, isDelete: true, leaf, index)
        adjustLiveCounts(by: -1)
        return previous
    }

    /// Records a change read from disk at start; in ascending order of positions.
    ///
    /// `created` and `version` are those stored with a put: they count for a key's first change
    /// (a compaction may have dropped earlier ones), later ones follow from it.
    /// - Returns: false when this cannot be, given what came before: the disk's content is
    ///   damaged, and nothing was recorded.
    package mutating func restore(
        _ key: UnsafeRawBufferPointer, at position: RevisionPosition, isTombstone: Bool,
        created: Revision, version: Int64
    ) -> Bool {
        guard keys == 0 || position > newest, !key.isEmpty, position.main.rawValue > 0,
            (0...KeyHistory.maximumSub).contains(position.sub)
        else { return false }
        let (leaf, index, found) = descend(to: key)
        if found {
            let previous = leaf.record(at: index).newest
            if isTombstone {
                guard previous != nil else { return false }
                append(position, isDelete: true, leaf, index)
                adjustLiveCounts(by: -1)
            } else {
                guard version == (previous?.version ?? 0) + 1,
                    created == previous?.created ?? position.main
                else { return false }
                _ = putAgain(leaf, index, position)
            }
        } else if isTombstone {
            insert(key, newEntry(deleteAt: position), leaf, index)
        } else {
            guard version >= 1, created <= position.main else { return false }
            insert(key, newEntry(put: position, created: created, version: version), leaf, index)
        }
        newest = position
        return true
    }

    // MARK: Reads of one key

    /// The key at `revision`, or now when it is nil; nil when it did not exist.
    /// A revision below the last compaction gives no meaningful answer.
    package func get(
        _ key: UnsafeRawBufferPointer, at revision: Revision? = nil
    ) -> IndexedVersion? {
        let (leaf, index) = leafPlace(of: key)
        guard let index else { return nil }
        let record = leaf.record(at: index)
        guard let revision else { return record.newest }
        return record.version(at: revision)
    }

    /// Calls `visit` with the changes of `key` from `revision` on, oldest first, until it says
    /// false. A compaction has dropped some of those below it.
    package func changes(
        of key: UnsafeRawBufferPointer, from revision: Revision,
        _ visit: (RevisionPosition, _ isDelete: Bool) -> Bool
    ) {
        let (leaf, index) = leafPlace(of: key)
        guard let index else { return }
        switch leaf.record(at: index) {
        case .single(let version):
            if version.modified.main >= revision { _ = visit(version.modified, false) }
        case .history(let history): history.changes(from: revision, visit)
        }
    }

    /// Whether a compaction at `revision` keeps the change of `key` at `position`: the newest at
    /// or below the revision, if it is a put or a delete at that very revision, and all above it
    /// (reference: ondisk.md, "Compaction at R"). The same before, during and after `compact`.
    package func keeps(
        _ key: UnsafeRawBufferPointer, _ position: RevisionPosition,
        compactingAt revision: Revision
    ) -> Bool {
        if position.main > revision { return true }
        let (leaf, index) = leafPlace(of: key)
        guard let index else { return false }
        return switch leaf.record(at: index) {
        case .single(let version): version.modified == position
        case .history(let history): history.keeps(position, compactingAt: revision)
        }
    }

    // MARK: Parts

    private mutating func note(_ position: RevisionPosition) {
        precondition(keys == 0 || position > newest, "a change before one that is known already")
        newest = position
    }

    private mutating func putAgain(
        _ leaf: IndexPage, _ index: Int, _ position: RevisionPosition
    ) -> PutOutcome {
        let previous = leaf.record(at: index).newest
        append(position, isDelete: false, leaf, index)
        guard let previous else {
            adjustLiveCounts(by: 1)
            return PutOutcome(created: position.main, version: 1, previous: nil)
        }
        return PutOutcome(
            created: previous.created, version: previous.version + 1, previous: previous)
    }

    /// Adds a change to the entry's history, which begins now if there is none.
    private mutating func append(
        _ position: RevisionPosition, isDelete: Bool, _ leaf: IndexPage, _ index: Int
    ) {
        var history: KeyHistory
        switch leaf.record(at: index) {
        case .history(let existing): history = existing
        case .single(let only):
            history = KeyHistory(
                first: only.modified, isDelete: false, created: only.created,
                version: only.version, capacity: 2, in: &heap)
        }
        history.append(position, isDelete: isDelete, in: &heap)
        leaf.setHistory(history, at: index)
    }

    private mutating func newEntry(
        put position: RevisionPosition, created: Revision, version: Int64
    ) -> PageEntry {
        guard let word = LeafWord(put: position) else {
            let history = KeyHistory(
                first: position, isDelete: false, created: created, version: version, capacity: 1,
                in: &heap)
            return PageEntry(word: LeafWord(history: history, isLive: true).bits)
        }
        if version == 1 && created == position.main { return PageEntry(word: word.bits) }
        return PageEntry(
            word: word.bits,
            settled: SettledLife(created: created.rawValue, version: version))
    }

    private mutating func newEntry(deleteAt position: RevisionPosition) -> PageEntry {
        let history = KeyHistory(
            first: position, isDelete: true, created: Revision(0), version: 0, capacity: 1,
            in: &heap)
        return PageEntry(word: LeafWord(history: history, isLive: false).bits)
    }
}

extension KeyIndex {
    /// Records a put of a key given as an array.
    package mutating func put(_ key: [UInt8], at position: RevisionPosition) -> PutOutcome {
        key.withUnsafeBytes { put($0, at: position) }
    }

    /// Records a delete of a key given as an array.
    package mutating func tombstone(
        _ key: [UInt8], at position: RevisionPosition
    ) -> IndexedVersion? {
        key.withUnsafeBytes { tombstone($0, at: position) }
    }

    /// The key, given as an array, at `revision` or now.
    package func get(_ key: [UInt8], at revision: Revision? = nil) -> IndexedVersion? {
        key.withUnsafeBytes { get($0, at: revision) }
    }
}
