// What Cluster and Maintenance answer when a request is wrong or cannot be served.

extension Status {
    /// MemberAdd computed a member ID that already exists.
    public static let memberExists = Status(
        .failedPrecondition,
        "etcdserver: member ID already exist")

    /// MemberAdd/MemberUpdate uses a peer URL owned by another member.
    public static let peerURLExists = Status(
        .failedPrecondition,
        "etcdserver: Peer URLs already exists")

    /// Strict reconfig check fails on started-member count. etcd answers it with code Unknown,
    /// although its table says otherwise.
    public static let memberNotEnoughStarted = Status(
        .unknown,
        "etcdserver: re-configuration failed due to not enough started members")

    /// MemberAdd peerURLs empty or unparsable (MemberUpdate does not check).
    public static let memberBadURLs = Status(
        .invalidArgument,
        "etcdserver: given member URLs are invalid")

    /// Member ID unknown or already removed (remove, update, promote).
    public static let memberNotFound = Status(.notFound, "etcdserver: member not found")

    /// MemberPromote of a voting member.
    public static let memberNotLearner = Status(
        .failedPrecondition,
        "etcdserver: can only promote a learner member")

    /// MemberPromote of a learner whose match index is below 90% of the leader match index.
    public static let learnerNotReady = Status(
        .failedPrecondition,
        "etcdserver: can only promote a learner member which is in sync with leader")

    /// MemberAdd of a learner beyond max-learners.
    public static let tooManyLearners = Status(
        .failedPrecondition,
        "etcdserver: too many learner members in cluster")

    /// Not returned by client-port RPCs; used by the client for peer hash checks.
    public static let clusterIDMismatch = Status(
        .failedPrecondition,
        "etcdserver: cluster ID mismatch")

    /// RPC other than Status, serializable Range, and Snapshot sent to a learner.
    public static let notSupportedForLearner = Status(
        .failedPrecondition,
        "etcdserver: rpc not supported for learner")

    /// MoveLeader target unknown or a learner.
    public static let badLeaderTransferee = Status(
        .failedPrecondition,
        "etcdserver: bad leader transferee")

    /// Downgrade version is not X.Y or X.Y.Z.
    public static let wrongDowngradeVersionFormat = Status(
        .invalidArgument,
        "etcdserver: wrong downgrade target version format")

    /// Downgrade target is not exactly one minor below the cluster version.
    public static let invalidDowngradeTargetVersion = Status(
        .invalidArgument,
        "etcdserver: invalid downgrade target version")

    /// Downgrade VALIDATE before a cluster version exists.
    public static let clusterVersionUnavailable = Status(
        .failedPrecondition,
        "etcdserver: cluster version not found during downgrade")

    /// Downgrade VALIDATE/ENABLE while one is in progress.
    public static let downgradeInProcess = Status(
        .failedPrecondition,
        "etcdserver: cluster has a downgrade job in progress")

    /// Defined for Downgrade CANCEL with none in progress, but CANCEL only logs it and still
    /// answers OK.
    public static let noInflightDowngrade = Status(
        .failedPrecondition,
        "etcdserver: no inflight downgrade job")

    /// MoveLeader not finished before the request deadline.
    public static let timeoutLeaderTransfer = Status(
        .unknown,
        "etcdserver: request timed out, leader transfer took too long")

    /// Downgrade with an action outside the enum.
    public static let unknownMethod = Status(.unknown, "etcdserver: unknown method")
}
