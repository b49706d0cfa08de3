// Reading keys, now and at past revisions.
//
// Answers are spliced from stored bytes: whoever asks is shown each pair's encoded KeyValue and
// copies it where it belongs. Nothing is decoded on the way.
//
// A large range is read in slices: it stops after so many bytes, pairs or keys looked at, and says
// where to go on. The caller pins the revision of the first slice and names it in the next.

import API

/// What to read of a range.
package struct RangeQuery: Sendable {
    /// nil is now, the effects of the apply in progress included.
    package var revision: Revision?
    /// The caller holds a pin of `revision`: it is read even if it was compacted meanwhile.
    package var isPinned = false
    /// How many pairs at most. With 0 none is shown, and what is asked is whether there are any.
    package var limit = Int.max
    /// Pairs that do not pass are not shown; they are counted.
    package var filter = RevisionFilter()
    package var countOnly = false
    /// Pairs come without value and lease (semantics.md, Range: 3.7 makes them from the index).
    package var keysOnly = false
    /// Whether to count beyond the pairs shown.
    package var wantsCount = true
    /// The visit pauses once it has shown so many bytes; it shows one pair at least.
    package var maximumBytes = Int.max
    /// The visit pauses once it has shown so many pairs; at least 1.
    package var maximumPairs = Int.max
    /// The visit pauses once it has looked at so many keys, those that did not exist included; at
    /// least 1.
    package var maximumKeys = Int.max

    package init(revision: Revision? = nil, limit: Int = .max) {
        self.revision = revision
        self.limit = limit
    }
}

/// Bounds of a pair's revisions, inclusive; 0 is none (semantics.md, Range).
package struct RevisionFilter: Hashable, Sendable {
    package var minModified = Revision(0)
    package var maxModified = Revision(0)
    package var minCreated = Revision(0)
    package var maxCreated = Revision(0)

    package init() {}

    package var isOff: Bool { self == RevisionFilter() }

    func passes(_ version: IndexedVersion) -> Bool {
        let off = Revision(0)
        let modified = version.modified.main
        let created = version.created
        return (minModified == off || modified >= minModified)
            && (maxModified == off || modified <= maxModified)
            && (minCreated == off || created >= minCreated)
            && (maxCreated == off || created <= maxCreated)
    }
}

/// A pair of a range. The bytes are valid during the visit only.
package struct RangedPair {
    package let key: UnsafeRawBufferPointer
    package let version: IndexedVersion
    /// The encoded KeyValue.
    package let encoded: UnsafeRawBufferPointer
}

/// How far a range was read.
package struct RangeResult: Sendable {
    /// The revision that was read.
    package let readRevision: Revision
    /// Pairs shown.
    package var shown = 0
    /// Keys counted, whatever limit and filter; with `wantsCount` only.
    package var count = 0
    /// Whether `count` is that of all of the range. If not, the visit has paused, and these are the
    /// keys before `next`: the slices to come count on.
    package var isCountWhole = false
    /// Whether pairs that pass the filter were seen beyond the limit.
    package var more = false
    /// Where to go on when the visit paused; nil when there is nothing left to show or count.
    package var next: [UInt8]?
}

extension MVCCStore {
    /// Shows the pairs of `bounds` in order of their keys.
    ///
    /// - Throws: `.compacted`, `.futureRevision`; `.backend` or `.damaged` when a pair cannot be
    ///   read.
    /// - Complexity: O(log n + pairs shown) now, without a filter; counting in the past takes all
    ///   keys of the range.
    package func range(
        _ bounds: KeyBounds, _ query: RangeQuery = RangeQuery(),
        visit: (RangedPair) -> Void
    ) throws(StoreError) -> RangeResult {
        if case .single = bounds.upper, query.limit > 0, !query.countOnly {
            return try single(bounds.lower, query, visit)
        }
        return try walk(bounds, query) { (key, version) throws(StoreError) in
            let pair = try shown(key, version, query.keysOnly)
            visit(pair)
            return pair.encoded.count
        }
    }

    /// The most frequent range, without what the others need.
    @inline(__always)
    private func single(
        _ key: UnsafeRawBufferPointer, _ query: RangeQuery, _ visit: (RangedPair) -> Void
    ) throws(StoreError) -> RangeResult {
        try checkReadable(query.revision, isPinned: query.isPinned)
        var result = RangeResult(readRevision: query.revision ?? revision)
        result.isCountWhole = true
        guard let version = index.get(key, at: query.revision) else { return result }
        result.count = 1
        if query.filter.passes(version) {
            visit(try shown(key, version, query.keysOnly))
            result.shown = 1
        }
        return result
    }

    /// As above, for a range given as arrays.
    package func range(
        _ keys: KeyRange, _ query: RangeQuery = RangeQuery(), visit: (RangedPair) -> Void
    ) throws(StoreError) -> RangeResult {
        try keys.withBounds { (bounds) throws(StoreError) in
            try range(bounds, query, visit: visit)
        }
    }

    /// Shows what the index knows of the pairs of `bounds`, in order of their keys, without
    /// reading them.
    package func versions(
        _ bounds: KeyBounds, _ query: RangeQuery,
        visit: (IndexedVersion) throws(StoreError) -> Void
    ) throws(StoreError) -> RangeResult {
        try walk(bounds, query) { (_, version) throws(StoreError) in
            try visit(version)
            return 0
        }
    }

    /// - Parameter show: returns how many bytes it has shown.
    private func walk(
        _ bounds: KeyBounds, _ query: RangeQuery,
        _ show: (UnsafeRawBufferPointer, IndexedVersion) throws(StoreError) -> Int
    ) throws(StoreError) -> RangeResult {
        try checkReadable(query.revision, isPinned: query.isPinned)
        var result = RangeResult(readRevision: query.revision ?? revision)
        // Now, the index counts without looking; in the past it must look at every key.
        let countsByLooking = query.wantsCount && !isNewest(query.revision)
        if query.countOnly && !countsByLooking {
            result.count = index.count(in: bounds, at: query.revision)
            result.isCountWhole = true
            return result
        }
        var shownBytes = 0
        var looked = 0
        let end = try index.visit(bounds, at: query.revision, budget: query.maximumKeys) {
            (key, version) throws(StoreError) in
            if query.countOnly || !query.filter.passes(version) {
                looked += 1
                return true
            }
            if result.shown == query.limit {
                looked += 1
                result.more = true
                return countsByLooking
            }
            if result.shown > 0
                && (shownBytes >= query.maximumBytes || result.shown >= query.maximumPairs)
            {
                result.next = [UInt8](key)
                return false
            }
            shownBytes += try show(key, version)
            result.shown += 1
            looked += 1
            return true
        }
        if case .paused(let next) = end { result.next = next }
        guard query.wantsCount else { return result }
        if end == .complete || countsByLooking {
            result.count = looked
            result.isCountWhole = end == .complete
        } else {
            result.count = index.count(in: bounds, at: query.revision)
            result.isCountWhole = true
        }
        return result
    }

    /// Whether `revision` is read as now is: nothing was changed after it.
    private func isNewest(_ wanted: Revision?) -> Bool {
        guard let wanted else { return true }
        return wanted == revision && (applying?.changes ?? 0) == 0
    }

    func checkReadable(_ wanted: Revision?, isPinned: Bool = false) throws(StoreError) {
        guard let wanted else { return }
        if wanted > revision { throw .futureRevision(newest: revision) }
        guard let compacted, wanted < compacted else { return }
        precondition(!isPinned || pins.contains(wanted), "a pin that nobody holds")
        let isGone = replacedBefore.map { wanted < $0 } ?? false
        if !isPinned || isGone { throw .compacted(oldest: compacted) }
    }

    private func shown(
        _ key: UnsafeRawBufferPointer, _ version: IndexedVersion, _ keysOnly: Bool
    ) throws(StoreError) -> RangedPair {
        guard keysOnly else {
            return RangedPair(key: key, version: version, encoded: try encoded(version))
        }
        scratch.removeAll()
        scratch.appendKeyValueWithoutValue(
            KeyValueView(
                key: key, createRevision: version.created, modRevision: version.modified.main,
                version: version.version, value: UnsafeRawBufferPointer(start: nil, count: 0),
                lease: .none))
        // The pointer leaves the closure: sound, for the scratch stays until the next pair.
        return RangedPair(key: key, version: version, encoded: scratch.withUnsafeBytes { $0 })
    }
}

// MARK: - One pair

extension MVCCStore {
    /// Calls `body` with the encoded KeyValue of `version`, such as a put has replaced. The bytes
    /// are valid during the call only.
    package func withPair<Result>(
        _ version: IndexedVersion, _ body: (UnsafeRawBufferPointer) -> Result
    ) throws(StoreError) -> Result {
        body(try encoded(version))
    }

    /// The pair that the put at `position` made. Valid until the next change or turn.
    package func pair(at position: RevisionPosition) throws(StoreError) -> KeyValueView {
        let bytes = try encoded(position)
        do { return try KeyValueView(decoding: bytes) } catch {
            throw damaged(position, "not a KeyValue: \(error)")
        }
    }

    /// Below, at or above zero as the value put at `a` is before, equal to or after that at `b`.
    package func compareValues(
        at a: RevisionPosition, _ b: RevisionPosition
    ) throws(StoreError) -> Int {
        Bytes.compare(try pair(at: a).value, try pair(at: b).value)
    }

    /// The key as the index knows it at `revision`, or now; nil when it did not exist.
    package func version(
        of key: UnsafeRawBufferPointer, at revision: Revision? = nil
    ) throws(StoreError) -> IndexedVersion? {
        try checkReadable(revision)
        return index.get(key, at: revision)
    }

    /// Calls `visit` with each key of `bounds` as it is now, in order, until it says false.
    /// - Complexity: O(log n + keys shown); no stored bytes are read.
    package func forEachVersion(
        in bounds: KeyBounds, _ visit: (IndexedVersion) throws(StoreError) -> Bool
    ) throws(StoreError) {
        if case .single = bounds.upper {
            if let version = index.get(bounds.lower) { _ = try visit(version) }
            return
        }
        _ = try index.visit(bounds) { (_, version) throws(StoreError) in try visit(version) }
    }

    /// Calls `visit` with each key of `bounds`, and what the index knows of it, in order. The key's
    /// bytes are valid during the call only.
    /// - Complexity: O(log n + keys shown); no stored bytes are read.
    package func forEachKey(
        in bounds: KeyBounds, _ visit: (UnsafeRawBufferPointer, IndexedVersion) -> Void
    ) throws(StoreError) {
        _ = index.visit(bounds) { key, version in
            visit(key, version)
            return true
        }
    }

    /// The stored bytes. Valid until the next change or turn.
    @inline(__always)
    func encoded(_ version: IndexedVersion) throws(StoreError) -> UnsafeRawBufferPointer {
        try encoded(version.modified)
    }

    /// The stored bytes of the put at `position`. Valid until the next change or turn.
    @inline(__always)
    package func encoded(
        _ position: RevisionPosition
    ) throws(StoreError) -> UnsafeRawBufferPointer {
        let found = try backend { () throws(BackendError) in try records.encoded(position) }
        guard let found else {
            // Found in the state that was there before this one.
            if let oldest = replacedBefore, position.main < oldest {
                throw .compacted(oldest: oldest)
            }
            throw damaged(position, "the index has it, the file does not")
        }
        return found
    }
}
