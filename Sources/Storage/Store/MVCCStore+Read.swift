// Reading keys, now and at past revisions.
//
// Answers are spliced from stored bytes: whoever asks is shown each pair's encoded KeyValue and
// copies it where it belongs. Nothing is decoded on the way.
//
// A large range is read in slices: it stops after so many bytes or keys looked at, and says where
// to go on. The caller pins the revision by naming that of the first slice in the next.

import API

/// What to read of a range.
package struct RangeQuery: Sendable {
    /// nil is now, the effects of the apply in progress included.
    package var revision: Revision?
    /// How many pairs at most; 0 is all.
    package var limit = 0
    package var countOnly = false
    /// Pairs come without value and lease (semantics.md, Range: 3.7 makes them from the index).
    package var keysOnly = false
    /// Whether to count beyond the pairs shown. A later slice of a range needs no count.
    package var wantsCount = true
    /// The visit pauses once it has shown so many bytes; it shows one pair at least.
    package var maximumBytes = Int.max
    /// The visit pauses once it has looked at so many keys, those that did not exist included; at
    /// least 1.
    package var maximumKeys = Int.max

    package init(revision: Revision? = nil, limit: Int = 0) {
        self.revision = revision
        self.limit = limit
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
    /// Keys in the range, whatever the limit; with `wantsCount` and not paused only.
    package var count = 0
    /// Whether keys are left beyond the limit; as `count`.
    package var more = false
    /// Where to go on when the visit paused; nil when it came to its end or the limit.
    package var next: [UInt8]?
}

extension MVCCStore {
    /// Shows the pairs of `bounds` in order of their keys.
    ///
    /// - Throws: `.compacted`, `.futureRevision`; `.backend` or `.damaged` when a pair cannot be
    ///   read.
    /// - Complexity: O(log n + pairs shown) now; counting in the past takes all keys of the range.
    package func range(
        _ bounds: KeyBounds, _ query: RangeQuery = RangeQuery(),
        visit: (RangedPair) -> Void
    ) throws(StoreError) -> RangeResult {
        try checkReadable(query.revision)
        var result = RangeResult(readRevision: query.revision ?? revision)
        if query.countOnly {
            result.count = index.count(in: bounds, at: query.revision)
            return result
        }
        if case .single = bounds.upper {
            guard let version = index.get(bounds.lower, at: query.revision) else { return result }
            visit(try shown(bounds.lower, version, query.keysOnly))
            result.shown = 1
            result.count = 1
            return result
        }
        try walk(bounds, query, &result, visit)
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

    private func walk(
        _ bounds: KeyBounds, _ query: RangeQuery, _ result: inout RangeResult,
        _ visit: (RangedPair) -> Void
    ) throws(StoreError) {
        let limit = query.limit > 0 ? query.limit : .max
        // Now, the index counts without looking; in the past it must look at every key anyway.
        let countsByLooking = query.wantsCount && !isNewest(query.revision)
        var shownBytes = 0
        let end = try index.visit(bounds, at: query.revision, budget: query.maximumKeys) {
            (key, version) throws(StoreError) in
            if result.shown == limit {
                result.more = true
                result.count += 1
                return countsByLooking
            }
            if result.shown > 0 && shownBytes >= query.maximumBytes {
                result.next = [UInt8](key)
                return false
            }
            let pair = try shown(key, version, query.keysOnly)
            visit(pair)
            shownBytes += pair.encoded.count
            result.shown += 1
            result.count += 1
            return true
        }
        if case .paused(let next) = end { result.next = next }
        if result.more && query.wantsCount && !countsByLooking {
            result.count = index.count(in: bounds, at: query.revision)
        }
    }

    /// Whether `revision` is read as now is: nothing was changed after it.
    private func isNewest(_ wanted: Revision?) -> Bool {
        guard let wanted else { return true }
        return wanted == revision && (applying?.changes ?? 0) == 0
    }

    func checkReadable(_ wanted: Revision?) throws(StoreError) {
        guard let wanted else { return }
        if wanted > revision { throw .futureRevision(newest: revision) }
        if let compacted, wanted < compacted, !pins.contains(wanted) {
            throw .compacted(oldest: compacted)
        }
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

    /// The stored bytes. Valid until the next change or turn.
    @inline(__always)
    func encoded(_ version: IndexedVersion) throws(StoreError) -> UnsafeRawBufferPointer {
        let found = try backend { () throws(BackendError) in
            try records.encoded(version.modified)
        }
        guard let found else {
            throw .damaged(version.modified, "the index has it, the file does not")
        }
        return found
    }

    /// The pair of `version`. Its bytes are valid until the next change or turn.
    package func pair(of version: IndexedVersion) throws(StoreError) -> KeyValueView {
        let bytes = try encoded(version)
        do { return try KeyValueView(decoding: bytes) } catch {
            throw .damaged(version.modified, "not a KeyValue: \(error)")
        }
    }
}
