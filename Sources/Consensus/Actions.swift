// What a step asks of its driver.

import API

/// What is to go to disk, after all that went before it.
public struct LogWrite: Hashable, Sendable {
    public var number: WriteNumber
    /// The log begins anew behind this place: whatever was written before is void, also what lies
    /// behind it. Goes to disk first of this write; its payload is durable already.
    public var snapshot: SnapshotMark?
    /// nil if it did not change.
    public var hardState: HardState?
    /// The first may lie at or before the end of what was written: it and all after it replace
    /// what was there.
    public var entries: [Entry]
    /// Whether it must survive loss of power before `stored` is said. False for a commit index
    /// alone.
    public var mustSync: Bool

    public init(
        number: WriteNumber, snapshot: SnapshotMark? = nil, hardState: HardState?,
        entries: [Entry], mustSync: Bool
    ) {
        self.number = number
        self.snapshot = snapshot
        self.hardState = hardState
        self.entries = entries
        self.mustSync = mustSync
    }
}

/// What became of `Event.propose`.
public enum ProposalOutcome: Hashable, Sendable {
    /// In the leader's log: the first at `at.index`, the others behind it, all of term `at.term`.
    /// They are decided when an entry is applied at that index: theirs if the term is the same.
    case appended(at: LogPosition)
    /// On its way to the leader. Nothing more is heard of it except, perhaps, its entry.
    case forwarded(to: MemberID)
    case refused(ProposalRefusal)
}

/// Why nothing was proposed.
public enum ProposalRefusal: Error, Hashable, Sendable {
    /// There is no leader, or this member does not know it.
    case noLeader
    /// A configuration change is under way (thesis, section 4.1).
    case configurationChangePending
    /// The configuration cannot be changed like this.
    case invalidConfigurationChange(MembershipViolation)
    /// Leadership is being handed over; the next leader will take it.
    case leadershipTransfer
    /// Applying, or the disk, is too far behind.
    case tooManyRequests
    /// The log cannot be written any more.
    case storageFailed(EntryStoreFailure)
    case stopped
}

/// A local read may be served once `index` is applied.
public struct ReadState: Hashable, Sendable {
    public var context: ReadContext
    public var index: LogIndex
    public init(context: ReadContext, index: LogIndex) {
        self.context = context
        self.index = index
    }
}

/// What is worth a line in the log.
public enum RaftChange: Hashable, Sendable {
    case startedElection(Term)
    case becameFollower(Term)
    case becamePreCandidate(Term)
    case becameCandidate(Term)
    case becameLeader(Term)
    case steppedDownWithoutQuorum(Term)
    /// A member needs entries that are not in memory any more.
    case memberBehindLog(MemberID)
    /// The member that is to lead did not come to it within an election timeout.
    case transferAborted(to: MemberID)
    /// This member led, and an applied change left it without a vote.
    case steppedDownRemoved(Term)
    /// A configuration entry changes nothing, for it cannot be applied.
    case membershipUnchanged(MembershipViolation)
    /// A snapshot becomes this member's state.
    case restoring(LogPosition)
    /// A member said what no correct member says; it was ignored.
    case ignored(String, from: MemberID, Violation)
}

/// Why a message was ignored.
public enum Violation: String, Hashable, Sendable {
    case malformedEntries = "its entries do not follow each other"
    case commitPastEnd = "its commit index is past the end of the log"
    case acknowledgesPastEnd = "it acknowledges entries that were never sent"
    case secondLeader = "this member leads that term"
    case notInSnapshot = "this member does not take part in its configuration"
}

/// The work that follows from one event, in no particular order except as said.
public struct Actions: Equatable, Sendable {
    /// To disk, in the order of the numbers; then `Event.stored`. Sending need not wait for it.
    public var write: LogWrite?
    /// To be sent at once. May be lost, repeated or overtaken on the way.
    public var send: [Message] = []
    /// Committed and on this disk: to be applied in order; then `Event.applied`.
    public var apply: [Entry] = []
    /// To become the applied state, in place of whatever is there; then `Event.applied` with its
    /// index. Nothing is handed out to be applied before.
    public var install: SnapshotMark?
    /// Arrived, but not needed: its payload may go.
    public var discard: SnapshotMark?
    public var snapshots: [SnapshotOrder] = []
    public var reads: [ReadState] = []
    /// Only of `Event.propose`.
    public var proposal: ProposalOutcome?
    /// The log was cut after here: what was proposed behind it in a term before is lost.
    public var truncatedAfter: LogIndex?
    public var changes: [RaftChange] = []

    /// Until the end of the step: what waits for the disk.
    var promises: [Promise] = []
    /// Until the end of the step: the log begins anew here.
    var restart: SnapshotMark?
    /// Until the end of the step: the commit index is written too.
    var isTick = false

    init() {}
}
