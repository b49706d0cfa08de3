// The node's settings, and how it stands.

import API

/// The node's settings.
public struct RaftNodeOptions: Sendable {
    public var raft = RaftOptions()
    /// One tick (etcd: --heartbeat-interval).
    public var tickNanoseconds: UInt64 = 100_000_000
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

    /// What a request may take, in ticks: 5 s and two election timeouts, as etcd has it.
    var requestTicks: Int {
        Int((5_000_000_000 + tickNanoseconds - 1) / tickNanoseconds) + 2 * raft.electionTicks
    }
    var readRetryTicks: Int { max(1, Int(readRetryNanoseconds / tickNanoseconds)) }
}

/// Which limit a proposal is measured by when applying lags.
public enum ProposalPriority: Hashable, Sendable {
    case normal, high
}

/// How a node stands.
public struct RaftStatus: Hashable, Sendable {
    public var id: MemberID
    public var role: RaftCore.Role
    public var term: Term
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
}
