// What any call may end with.
//
// Clients compare the message, not only the code: Go's client turns the exact text back into its
// own error value. Codes and texts are therefore etcd 3.7.1's to the letter (reference:
// errors.tsv, which a test compares row by row).

extension Status {
    /// Client-api-version metadata value is not valid UTF-8.
    public static let invalidClientAPIVersion = Status(
        .invalidArgument,
        "etcdserver: invalid client api version")

    /// Watch stream ends because its context was cancelled (client cancel or server shutdown).
    public static let watchCanceled = Status(.cancelled, "etcdserver: watch canceled")

    /// Marshalled raft proposal larger than max-request-bytes.
    public static let requestTooLarge = Status(.invalidArgument, "etcdserver: request is too large")

    /// Commit index runs more than 5000 entries ahead of applied index. etcd answers it with code
    /// Unknown, although its table says otherwise.
    /// An answer of `bytes` cannot be sent (grpc-go, server.go).
    public static func sentTooLarge(_ bytes: Int) -> Status {
        Status(
            .resourceExhausted,
            "grpc: trying to send message larger than max (\(bytes) vs. \(Limits.sendBytes))")
    }
    public static let tooManyRequests = Status(.unknown, "etcdserver: too many requests")

    /// Request carries hasleader=true metadata and member sees no leader; stream cancelled after 3
    /// election timeouts without leader; waiting for a leader timed out.
    public static let noLeader = Status(.unavailable, "etcdserver: no leader")

    /// MoveLeader sent to a member that is not the leader.
    public static let notLeader = Status(.failedPrecondition, "etcdserver: not leader")

    /// Leader changed while a linearizable read or LeaseTimeToLive was waiting.
    public static let leaderChanged = Status(.unavailable, "etcdserver: leader changed")

    /// Cluster version not yet decided to one that has v3 RPC support.
    public static let notCapable = Status(.failedPrecondition, "etcdserver: not capable")

    /// Server is shutting down.
    public static let stopped = Status(.unavailable, "etcdserver: server stopped")

    /// Proposal or read index not answered within 5s + 2 election timeouts.
    public static let requestTimeout = Status(.unavailable, "etcdserver: request timed out")

    /// As above, and the request began within 2 election timeouts before the present leader was
    /// elected.
    public static let timeoutDueToLeaderFail = Status(
        .unavailable,
        "etcdserver: request timed out, possibly due to previous leader failure")

    /// As above, and this member had no connection to the leader/quorum since the request began.
    public static let timeoutDueToConnectionLost = Status(
        .unavailable,
        "etcdserver: request timed out, possibly due to connection lost")

    /// Leader did not apply up to the commit index within 1s for keepalive, time-to-live or
    /// promote.
    public static let timeoutWaitAppliedIndex = Status(
        .unavailable,
        "etcdserver: request timed out, waiting for the applied index took too long")

    /// Strict reconfig check fails on recent connectivity (last 5s).
    public static let unhealthy = Status(.unavailable, "etcdserver: unhealthy cluster")

    /// KV and lease grant/revoke requests through raft while a CORRUPT alarm is active.
    public static let corrupt = Status(.dataLoss, "etcdserver: corrupt cluster")

    /// Proposal context cancelled while waiting for raft.
    public static let requestCanceled = Status(.cancelled, "etcdserver: request canceled")

    /// Client cancelled the call.
    public static let contextCanceled = Status(.cancelled, "context canceled")

    /// Client deadline passed before the answer.
    public static let contextDeadlineExceeded = Status(
        .deadlineExceeded,
        "context deadline exceeded")
}
