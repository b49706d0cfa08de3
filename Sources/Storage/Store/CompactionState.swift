// What is left to do of the compactions that were applied.

import API

/// What becomes of compactions.
package enum CompactionEvent: Sendable {
    /// A slice held the executor for so long.
    case slice(nanoseconds: UInt64, isOfIndex: Bool)
    /// What it drops is deleted, on disk.
    case finished(CompactionReport)
    /// Nothing more is deleted until the store is opened again.
    case failed(StoreError)
}

/// What a finished compaction did.
package struct CompactionReport: Sendable {
    package let revision: Revision
    /// Nil when another compaction had not finished as this one was applied.
    package let hash: KeyValueHash?
    package let deletedRecords: Int
    /// From the beginning of the work to the end of its last commit.
    package let nanoseconds: UInt64
}

/// The deletions under way.
struct CompactionJob {
    /// Each step is done in slices and then followed by the next.
    enum Step {
        /// Until the promise to compact is on disk.
        case recording
        /// Is any key current at the revision? The search goes on from here.
        case search(from: [UInt8])
        /// The records in the file, from here on.
        case records(from: RevisionPosition)
        /// The index, from here on.
        case index(from: [UInt8]?)
        /// Until all deletions and the note that they are done are on disk.
        case finishing
    }
    let revision: Revision
    /// The compaction before; -1 for none.
    let previous: Revision
    /// Whether the one before had finished when this one was applied: only then are all members
    /// sure to have the same records.
    let wantsHash: Bool
    var step = Step.recording
    var hasher: KeyValueHasher?
    var deletedRecords = 0
    var began: MonotonicTime?
}

/// Compactions of a store: one works, those applied meanwhile are merged into one that waits.
struct CompactionState {
    var job: CompactionJob?
    /// What follows `job`. Its deletions include those of all that were merged into it.
    var next: CompactionJob?
    /// A slice is posted and has not run yet.
    var isPosted = false
    var failure: StoreError?
    /// Told once all that was compacted up to their revision is deleted on disk.
    var waiting: [(through: Revision, then: @Sendable (StoreError?) -> Void)] = []
    /// Of the newest finished compactions, oldest first.
    private(set) var hashes: [KeyValueHash] = []
    var observer: (@Sendable (CompactionEvent) -> Void)?

    /// As many as etcd keeps (reference: semantics.md, HashKV).
    private static let hashLimit = 10

    mutating func keep(_ hash: KeyValueHash) {
        if hashes.count == Self.hashLimit { hashes.removeFirst() }
        hashes.append(hash)
    }

    /// A compaction was applied. The newest of those that wait is enough: it drops what they drop.
    mutating func add(_ revision: Revision, previous: Revision?) {
        let added = CompactionJob(
            revision: revision, previous: previous ?? .neverCompacted, wantsHash: job == nil)
        if job == nil { job = added } else { next = added }
    }

    /// An earlier life of the store had begun it.
    mutating func resume(_ revision: Revision) {
        job = CompactionJob(revision: revision, previous: .neverCompacted, wantsHash: false)
    }

    /// Another state took the place of this one.
    /// - Parameter unfinished: what is left to do there.
    /// - Returns: those who wait for nothing more.
    mutating func restart(unfinished: Revision?) -> [@Sendable (StoreError?) -> Void] {
        job = nil
        next = nil
        failure = nil
        hashes = []
        if let unfinished { resume(unfinished) }
        let reached = waiting.filter { $0.through < unfinished ?? Revision(.max) }
        waiting.removeAll { $0.through < unfinished ?? Revision(.max) }
        return reached.map(\.then)
    }

    /// The job is done. Returns those who waited for it.
    mutating func finish() -> [@Sendable (StoreError?) -> Void] {
        guard let done = job?.revision else { preconditionFailure("no compaction to finish") }
        job = next
        next = nil
        let reached = waiting.filter { $0.through <= done }
        waiting.removeAll { $0.through <= done }
        return reached.map(\.then)
    }
}

extension Revision {
    /// Stands in hashes for the last compaction of a store that has none.
    static let neverCompacted = Revision(-1)
}
