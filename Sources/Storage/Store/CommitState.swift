// What waits to be committed, and by which rules.

import API

/// What is on disk.
package struct CommittedState: Hashable, Sendable {
    /// The last log entry whose effects are durable. The log is not needed up to here.
    package let index: LogIndex
    /// That entry's term.
    package let term: Term
    package let size: BackendSize
}

/// The store's side of commits: at most one is in flight, the next one gathers meanwhile.
struct CommitState {
    let configuration: StoreConfiguration
    let backend: Backend
    /// As of the last finished commit.
    var durable: CommittedState
    /// Why nothing is applied any more.
    var failure: BackendError?

    /// Writes applied since the last commit was started.
    var pendingWrites = 0
    private(set) var changes: [TableChange] = []
    private(set) var changesBytes = 0
    /// Records that a compaction drops.
    private(set) var deletions: [RecordKey] = []
    var confState: ConfState?

    var isInFlight = false
    var inFlightSince = MonotonicTime(nanoseconds: 0)
    /// Runs out when what is pending must be committed.
    var timer: (any TimerHandle)?
    /// Commits are numbered from 1.
    var started = 0
    var finished = 0
    /// Told once that commit is durable.
    var waiting: [(through: Int, then: @Sendable (BackendError?) -> Void)] = []
    var observer: (@Sendable (CommitEvent) -> Void)?

    init(_ configuration: StoreConfiguration, backend: Backend, durable: CommittedState) {
        self.configuration = configuration
        self.backend = backend
        self.durable = durable
    }

    mutating func add(_ change: TableChange) {
        changes.append(change)
        changesBytes += change.key.count + (change.value?.count ?? 0)
    }

    /// The file has another size, and holds the same.
    mutating func resize(_ size: BackendSize) {
        durable = CommittedState(index: durable.index, term: durable.term, size: size)
    }

    mutating func add(_ deletions: [RecordKey]) {
        self.deletions += deletions
        pendingWrites += deletions.count
    }

    /// Another state took the place of this one: nothing is pending.
    /// - Returns: those who waited for a commit of what is in it now.
    mutating func restart(at state: CommittedState) -> [@Sendable (BackendError?) -> Void] {
        _ = takeChanges()
        durable = state
        failure = nil
        finished = started
        defer { waiting = [] }
        return waiting.map(\.then)
    }

    /// The pending writes besides revisions, which are no longer pending then.
    mutating func takeChanges() -> (
        changes: [TableChange], deletions: [RecordKey], confState: ConfState?
    ) {
        let taken = (changes, deletions, confState)
        changes = []
        deletions = []
        changesBytes = 0
        confState = nil
        pendingWrites = 0
        return taken
    }
}

/// What the store says of its commits.
package enum CommitEvent: Sendable {
    /// - Parameter nanoseconds: from its start to the answer.
    case committed(CommittedState, nanoseconds: UInt64)
    /// Nothing is applied any more.
    case failed(BackendError)
}
