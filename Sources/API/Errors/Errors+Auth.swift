// What Auth answers, and every service when a caller may not do what it asks.

extension Status {
    /// AuthEnable without a user named root.
    public static let rootUserNotExist = Status(
        .failedPrecondition,
        "etcdserver: root user does not exist")

    /// AuthEnable while user root lacks role root.
    public static let rootRoleNotExist = Status(
        .failedPrecondition,
        "etcdserver: root user does not have root role")

    /// UserAdd of an existing name.
    public static let userAlreadyExists = Status(
        .failedPrecondition,
        "etcdserver: user name already exists")

    /// UserAdd with empty name; or auth is enabled and the request carries no token/credentials.
    public static let userEmpty = Status(.invalidArgument, "etcdserver: user name is empty")

    /// User of a user operation unknown; also admin-only call by a user that was deleted.
    public static let userNotFound = Status(.failedPrecondition, "etcdserver: user name not found")

    /// RoleAdd of an existing role.
    public static let roleAlreadyExists = Status(
        .failedPrecondition,
        "etcdserver: role name already exists")

    /// Role of a role operation unknown; UserGrantRole of an unknown role other than root.
    public static let roleNotFound = Status(.failedPrecondition, "etcdserver: role name not found")

    /// RoleAdd with empty name.
    public static let roleEmpty = Status(.invalidArgument, "etcdserver: role name is empty")

    /// Authenticate: unknown user or wrong password.
    public static let authFailed = Status(
        .invalidArgument,
        "etcdserver: authentication failed, invalid user ID or password")

    /// RoleGrantPermission without perm.
    public static let permissionNotGiven = Status(
        .invalidArgument,
        "etcdserver: permission not given")

    /// User lacks the key permission or (for admin calls) the root role.
    public static let permissionDenied = Status(.permissionDenied, "etcdserver: permission denied")

    /// UserRevokeRole of a role the user does not have.
    public static let roleNotGranted = Status(
        .failedPrecondition,
        "etcdserver: role is not granted to the user")

    /// RoleRevokePermission with a key/range_end pair not in the role.
    public static let permissionNotGranted = Status(
        .failedPrecondition,
        "etcdserver: permission is not granted to the role")

    /// Authenticate while auth is off.
    public static let authNotEnabled = Status(
        .failedPrecondition,
        "etcdserver: authentication is not enabled")

    /// Token metadata present but unknown, expired or malformed (only while auth is on).
    public static let invalidAuthToken = Status(.unauthenticated, "etcdserver: invalid auth token")

    /// While auth is on: delete user root, delete role root, revoke role root from root; any time:
    /// RoleGrantPermission with an empty key or a range whose end is not above key.
    public static let invalidAuthManagement = Status(
        .invalidArgument,
        "etcdserver: invalid auth management")

    /// Auth store changed between token check and execution, or JWT carries an older auth revision.
    public static let oldAuthRevision = Status(
        .invalidArgument,
        "etcdserver: revision of auth store is old")

    /// Authenticate for a no-password user; UserAdd/UserChangePassword whose hashedPassword is not
    /// base64.
    public static let noPasswordUser = Status(
        .unknown,
        "auth: authentication failed, password was given for no password user")
}
