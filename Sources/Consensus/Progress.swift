// What a leader knows of one member's log (nextIndex and matchIndex of the Raft paper, figure 2),
// and how fast it sends to it (etcd raft, tracker/progress.go).
//
// Probing: the leader does not know where the logs match. One message at a time.
// Replicating: it does. Messages follow each other without waiting for answers, as many as the
// window allows, and `next` runs ahead of what is acknowledged.
// Snapshot: the log does not reach back to what it needs. A snapshot is on its way, and nothing
// else is sent until that has come to an end, or the member turns out not to need it.

import API
import DequeModule

struct Progress: Equatable, Sendable {
    enum State: Equatable, Sendable {
        case probing, replicating
        /// The log is to go on from here: from what the snapshot holds, once that is known.
        case snapshotting(LogIndex)
    }

    /// How much may be under way to one member.
    struct Window: Equatable, Sendable {
        var messages: Int
        var bytes: Int
    }

    private struct InFlight: Equatable, Sendable {
        let last: LogIndex
        let bytes: Int
    }

    let member: MemberID
    private(set) var state = State.probing
    /// Acknowledged as durable there through here.
    private(set) var match: LogIndex
    /// What is sent next.
    private(set) var next: LogIndex
    /// The highest commit index it was told.
    private(set) var sentCommit = LogIndex.zero
    /// No entries are sent before it answers.
    private(set) var isPaused = false
    /// It needs entries that are not in memory any more.
    var isBehindLog = false
    /// A snapshot brought it here: what was proposed meanwhile is worth keeping until it has that
    /// too, or it would need the next snapshot at once.
    private(set) var catchesUpFrom: LogIndex?
    /// It was heard of since the quorum was checked last.
    var isActive = false
    /// And between the check before and that.
    var wasActive = false
    /// It said that it takes the log for committed through here.
    var knownCommit = LogIndex.zero
    /// The newest read round it confirmed the leader in.
    var confirmedRound = ReadRound.none
    /// Until then it elects nobody else (RaftCore+Lease).
    var promisedUntil = MonotonicTime(nanoseconds: 0)
    private var inFlight: Deque<InFlight> = []
    private var inFlightBytes = 0

    init(_ member: MemberID, match: LogIndex, next: LogIndex) {
        self.member = member
        self.match = match
        self.next = next
    }

    /// A message with `count` entries, `commit` and this payload was sent.
    mutating func sent(count: Int, bytes: Int, commit: LogIndex, window: Window) {
        sentCommit = commit
        switch state {
        case .snapshotting: preconditionFailure("sent entries beside a snapshot")
        case .probing:
            if count > 0 { isPaused = true }
        case .replicating:
            guard count > 0 else { return }
            next = next + count
            inFlight.append(InFlight(last: next.previous, bytes: bytes))
            inFlightBytes += bytes
            isPaused = isFull(window)
        }
    }

    /// Whether a message without entries is worth its while only to say `commit`. It is not when
    /// that cannot be news to the member.
    func canLearn(commit: LogIndex) -> Bool {
        commit > sentCommit && sentCommit < next.previous
    }

    /// - Parameter logStart: the last place that is not in memory any more.
    /// - Returns: false if the answer is old.
    mutating func accepted(through index: LogIndex, logStart: LogIndex) -> Bool {
        guard index > match || (index == match && state != .replicating) else { return false }
        match = max(match, index)
        next = max(next, index.next)
        isBehindLog = false
        switch state {
        case .snapshotting:
            // It has come far enough to go on from the log, by this snapshot or without it (etcd
            // raft, stepLeader, MsgAppResp).
            guard match >= logStart else { return true }
            catchesUpFrom = match
            startReplicating()
        case .probing:
            startReplicating()
        case .replicating:
            isPaused = false
            while let first = inFlight.first, first.last <= index {
                inFlightBytes -= first.bytes
                inFlight.removeFirst()
            }
        }
        return true
    }

    /// It has no match at `previous` and may have one at `hint`: back up (end of section 5.3).
    /// - Returns: false if the answer is old.
    mutating func rejected(previous: LogIndex, hint: LogIndex) -> Bool {
        switch state {
        case .snapshotting:
            return false
        case .replicating:
            guard previous > match else { return false }
            startProbing()
        case .probing:
            guard next.previous == previous else { return false }
            next = max(min(previous, hint.next), match.next)
            sentCommit = min(sentCommit, next.previous)
            isPaused = false
        }
        return true
    }

    /// A sign of life: what was sent to a probed member, or fills the window, may be lost; the
    /// next message may go.
    mutating func unpause() {
        if !isSnapshotting { isPaused = false }
    }

    var isSnapshotting: Bool { snapshotIndex != nil }

    private var snapshotIndex: LogIndex? {
        if case .snapshotting(let index) = state { return index }
        return nil
    }

    /// The log must be kept after this place for it to go on from there.
    var pin: LogIndex? { snapshotIndex ?? catchesUpFrom.map { max($0, match) } }

    /// Once it is near the log's end, or silent, it is one like the others.
    mutating func endCatchingUp() { catchesUpFrom = nil }

    /// - Parameter index: the least that a snapshot must hold for the log to go on behind it.
    mutating func startSnapshot(atLeast index: LogIndex) {
        clearWindow()
        state = .snapshotting(index)
        isPaused = true
    }

    /// The snapshot on its way is known to hold the state at `index`.
    mutating func snapshotBegan(at index: LogIndex) {
        if let least = snapshotIndex { state = .snapshotting(max(least, index)) }
    }

    /// It arrived, or it never will. The next message waits for a sign of life, so that a member
    /// which fails again and again is not tried without pause (etcd raft, MsgSnapStatus).
    mutating func snapshotEnded(arrived: Bool) {
        guard let index = snapshotIndex else { return }
        startProbing()
        if arrived {
            next = max(next, index.next)
            catchesUpFrom = index
        }
        isPaused = true
        isBehindLog = false
    }

    /// Messages to it were lost, or it refused one: find the match again.
    mutating func startProbing() {
        state = .probing
        next = match.next
        sentCommit = min(sentCommit, next.previous)
        clearWindow()
    }

    mutating func startReplicating() {
        state = .replicating
        next = match.next
        clearWindow()
    }

    func isFull(_ window: Window) -> Bool {
        inFlight.count >= window.messages || inFlightBytes >= window.bytes
    }

    private mutating func clearWindow() {
        isPaused = false
        inFlight.removeAll(keepingCapacity: true)
        inFlightBytes = 0
    }

    func checkInvariants() {
        precondition(match < next, "\(member.hex): match \(match) is not below next \(next)")
        precondition(!isSnapshotting || isPaused, "\(member.hex): sent to beside a snapshot")
        precondition(
            state == .replicating || inFlight.isEmpty, "\(member.hex): probed with a window")
    }
}

/// What a leader knows of one member.
public struct MemberProgress: Hashable, Sendable {
    public enum State: String, Hashable, Sendable {
        case probing = "StateProbe"
        case replicating = "StateReplicate"
        case snapshotting = "StateSnapshot"
    }
    public var member: MemberID
    public var isLearner: Bool
    public var state: State
    /// Durable there through here.
    public var match: LogIndex
    /// What it is sent next.
    public var next: LogIndex
    /// It was heard of within the last election timeout, or a little longer.
    public var isActive: Bool

    init(_ progress: Progress, isLearner: Bool) {
        member = progress.member
        self.isLearner = isLearner
        switch progress.state {
        case .probing: state = .probing
        case .replicating: state = .replicating
        case .snapshotting: state = .snapshotting
        }
        match = progress.match
        next = progress.next
        isActive = progress.isActive || progress.wasActive
    }
}
