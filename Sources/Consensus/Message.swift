// What members say to each other. Each body is one raftpb.MessageType, its fields are those of
// raftpb.Message that the type uses, so the wire codec is a plain mapping.

import API

/// A place in the log and the term of the entry there. Two logs that agree on a position agree on
/// everything before it (Raft paper, section 5.3, log matching).
public struct LogPosition: Hashable, Sendable {
    public var index: LogIndex
    public var term: Term
    public init(index: LogIndex, term: Term) {
        self.index = index
        self.term = term
    }
    /// Before the first entry.
    public static let start = LogPosition(index: .zero, term: .zero)
}

/// An entry that has no place in the log yet.
public struct ProposedEntry: Hashable, Sendable {
    public var kind: Entry.Kind
    public var data: [UInt8]
    public init(kind: Entry.Kind = .normal, data: [UInt8]) {
        self.kind = kind
        self.data = data
    }
}

/// A read request of one member, by a number which that member chose and does not use again while
/// an answer may be under way.
public struct ReadContext: Hashable, Sendable {
    public let rawValue: UInt64
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// The leader's count of its rounds of asking "am I still the leader?" (thesis, section 6.4).
/// 0 in a heartbeat that asks nothing.
public struct ReadRound: Hashable, Comparable, Sendable {
    public let rawValue: UInt64
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    public static let none = ReadRound(0)
}

/// One message between two members.
public struct Message: Hashable, Sendable {
    public var from: MemberID
    public var to: MemberID
    /// The sender's term; a pre-vote carries the term it would campaign for. 0 in what is merely
    /// forwarded to the leader (proposals, read requests), whatever the term there.
    public var term: Term
    public var body: Body

    public init(from: MemberID, to: MemberID, term: Term, body: Body) {
        self.from = from
        self.to = to
        self.term = term
        self.body = body
    }

    public enum Body: Hashable, Sendable {
        /// MsgProp: a follower hands proposals to the leader.
        case proposal([ProposedEntry])
        /// MsgApp: AppendEntries (Raft paper, figure 2).
        case append(Append)
        /// MsgAppResp.
        case appendResponse(AppendResponse)
        /// MsgVote: RequestVote (Raft paper, figure 2). `last` is the end of the sender's log.
        /// `isTransfer`: the leader itself asked for this election (thesis, section 3.10), so
        /// that hearing of it is no reason to refuse.
        case vote(last: LogPosition, isTransfer: Bool)
        /// MsgVoteResp.
        case voteResponse(granted: Bool)
        /// MsgPreVote: would you vote for me? (thesis, section 9.6).
        case preVote(last: LogPosition)
        /// MsgPreVoteResp.
        case preVoteResponse(granted: Bool)
        /// MsgSnap: InstallSnapshot (Raft paper, figure 13). The payload came beside it and is
        /// durable at the receiver when this is handed to its core.
        case snapshot(SnapshotMark)
        /// MsgTimeoutNow: campaign at once (thesis, section 3.10).
        case timeoutNow
        /// MsgHeartbeat. `commit` never passes what the receiver has acknowledged.
        case heartbeat(commit: LogIndex, round: ReadRound)
        /// MsgHeartbeatResp. `commit` is what the sender takes for committed.
        case heartbeatResponse(round: ReadRound, commit: LogIndex, promise: VotePromise)
        /// MsgReadIndex: a follower asks the leader for a read index.
        case readIndex(ReadContext)
        /// MsgReadIndexResp.
        case readIndexResponse(ReadContext, index: LogIndex)
    }

    /// MsgApp's fields.
    public struct Append: Hashable, Sendable {
        /// What must stand right before `entries` (prevLogIndex, prevLogTerm).
        public var previous: LogPosition
        public var entries: [Entry]
        public var commit: LogIndex
        public init(previous: LogPosition, entries: [Entry], commit: LogIndex) {
            self.previous = previous
            self.entries = entries
            self.commit = commit
        }
    }

    /// MsgAppResp's fields.
    public enum AppendResponse: Hashable, Sendable {
        /// The log equals the leader's through here, durably.
        case accepted(through: LogIndex)
        /// There is no match at `previous`; the sender's log may match at `hint` at best, where it
        /// has an entry of term `hint.term` (0 if it cannot tell).
        case rejected(previous: LogIndex, hint: LogPosition)
    }
}

extension Message.Body {
    /// The name of raftpb.MessageType, for logs and traces.
    public var name: String {
        switch self {
        case .proposal: "MsgProp"
        case .append: "MsgApp"
        case .appendResponse: "MsgAppResp"
        case .vote: "MsgVote"
        case .voteResponse: "MsgVoteResp"
        case .preVote: "MsgPreVote"
        case .preVoteResponse: "MsgPreVoteResp"
        case .snapshot: "MsgSnap"
        case .timeoutNow: "MsgTimeoutNow"
        case .heartbeat: "MsgHeartbeat"
        case .heartbeatResponse: "MsgHeartbeatResp"
        case .readIndex: "MsgReadIndex"
        case .readIndexResponse: "MsgReadIndexResp"
        }
    }
}

extension Message.Append {
    /// Whether entries follow `previous` without a gap and their terms never fall nor pass the
    /// sender's: what the log relies on afterwards without looking again.
    func isWellFormed(from term: Term) -> Bool {
        var position = previous
        for entry in entries {
            guard entry.index == position.index.next, entry.term >= position.term else {
                return false
            }
            position = LogPosition(index: entry.index, term: entry.term)
        }
        return position.term <= term
    }
}
