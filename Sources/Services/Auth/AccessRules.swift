// What each method asks of its caller while auth is on (reference: semantics.md, Auth): the one
// table. A method that is not in it cannot be registered.

/// What has to be known of a caller before a method's handler runs.
enum AccessRule: Hashable, Sendable {
    /// Nothing, and no token is looked at.
    case open
    /// A token, if there is one, must be good.
    case anybody
    /// Some user.
    case user
    /// A user with role root.
    case root
    /// Some user; for whatever changes an alarm, root.
    case alarm
    /// Some user, whose rights to the keys are checked where the state is: when the entry is
    /// applied, or the state is read.
    case keys
    /// As `keys`, for every message of the stream by itself.
    case keysOfEachMessage
}

enum AccessRules {
    /// Methods of one service.
    private static func service(
        _ name: String, _ rules: [String: AccessRule]
    ) -> [(String, AccessRule)] {
        rules.map { ("/\(name)/\($0.key)", $0.value) }
    }

    static let table: [String: AccessRule] = Dictionary(
        uniqueKeysWithValues: [
            service(
                "etcdserverpb.KV",
                [
                    "Range": .keys, "RangeStream": .keys, "Put": .keys, "DeleteRange": .keys,
                    "Txn": .keys, "Compact": .root,
                ]),
            service("etcdserverpb.Watch", ["Watch": .keysOfEachMessage]),
            service(
                "etcdserverpb.Lease",
                [
                    // A lease without keys is some user's too. Keys are checked besides.
                    "LeaseGrant": .user, "LeaseRevoke": .user,
                    "LeaseKeepAlive": .keysOfEachMessage, "LeaseTimeToLive": .user,
                    "LeaseLeases": .user,
                ]),
            service(
                "etcdserverpb.Cluster",
                [
                    "MemberAdd": .root, "MemberRemove": .root, "MemberUpdate": .root,
                    "MemberList": .user, "MemberPromote": .root,
                ]),
            service(
                "etcdserverpb.Maintenance",
                [
                    "Alarm": .alarm, "Status": .user, "Defragment": .root, "Hash": .root,
                    "HashKV": .root, "Snapshot": .root, "MoveLeader": .root, "Downgrade": .root,
                ]),
            service("etcdserverpb.Auth", auth),
            service("v3lockpb.Lock", ["Lock": .keys, "Unlock": .keys]),
            service(
                "v3electionpb.Election",
                [
                    "Campaign": .keys, "Proclaim": .keys, "Leader": .keys, "Observe": .keys,
                    "Resign": .keys,
                ]),
            service("grpc.health.v1.Health", ["Check": .open, "List": .open, "Watch": .open]),
        ].joined())

    private static let auth: [String: AccessRule] = [
        "AuthEnable": .root, "AuthDisable": .root, "AuthStatus": .anybody,
        // The password says who it is.
        "Authenticate": .open,
        "UserAdd": .root, "UserDelete": .root, "UserChangePassword": .root,
        "UserGrantRole": .root, "UserRevokeRole": .root, "UserList": .root,
        // One's own is for everybody: where it is applied.
        "UserGet": .user, "RoleGet": .user,
        "RoleAdd": .root, "RoleDelete": .root, "RoleGrantPermission": .root,
        "RoleRevokePermission": .root, "RoleList": .root,
    ]
}
