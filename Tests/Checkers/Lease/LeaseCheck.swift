// Whether leases live as long as they were promised to, and not for ever.
//
// From outside: a lease lives at least for its time from the moment at which its grant or a renewal
// was asked for, if that was answered well, for the server began to count no earlier. Whoever sees
// it gone before, and nobody has asked for its revocation, has been betrayed. A lease ends at most
// so long after the last renewal that anybody could have had, plus what a change of leaders and the
// revocation itself may take, once faults are over.

/// All that was done with and seen of one lease.
public struct LeaseLife: Sendable {
    /// A grant or a renewal.
    public struct Renewal: Hashable, Sendable {
        public let asked: Moment
        /// Nil: nobody knows whether it came to pass.
        public let answered: Moment?
        public init(asked: Moment, answered: Moment?) {
            self.asked = asked
            self.answered = answered
        }
    }

    public let id: Int64
    /// In nanoseconds, as the server said it.
    public var timeToLive: UInt64
    public var renewals: [Renewal] = []
    /// When its revocation was first asked for.
    public var revocationAsked: Moment?
    /// When somebody was told that it, or a key of it, is gone, and how.
    public var seenGone: [(moment: Moment, how: String)] = []
    /// When a question was asked that was answered with the lease, or a key of it, alive.
    public var seenAlive: [(moment: Moment, how: String)] = []

    public init(id: Int64, timeToLive: UInt64) {
        self.id = id
        self.timeToLive = timeToLive
    }
}

public struct LeaseCheck {
    /// How much faster than the clients' clock a member's may run, in parts per million.
    public var driftPPM: UInt64 = 0
    /// What an end may take beyond the lease's time: for the leader to look, the revocation to be
    /// committed, and a new leader's extension. In nanoseconds.
    public var bound: UInt64
    /// From then on there are no faults.
    public var faultsEnd: Moment

    public init(bound: UInt64, faultsEnd: Moment, driftPPM: UInt64 = 0) {
        self.bound = bound
        self.faultsEnd = faultsEnd
        self.driftPPM = driftPPM
    }

    public func violations(_ lease: LeaseLife) -> [Violation] {
        var violations: [Violation] = []
        let least = lease.timeToLive - lease.timeToLive / 1_000_000 * driftPPM
        for (moment, how) in lease.seenGone {
            if let asked = lease.revocationAsked, asked <= moment { continue }
            // A renewal that was answered after somebody knew of the end says nothing.
            let renewals = lease.renewals.filter { ($0.answered ?? .max) <= moment }
            guard let last = renewals.map(\.asked).max(), moment < last + least else { continue }
            violations.append(
                Violation(
                    "no lease ends before its time",
                    "lease \(lease.id) of \(seconds(lease.timeToLive)) s, renewed at "
                        + "\(seconds(last)), at \(seconds(moment)): \(how)"))
        }
        let most = lease.timeToLive + lease.timeToLive / 1_000_000 * driftPPM + bound
        // A renewal without answer may have come to pass as long as faults last.
        let lastPossible = lease.renewals.map { max($0.answered ?? $0.asked, faultsEnd) }.max()
        if let lastPossible,
            let (moment, how) = lease.seenAlive.first(where: { $0.moment > lastPossible + most })
        {
            violations.append(
                Violation(
                    "a lease ends when its time is over",
                    "lease \(lease.id) of \(seconds(lease.timeToLive)) s, not renewed after "
                        + "\(seconds(lastPossible)), at \(seconds(moment)): \(how)"))
        }
        return violations
    }
}
