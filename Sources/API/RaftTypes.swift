// The records that consensus decides on and storage keeps (raftpb).

/// One entry of the replicated log.
public struct Entry: Hashable, Sendable {
    /// What `data` holds. Raw values as in raftpb.EntryType.
    public enum Kind: Int32, Hashable, Sendable {
        /// An InternalRaftRequest; empty for the entry a new leader starts its term with.
        case normal = 0
        case configurationChange = 1
        case configurationChangeV2 = 2
    }

    public var term: Term
    public var index: LogIndex
    public var kind: Kind
    /// Shared, not copied, by the log, the disk and the links to followers.
    public var data: [UInt8]

    @inlinable public init(term: Term, index: LogIndex, kind: Kind = .normal, data: [UInt8] = []) {
        self.term = term
        self.index = index
        self.kind = kind
        self.data = data
    }
}

/// What a member must remember through a crash besides its log (Raft paper, figure 2).
public struct HardState: Hashable, Sendable {
    public var term: Term
    public var vote: MemberID
    public var commit: LogIndex

    @inlinable
    public init(term: Term = .zero, vote: MemberID = .none, commit: LogIndex = .zero) {
        self.term = term
        self.vote = vote
        self.commit = commit
    }
    public var isEmpty: Bool { self == HardState() }
}

/// Who has a say: the voters, both sets of them while a joint change is under way, and learners.
public struct ConfState: Hashable, Sendable {
    public var voters: [MemberID]
    public var learners: [MemberID]
    public var votersOutgoing: [MemberID]
    public var learnersNext: [MemberID]
    public var autoLeave: Bool

    public init(
        voters: [MemberID] = [], learners: [MemberID] = [], votersOutgoing: [MemberID] = [],
        learnersNext: [MemberID] = [], autoLeave: Bool = false
    ) {
        self.voters = voters
        self.learners = learners
        self.votersOutgoing = votersOutgoing
        self.learnersNext = learnersNext
        self.autoLeave = autoLeave
    }
}
