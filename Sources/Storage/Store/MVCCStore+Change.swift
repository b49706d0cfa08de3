// Puts and deletes.
//
// What can fail (checks, reading what was there) comes first, then the index and the record are
// changed together, which cannot fail.

import API

/// What a put takes from the pair that is there instead of the request (semantics.md, Put).
package struct Kept: OptionSet, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }
    package static let value = Kept(rawValue: 1)
    package static let lease = Kept(rawValue: 2)
}

/// What a put did.
package struct PutResult: Sendable {
    /// The revision it made, or takes part in.
    package let revision: Revision
    /// The pair before; nil when the key did not exist. `MVCCStore.withPair` reads it.
    package let previous: IndexedVersion?
    /// The lease that the key has now.
    package let lease: LeaseID
}

extension MVCCStore {
    /// Puts a pair, within the apply in progress. The bytes are copied.
    ///
    /// - Parameter key: not empty; whoever takes it from a client has refused that.
    /// - Parameter kept: what stays as it is; the argument for it does not count.
    /// - Throws: `.keyNotFound` if something is to be kept of a key that does not exist, nor did
    ///   before this apply; nothing was changed then. Whether the lease exists is the lessor's to
    ///   check.
    /// - Complexity: O(log n), no allocation but for growth.
    package func put(
        key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, lease: LeaseID = .none,
        keeping kept: Kept = []
    ) throws(StoreError) -> PutResult {
        guard !kept.isEmpty else { return record(key, value, lease) }
        // A transaction may have deleted the key just now: what it puts is judged by the state
        // before it (semantics.md, Txn), so what is kept is of then.
        guard let version = index.get(key) ?? index.get(key, at: revision) else {
            throw .keyNotFound
        }
        // The stored bytes lie where the new record goes and may move: take them out.
        let stored = try pair(at: version.modified)
        let keptLease = kept.contains(.lease) ? stored.lease : lease
        guard kept.contains(.value) else { return record(key, value, keptLease) }
        var copy = ByteBuffer()
        copy.append(stored.value)
        return copy.withUnsafeBytes { record(key, $0, keptLease) }
    }

    private func record(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ lease: LeaseID
    ) -> PutResult {
        precondition(!key.isEmpty, "an empty key")
        let position = nextPosition()
        let outcome = index.put(key, at: position)
        records.append(RecordKey(position)) { messages in
            messages.appendKeyValue(
                KeyValueView(
                    key: key, createRevision: outcome.created, modRevision: position.main,
                    version: outcome.version, value: value, lease: lease))
        }
        noteChange()
        return PutResult(revision: position.main, previous: outcome.previous, lease: lease)
    }

    /// Deletes the keys of `bounds` that exist, within the apply in progress.
    ///
    /// - Parameter visit: called with each key, in order, before any is deleted, and with its
    ///   encoded KeyValue if `wantsPairs`. The bytes are valid during the call only.
    /// - Returns: how many were deleted. With 0 the revision does not advance.
    /// - Throws: `.backend` when a pair cannot be read; nothing was deleted then.
    package func deleteRange(
        _ bounds: KeyBounds, wantsPairs: Bool = false,
        visit: (_ key: UnsafeRawBufferPointer, _ pair: UnsafeRawBufferPointer?) -> Void = { _, _ in
        }
    ) throws(StoreError) -> Int {
        if case .single = bounds.upper {
            guard let version = index.get(bounds.lower) else { return 0 }
            visit(bounds.lower, wantsPairs ? try encoded(version) : nil)
            bury(bounds.lower)
            return 1
        }
        // The index must not change while it is walked, so the keys are noted first.
        var keys = ByteBuffer()
        var lengths: [Int] = []
        _ = try index.visit(bounds) { (key, version) throws(StoreError) in
            visit(key, wantsPairs ? try encoded(version) : nil)
            keys.append(key)
            lengths.append(key.count)
            return true
        }
        keys.withUnsafeBytes { keys in
            var start = 0
            for length in lengths {
                bury(UnsafeRawBufferPointer(rebasing: keys[start..<start + length]))
                start += length
            }
        }
        return lengths.count
    }

    private func bury(_ key: UnsafeRawBufferPointer) {
        let position = nextPosition()
        let previous = index.tombstone(key, at: position)
        precondition(previous != nil, "a key that the index showed is not in it")
        records.append(RecordKey(position, isTombstone: true)) { $0.appendTombstone(key: key) }
        noteChange()
    }
}
