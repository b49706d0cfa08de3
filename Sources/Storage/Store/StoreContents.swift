// What is read from the file when the store is opened: the key index, built by one pass over the
// revisions from the oldest to the newest, and how far the file reaches.

import API

/// The state that the file at hand proves.
struct StoreContents: ~Copyable {
    var index = KeyIndex()
    var summary = StoreSummary()

    init() {}
}

/// How far an opened store reaches; for whoever goes on from there.
package struct StoreSummary: Sendable {
    /// The newest revision.
    package internal(set) var revision = Revision.initial
    /// The oldest revision that can be read; nil when nothing was ever compacted.
    package internal(set) var compacted: Revision?
    /// The compaction that was promised but not finished; nil when there is none.
    var unfinishedCompaction: Revision?
    /// The last log entry whose effects are in the file; replay starts behind it. 0 for a new one.
    package internal(set) var consistentIndex = LogIndex.zero
    /// That entry's term.
    package internal(set) var term = Term.zero
    /// Who had a say as of that entry; nil when the file does not tell.
    package internal(set) var confState: ConfState?
    /// The keys that have a lease now, in order. The lessor attaches them.
    package internal(set) var leases: [LeasedKey] = []

    package struct LeasedKey: Hashable, Sendable {
        package let key: [UInt8]
        package let lease: LeaseID
    }
}

extension StoreContents {
    init(reading view: borrowing ReadTransaction) throws(StoreError) {
        try readMeta(view)
        try readRevisions(view)
    }

    /// How far the file reaches, without its keys.
    static func summary(
        of view: borrowing ReadTransaction
    ) throws(StoreError) -> StoreSummary {
        var contents = StoreContents()
        try contents.readMeta(view)
        var summary = contents.summary
        let last = try backend { () throws(BackendError) in
            try view.lastKey(of: .key).map { RecordKey(decoding: $0) }
        }
        if let last {
            guard let last else {
                throw .damaged(place: "the last key", reason: "not a revision key")
            }
            summary.revision = max(summary.revision, last.position.main)
        }
        return summary
    }

    // MARK: Meta

    private mutating func readMeta(_ view: borrowing ReadTransaction) throws(StoreError) {
        // One whose key was damaged would not be found, and count as not there.
        try backend { () throws(BackendError) in try view.forEach(in: .meta) { _, _ in true } }
        summary.consistentIndex = LogIndex(try Self.number(MetaKey.consistentIndex, view) ?? 0)
        summary.term = Term(try Self.number(MetaKey.term, view) ?? 0)
        if let json = try Self.meta(MetaKey.confState, view) {
            guard let state = ConfStateJSON.decode(json) else {
                throw Self.damaged(MetaKey.confState, "not the JSON of a confState")
            }
            summary.confState = state
        }
        // A scheduled compaction that did not finish counts: its revision was promised, and
        // what is below may be gone in part.
        let scheduled = try Self.compaction(MetaKey.scheduledCompaction, view)
        let finished = try Self.compaction(MetaKey.finishedCompaction, view)
        if let scheduled, scheduled > finished ?? .neverCompacted {
            summary.unfinishedCompaction = scheduled
        }
        if let newest = [scheduled, finished].compactMap({ $0 }).max() {
            summary.compacted = newest
        }
        // Reference: ondisk.md, "Current revision at start".
        summary.revision = max(.initial, summary.compacted ?? .initial)
    }

    private static func compaction(
        _ name: [UInt8], _ view: borrowing ReadTransaction
    ) throws(StoreError) -> Revision? {
        guard let bytes = try meta(name, view) else { return nil }
        guard let key = bytes.withUnsafeBytes({ RecordKey(decoding: $0) }) else {
            throw damaged(name, "not a revision key")
        }
        return key.position.main
    }

    private static func meta(
        _ name: [UInt8], _ view: borrowing ReadTransaction
    ) throws(StoreError) -> [UInt8]? {
        try backend { () throws(BackendError) in
            try name.span.withUnsafeBytes { (name) throws(BackendError) in
                try view.get(.meta, name).map { [UInt8]($0) }
            }
        }
    }

    private static func number(
        _ name: [UInt8], _ view: borrowing ReadTransaction
    ) throws(StoreError) -> UInt64? {
        guard let bytes = try meta(name, view) else { return nil }
        guard bytes.count == 8 else { throw damaged(name, "not 8 bytes but \(bytes.count)") }
        return bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }

    private static func damaged(_ name: [UInt8], _ reason: String) -> StoreError {
        .damaged(place: "meta/\(String(decoding: name, as: UTF8.self))", reason: reason)
    }

    // MARK: Revisions

    private mutating func readRevisions(_ view: borrowing ReadTransaction) throws(StoreError) {
        var leases: [[UInt8]: LeaseID] = [:]
        var failure: StoreError?
        try backend { () throws(BackendError) in
            try view.forEach(in: .key) { key, value in
                do throws(StoreError) {
                    try restore(key, value, &leases)
                    return true
                } catch {
                    failure = error
                    return false
                }
            }
        }
        if let failure { throw failure }
        summary.leases = leases.map { .init(key: $0.key, lease: $0.value) }
            .sorted { $0.key.lexicographicallyPrecedes($1.key) }
    }

    private mutating func restore(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer,
        _ leases: inout [[UInt8]: LeaseID]
    ) throws(StoreError) {
        guard let record = RecordKey(decoding: key) else {
            throw .damaged(place: "key \([UInt8](key))", reason: "not a revision key")
        }
        let position = record.position
        summary.revision = max(summary.revision, position.main)
        // `snapshot restore --bump-revision` leaves a record of no key (reference: ondisk.md).
        if value.isEmpty { return }

        let pair: KeyValueView
        do { pair = try KeyValueView(decoding: value) } catch {
            throw .damaged(position, "not a KeyValue: \(error)")
        }
        let isPlausible = index.restore(
            pair.key, at: position, isTombstone: record.isTombstone,
            created: pair.createRevision, version: pair.version)
        guard isPlausible, record.isTombstone || pair.modRevision == position.main else {
            throw .damaged(position, "contradicts the records before it")
        }
        if pair.lease != .none {
            leases[[UInt8](pair.key)] = pair.lease
        } else if !leases.isEmpty {
            leases[[UInt8](pair.key)] = nil
        }
    }
}

extension StoreError {
    static func damaged(_ position: RevisionPosition, _ reason: String) -> StoreError {
        .damaged(place: "revision \(position.main.rawValue).\(position.sub)", reason: reason)
    }
}
