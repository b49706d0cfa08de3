// A leader's lease: linearizable reads without asking anybody (Raft thesis, section 6.4.1). Off
// unless asked for, since it rests on clocks that run about equally fast.
//
// Every answer to a heartbeat promises to elect nobody else for a while: for the sender's election
// timeout, less the tick that may come at once. It keeps that whatever it hears of newer
// terms, and across a restart: one that starts may have promised something before.
// The leader counts a promise from when it SENT the heartbeat, by its own clock, and nine tenths of
// it only: clocks may run apart by a tenth. While a quorum's promises last nobody else leads, so what
// is committed here is all that is committed anywhere. Members that do not keep leases promise
// nothing, so it does no harm when some do and some do not.
//
// Who is told to campaign by its leader is voted for in spite of all promises, and MsgTimeoutNow may
// arrive at any later moment of its term: once one may have been sent there is no lease in that term.

import API
import DequeModule

/// For how long a member elects nobody but the leader whose heartbeat it answers; `none` if it
/// keeps no leases.
public struct VotePromise: Hashable, Comparable, Sendable {
    public let milliseconds: UInt64
    public init(milliseconds: UInt64) { self.milliseconds = milliseconds }
    public static func < (a: Self, b: Self) -> Bool { a.milliseconds < b.milliseconds }
    public static let none = VotePromise(milliseconds: 0)

    /// What a leader may rely on, in nanoseconds of its own clock.
    var reliableNanoseconds: UInt64 {
        // Whatever another member says: longer ones than an hour are of no use.
        min(milliseconds, 3_600_000) * 900_000
    }
}

/// What a leader remembers of its heartbeats.
struct LeaderLease: Equatable, Sendable {
    private struct Heartbeat: Equatable, Sendable {
        let round: ReadRound
        let sentAt: MonotonicTime
    }
    /// Ascending by round.
    private var heartbeats: Deque<Heartbeat> = []
    /// In this term somebody may elect another leader in spite of promises.
    var isVoid = false

    /// - Parameter kept: how many of the last heartbeats are remembered.
    mutating func sends(_ round: ReadRound, at now: MonotonicTime, kept: Int) {
        heartbeats.append(Heartbeat(round: round, sentAt: now))
        if heartbeats.count > kept { heartbeats.removeFirst() }
    }

    /// When `round` was sent, or some time before.
    func sendingTime(of round: ReadRound) -> MonotonicTime? {
        heartbeats.last { $0.round <= round }?.sentAt
    }
}

extension RaftCore {
    /// Whether this member grants leases, and may hold one.
    private var keepsLeases: Bool { options.votePromise > .none && options.checkQuorum }

    /// What this member says to a heartbeat, and keeps from now on.
    mutating func promiseVote() -> VotePromise {
        guard keepsLeases else { return .none }
        ticksSincePromise = 0
        return options.votePromise
    }

    /// It has promised to elect nobody, or may have before it was started.
    var isBoundByPromise: Bool { keepsLeases && ticksSincePromise < options.electionTicks }

    /// Before the heartbeats of a tick: what is sent now can be told from what was sent earlier.
    mutating func beginLeaseRound() {
        guard keepsLeases, let now else { return }
        reads.beginEmpty()
        lease.sends(reads.newest, at: now, kept: 2 * options.electionTicks)
    }

    /// A member has answered the heartbeat of `round`, or a later one.
    mutating func count(_ promise: VotePromise, of place: Int, since round: ReadRound) {
        guard promise > .none, let sentAt = lease.sendingTime(of: round) else { return }
        progress[place].promisedUntil = max(
            progress[place].promisedUntil,
            sentAt.advanced(byNanoseconds: promise.reliableNanoseconds))
    }

    /// Whether nobody else can lead at this moment.
    var holdsLease: Bool {
        guard keepsLeases, !lease.isVoid, let now else { return false }
        let end = membership.quorum.highestReached { member in
            if member == id { return .max }
            return position(of: member).map { progress[$0].promisedUntil.nanoseconds } ?? 0
        }
        return now.nanoseconds < end
    }
}
