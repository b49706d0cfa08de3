// All a RaftNode asks of the world around it. Node plugs the real ones in, tests their own.

import API

/// The disk that keeps log and hard state.
public protocol EntryStore: AnyObject, Sendable {
    /// Writes, after everything given before: the snapshot's record, the hard state, the entries,
    /// under one sync. Called on the node's executor; must not block.
    ///
    /// - Parameter completion: called once, from any thread, in the order of the writes: when the
    ///   write survives loss of power (if `mustSync`; else once it is handed to the system), or
    ///   with the failure. After a failure every later write fails too, for nobody knows what the
    ///   disk holds before it is read again.
    func persist(
        _ write: LogWrite,
        completion: @escaping @Sendable (Result<Void, EntryStoreFailure>) -> Void)
}

/// Why the log cannot be written any more.
public struct EntryStoreFailure: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Cause: Hashable, Sendable {
        case noSpace
        case other
    }
    public var cause: Cause
    /// File, operation and the system's reason.
    public var description: String
    public init(_ cause: Cause, _ description: String) {
        self.cause = cause
        self.description = description
    }
}

/// The links to the other members.
public protocol PeerSender: AnyObject, Sendable {
    /// Sends without waiting. A message may be lost or overtaken; it is never altered, and never
    /// goes to a member it is not for. It may be repeated, but for MsgProp: what it proposes would
    /// be applied twice. On the node's executor.
    func send(_ messages: [Message])
    /// Whether what is sent to `member` now is not lost for sure.
    func reaches(_ member: MemberID) -> Bool
}

/// Who makes snapshots of the applied state, carries them to other members, and puts one that came
/// in the state's place. On the node's executor; must not block.
///
/// On the way in, the node is shown the message of `RaftNode.beginSnapshot` (`receive`) once the
/// payload lies durably beside the state. Then comes `discard`, at once, or the write of
/// `LogWrite.snapshot` and, when that is durable, `install`. A payload that is found after a crash
/// becomes the state, before the node starts, if the log has the record of its place, and goes if
/// it has not.
public protocol Snapshotter: AnyObject, Sendable {
    /// Makes a snapshot of the applied state, of `index` or any later place, and carries it to
    /// `member`: `RaftNode.beginSnapshot`, then `snapshotSent` or `snapshotFailed`. A cut link is
    /// not the end of it: a snapshot may be resumed in between for as long as it is not cancelled.
    func send(to member: MemberID, atLeast index: LogIndex)
    /// Nothing more is to be heard of it. Also called when `member` has just taken it on.
    func cancel(to member: MemberID)
    /// Puts the payload in the place of the applied state, as a whole or not at all; then
    /// `RaftNode.installed`. Nothing is applied in between.
    func install(_ mark: SnapshotMark)
    /// The payload is not needed.
    func discard(_ mark: SnapshotMark)
}

/// A committed entry, with what this member proposed it for.
public struct CommittedEntry: Sendable {
    public var entry: Entry
    /// What was passed to `propose`, if this member proposed this very entry in this life and
    /// led when it did.
    public var proposal: (any Proposal)?
}

/// What the log is for.
public protocol StateMachine: AnyObject, Sendable {
    /// Applies entries: in order, each index once in the life of the process. On the node's
    /// executor. May call the node, but for `start` and `stop`.
    ///
    /// - Returns: through where it is applied by now: the last index of `batch`, or less if the
    ///   rest goes on elsewhere; then `RaftNode.applied(through:)` must follow, and nothing more
    ///   is handed out before.
    func apply(_ batch: [CommittedEntry]) -> LogIndex
}

/// What a proposal is for: kept beside its entry and handed back at apply, so that nothing has to
/// be decoded or looked up again. Every method is called on the node's executor, at most one of
/// them, at most once, and not after `apply`.
public protocol Proposal: AnyObject, Sendable {
    /// Neither applied nor to be waited for. Except where the reason says so, it will never be.
    func dropped(_ reason: ProposalDrop)
    /// Another member leads and was sent the entry. If it comes to be applied, it comes without
    /// this reference: it must be known by its content.
    func forwarded()
}

/// Why a proposal came to nothing.
public enum ProposalDrop: Error, Hashable, Sendable {
    /// It was never in a log.
    case refused(ProposalRefusal)
    /// Another leader put something else in its place.
    case overwritten
    /// This member was sent a state in which it may be contained: the outcome is unknown.
    case unknown
    /// The disk failed before it was known to be stored: the outcome is unknown.
    case storageFailed(EntryStoreFailure)
    /// The node stopped: the outcome is unknown.
    case stopped
}

/// A linearizable read that waits until the applied state is new enough. One of the methods is
/// called, once, on the node's executor, perhaps before `readBarrier` returns.
public protocol ReadWaiter: AnyObject, Sendable {
    /// Everything that was acknowledged before the read began is applied.
    func readReady()
    func readFailed(_ failure: ReadFailure)
}

public enum ReadFailure: Error, Hashable, Sendable {
    /// Another leader was elected while the read waited for the old one.
    case leaderChanged
    /// No leader confirmed, or nothing was applied, in time.
    case timedOut
    /// Too many reads wait.
    case tooManyRequests
    case stopped
}

/// Who wants to know how the node fares. On the node's executor.
public protocol RaftObserver: AnyObject, Sendable {
    /// - Parameter leader: `.none` if there is none any more.
    func leaderChanged(to leader: MemberID, term: Term)
    /// Nothing can be written any more; committed state can still be read.
    func storageFailed(_ failure: EntryStoreFailure)
}
