// The node's settings, and how it stands.

import API

/// The node's settings.
public struct RaftNodeOptions: Sendable {
    public var raft = RaftOptions()
    /// One tick (etcd: --heartbeat-interval).
    public var tickNanoseconds: UInt64 = 100_000_000
    /// Whether a start that reaches a quorum skips most of the first election timeout (etcd:
    /// --initial-election-tick-advance).
    public var advancesElection = false
    /// Commit index ahead of applied beyond which proposals are refused (etcd: 5000).
    public var maxApplyLag = 5000
    /// The same for proposals that should go first (etcd: 10000).
    public var maxPriorityApplyLag = 10000
    /// Bytes of this member's proposals that are not applied yet, beyond which more are refused.
    public var maxProposalBytes = 256 << 20
    /// Reads that may wait.
    public var maxReads = 100_000
    /// Writes with the disk at a time.
    public var maxWrites = 2
    /// A read round without answer is asked again after this long (etcd: 500 ms).
    public var readRetryNanoseconds: UInt64 = 500_000_000

    public init() {}

    /// Not where leases are kept: nobody is elected within the first timeout then, and what chance
    /// adds to it is all that keeps the members from campaigning in the same tick.
    var shortensFirstElection: Bool { advancesElection && raft.votePromise == .none }
    /// What a request may take, in ticks: 5 s and two election timeouts, as etcd has it.
    var requestTicks: Int {
        Int((5_000_000_000 + tickNanoseconds - 1) / tickNanoseconds) + 2 * raft.electionTicks
    }
    /// How long a start looks for the others before it counts as any other time: 5 s, as etcd.
    var firstTicks: Int { Int(5_000_000_000 / tickNanoseconds) }
    var readRetryTicks: Int { max(1, Int(readRetryNanoseconds / tickNanoseconds)) }
}

/// Which limit a proposal is measured by when applying lags.
public enum ProposalPriority: Hashable, Sendable {
    case normal, high
}

/// What is counted of a node. On its executor; read from any thread.
public struct RaftCounters: Sendable {
    /// Heartbeats of a leader that came more than an interval late.
    public let lateHeartbeats: Counter
    public let failedReads: Counter
    /// Rounds of reads that had to be asked for again.
    public let slowReads: Counter

    public init(
        lateHeartbeats: Counter = Counter(), failedReads: Counter = Counter(),
        slowReads: Counter = Counter()
    ) {
        self.lateHeartbeats = lateHeartbeats
        self.failedReads = failedReads
        self.slowReads = slowReads
    }
}

/// How a node stands.
public struct RaftStatus: Hashable, Sendable {
    public var id: MemberID
    public var role: RaftCore.Role
    public var term: Term
    /// In `term`; `.none` if it has not voted.
    public var vote: MemberID
    public var leader: MemberID
    public var last: LogIndex
    public var stored: LogIndex
    public var committed: LogIndex
    public var applied: LogIndex
    public var confState: ConfState
    public var isLearner: Bool
    /// Who is to lead next, if leadership is being handed over.
    public var transferTarget: MemberID?
    public var storageFailure: EntryStoreFailure?
    /// Entries of this member that are gathered, or in its log and not applied.
    public var pendingProposals: Int
}
