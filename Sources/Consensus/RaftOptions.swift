// The core's settings and what it starts from.

import API

/// How a member behaves. The defaults are etcd's where etcd has the setting.
public struct RaftOptions: Hashable, Sendable {
    /// In ticks: election timeouts are drawn from `electionTicks ..< 2 * electionTicks`.
    public var electionTicks = 10
    public var heartbeatTicks = 1
    /// Ask whether an election can be won before disturbing anyone (thesis, section 9.6).
    public var preVote = true
    /// A leader that hears of no quorum for an election timeout steps down, and nobody votes
    /// while there is a leader (thesis, sections 6.2 and 4.2.3).
    public var checkQuorum = true
    /// A leader reads without a round while it holds a lease: what this member promises to other
    /// leaders, less than its election timeout by a tick. `none`: no leases. Needs `checkQuorum`,
    /// and the time of every event.
    public var votePromise = VotePromise.none
    /// Payload of one MsgApp, in bytes; at least one entry is sent.
    public var maxMessageBytes = 1 << 20
    /// Messages under way to one member before it answers.
    public var maxInFlightMessages = 512
    /// Bytes under way to one member before it answers.
    public var maxInFlightBytes = 64 << 20
    /// Entries kept in memory behind the applied index for members that lag.
    public var retainedEntries = 5000
    /// Bytes of entries in memory above which none is kept behind the applied index.
    public var retainedBytes = 64 << 20
    /// The same while a snapshot is on its way to a member, and until that has caught up behind it.
    public var pinnedBytes = 128 << 20
    /// One batch to apply, in entries and bytes; at least one entry.
    public var maxApplyCount = 1024
    public var maxApplyBytes = 1 << 20
    /// Reads that may wait for a new leader's first commit.
    public var maxWaitingReads = 4096

    public init() {}

    var window: Progress.Window {
        Progress.Window(messages: maxInFlightMessages, bytes: maxInFlightBytes)
    }
}

/// What a member finds on its disk.
public struct RestoredState: Equatable, Sendable {
    public var hardState: HardState
    /// The membership as of `applied`.
    public var confState: ConfState
    /// The last place before `entries`.
    public var compacted: LogPosition
    public var entries: [Entry]
    /// What the applied state holds, durably.
    public var applied: LogIndex
    /// Whether hard state and entries are on disk. If not (a new cluster), they are in the first
    /// write, and nothing is applied or promised before it is stored.
    public var isWritten = true

    public init(
        hardState: HardState = HardState(), confState: ConfState = ConfState(),
        compacted: LogPosition = .start, entries: [Entry] = [], applied: LogIndex = .zero
    ) {
        self.hardState = hardState
        self.confState = confState
        self.compacted = compacted
        self.entries = entries
        self.applied = applied
    }

    func validate() throws(RestoreError) {
        var position = compacted
        for entry in entries {
            guard entry.index == position.index.next else {
                throw .gap(after: position.index, next: entry.index)
            }
            guard entry.term >= position.term else { throw .termFalls(at: entry.index) }
            position = LogPosition(index: entry.index, term: entry.term)
        }
        let last = position.index
        guard hardState.term >= position.term else {
            throw .termBehindLog(hardState.term, last: position.term)
        }
        guard hardState.commit <= last else {
            throw .commitPastLog(hardState.commit, last: last)
        }
        guard applied <= last else { throw .appliedPastLog(applied, last: last) }
        guard applied >= compacted.index else {
            throw .appliedBeforeLog(applied, first: compacted.index.next)
        }
    }
}

/// What was restored contradicts itself: the log and the applied state are not of one member, or
/// one of them lost something it had acknowledged.
public enum RestoreError: Error, Hashable, Sendable, CustomStringConvertible {
    case gap(after: LogIndex, next: LogIndex)
    case termFalls(at: LogIndex)
    case termBehindLog(Term, last: Term)
    case commitPastLog(LogIndex, last: LogIndex)
    case appliedPastLog(LogIndex, last: LogIndex)
    case appliedBeforeLog(LogIndex, first: LogIndex)

    public var description: String {
        switch self {
        case .gap(let after, let next):
            "the log jumps from entry \(after.rawValue) to \(next.rawValue)"
        case .termFalls(let index):
            "the term falls at log entry \(index.rawValue)"
        case .termBehindLog(let term, let last):
            "the hard state is of term \(term.rawValue), the log's last entry of \(last.rawValue)"
        case .commitPastLog(let commit, let last):
            "commit index \(commit.rawValue) is past the log's last entry \(last.rawValue)"
        case .appliedPastLog(let applied, let last):
            "the applied state is at entry \(applied.rawValue), the log ends at \(last.rawValue)"
        case .appliedBeforeLog(let applied, let first):
            "the applied state is at entry \(applied.rawValue), the log begins at \(first.rawValue)"
        }
    }
}
