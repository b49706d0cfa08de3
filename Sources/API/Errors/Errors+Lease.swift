// What Lease, Lock and Election answer when a request is wrong or cannot be served.

extension Status {
    /// Put naming an unknown lease; LeaseRevoke of an unknown lease (not LeaseKeepAlive or
    /// LeaseTimeToLive).
    public static let leaseNotFound = Status(.notFound, "etcdserver: requested lease not found")

    /// LeaseGrant with an ID already in use.
    public static let leaseExists = Status(.failedPrecondition, "etcdserver: lease already exists")

    /// LeaseGrant with TTL above 9000000000.
    public static let leaseTTLTooLarge = Status(.outOfRange, "etcdserver: too large lease TTL")

    /// LeaseKeepAlive handled by a leader that cannot confirm its leadership.
    public static let notPrimaryLessor = Status(.unknown, "not a primary lessor")

    /// Election Proclaim/Resign without leader.
    public static let missingLeaderKey = Status(.unknown, "\"leader\" field must be provided")

    /// Election Proclaim when the leader key is gone or has another create revision.
    public static let electionNotLeader = Status(.unknown, "election: not leader")

    /// Election Leader when no candidate exists.
    public static let electionNoLeader = Status(.unknown, "election: no leader")

    /// Lock whose own key vanished (lease expired) while waiting.
    public static let sessionExpired = Status(.unknown, "mutex: session is expired")
}
