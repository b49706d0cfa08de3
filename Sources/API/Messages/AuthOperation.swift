// What an entry of the log asks of users and roles, as a value: read from an entry, or written into
// one.

import CMessages

/// A password as an entry carries it.
public struct LoggedPassword: Hashable, Sendable {
    /// As it was typed: only in logs of etcd up to 3.4.
    public var plain: [UInt8]
    /// Base64 of bcrypt's text; empty for none that fits.
    public var hashed: [UInt8]

    public init(plain: [UInt8] = [], hashed: [UInt8]) {
        self.plain = plain
        self.hashed = hashed
    }
}

/// What a role may do with a range of keys.
public struct Permission: Hashable, Sendable {
    /// authpb.Permission.Type: 0 reading, 1 writing, 2 both; others permit nothing.
    public var kind: UInt32
    public var key: [UInt8]
    /// As in a RangeRequest.
    public var rangeEnd: [UInt8]

    public init(kind: UInt32, key: [UInt8], rangeEnd: [UInt8]) {
        self.kind = kind
        self.key = key
        self.rangeEnd = rangeEnd
    }

    public init(_ record: PermissionRecord) {
        self.init(kind: record.kind, key: record.key, rangeEnd: record.rangeEnd)
    }

    public var reads: Bool { kind == 0 || kind == 2 }
    public var writes: Bool { kind == 1 || kind == 2 }

    /// What role root may do, as RoleGet shows it.
    public static let all = Permission(kind: 2, key: [], rangeEnd: [0])
}

/// One of the Auth service's requests, as the log has it.
public enum AuthOperation: Hashable, Sendable {
    case enable
    case disable
    case status
    /// The password was checked before. `simpleToken`: what the token begins with, or empty.
    case authenticate(AuthName, simpleToken: [UInt8])
    /// No password: the user is known by certificates only.
    case userAdd(AuthName, LoggedPassword?)
    case userDelete(AuthName)
    case userGet(AuthName)
    case userChangePassword(AuthName, LoggedPassword)
    case userGrantRole(AuthName, role: AuthName)
    case userRevokeRole(AuthName, role: AuthName)
    case userList
    case roleList
    case roleAdd(AuthName)
    case roleDelete(AuthName)
    case roleGet(AuthName)
    /// Nil when the request has none, which is refused.
    case roleGrantPermission(AuthName, Permission?)
    case roleRevokePermission(AuthName, key: [UInt8], rangeEnd: [UInt8])

    public var kind: ProposalKind {
        switch self {
        case .enable: .authEnable
        case .disable: .authDisable
        case .status: .authStatus
        case .authenticate: .authenticate
        case .userAdd: .authUserAdd
        case .userDelete: .authUserDelete
        case .userGet: .authUserGet
        case .userChangePassword: .authUserChangePassword
        case .userGrantRole: .authUserGrantRole
        case .userRevokeRole: .authUserRevokeRole
        case .userList: .authUserList
        case .roleList: .authRoleList
        case .roleAdd: .authRoleAdd
        case .roleDelete: .authRoleDelete
        case .roleGet: .authRoleGet
        case .roleGrantPermission: .authRoleGrantPermission
        case .roleRevokePermission: .authRoleRevokePermission
        }
    }
}

// MARK: - Reading

extension AuthOperation {
    init?(_ request: Etcdserverpb__InternalRaftRequest) {
        if let user = AuthOperation(ofUsers: request) {
            self = user
        } else if let role = AuthOperation(ofRoles: request) {
            self = role
        } else if request.auth_enable != nil {
            self = .enable
        } else if request.auth_disable != nil {
            self = .disable
        } else if request.auth_status != nil {
            self = .status
        } else if let login = InternalAuthenticateRequest(request.authenticate) {
            self = .authenticate(login.name, simpleToken: login.simpleToken)
        } else {
            return nil
        }
    }

    private init?(ofUsers request: Etcdserverpb__InternalRaftRequest) {
        if let add = AuthUserAddRequest(request.auth_user_add) {
            let password = LoggedPassword(plain: add.password, hashed: add.hashedPassword)
            self = .userAdd(add.name, add.hasNoPassword ? nil : password)
        } else if let change = AuthUserChangePasswordRequest(request.auth_user_change_password) {
            self = .userChangePassword(
                change.name,
                LoggedPassword(plain: change.password, hashed: change.hashedPassword))
        } else if let delete = AuthUserDeleteRequest(request.auth_user_delete) {
            self = .userDelete(delete.name)
        } else if let get = AuthUserGetRequest(request.auth_user_get) {
            self = .userGet(get.name)
        } else if let grant = AuthUserGrantRoleRequest(request.auth_user_grant_role) {
            self = .userGrantRole(grant.user, role: grant.role)
        } else if let revoke = AuthUserRevokeRoleRequest(request.auth_user_revoke_role) {
            self = .userRevokeRole(revoke.user, role: revoke.role)
        } else if request.auth_user_list != nil {
            self = .userList
        } else {
            return nil
        }
    }

    private init?(ofRoles request: Etcdserverpb__InternalRaftRequest) {
        if request.auth_role_list != nil {
            self = .roleList
        } else if let add = AuthRoleAddRequest(request.auth_role_add) {
            self = .roleAdd(add.name)
        } else if let delete = AuthRoleDeleteRequest(request.auth_role_delete) {
            self = .roleDelete(delete.name)
        } else if let get = AuthRoleGetRequest(request.auth_role_get) {
            self = .roleGet(get.name)
        } else if let grant = AuthRoleGrantPermissionRequest(request.auth_role_grant_permission) {
            self = .roleGrantPermission(grant.role, grant.permission.map(Permission.init))
        } else if let revoke = AuthRoleRevokePermissionRequest(request.auth_role_revoke_permission)
        {
            self = .roleRevokePermission(
                revoke.role, key: revoke.key, rangeEnd: revoke.rangeEnd)
        } else {
            return nil
        }
    }
}

// MARK: - Writing

extension ByteBuffer {
    /// Appends the request within an entry that asks for `operation`.
    public mutating func appendAuthOperation(_ operation: AuthOperation) {
        switch operation {
        case .enable, .disable, .status, .userList, .roleList: break
        case .authenticate(let user, let token):
            appendField(1, bytes: user.bytes)
            appendField(3, bytes: token)
        case .userAdd(let user, let password):
            appendField(1, bytes: user.bytes)
            if let password {
                appendField(2, bytes: password.plain)
            } else {
                let options = beginMessage(3)
                appendField(1, bool: true)
                endMessage(options)
            }
            appendField(4, bytes: password?.hashed ?? [])
        case .userChangePassword(let user, let password):
            appendField(1, bytes: user.bytes)
            appendField(2, bytes: password.plain)
            appendField(3, bytes: password.hashed)
        case .userDelete(let name), .userGet(let name), .roleAdd(let name),
            .roleDelete(let name), .roleGet(let name):
            appendField(1, bytes: name.bytes)
        case .userGrantRole(let user, let role), .userRevokeRole(let user, let role):
            appendField(1, bytes: user.bytes)
            appendField(2, bytes: role.bytes)
        case .roleGrantPermission(let role, let permission):
            appendField(1, bytes: role.bytes)
            if let permission { appendPermission(2, permission) }
        case .roleRevokePermission(let role, let key, let end):
            appendField(1, bytes: role.bytes)
            appendField(2, bytes: key)
            appendField(3, bytes: end)
        }
    }

    public mutating func appendPermission(_ number: Int, _ permission: Permission) {
        let message = beginMessage(number)
        appendField(1, uint64: UInt64(permission.kind))
        appendField(2, bytes: permission.key)
        appendField(3, bytes: permission.rangeEnd)
        endMessage(message)
    }

    // MARK: Answers

    public mutating func appendAuthStatusResponse(
        _ header: HeaderFields, isEnabled: Bool, revision: UInt64
    ) {
        appendResponseHeader(header)
        appendField(2, bool: isEnabled)
        appendField(3, uint64: revision)
    }

    public mutating func appendAuthenticateResponse(_ header: HeaderFields, token: [UInt8]) {
        appendResponseHeader(header)
        appendField(2, bytes: token)
    }

    /// The answers that are a list of names: UserGet, UserList, RoleList.
    public mutating func appendNamesResponse(_ header: HeaderFields, _ names: [AuthName]) {
        appendResponseHeader(header)
        for name in names { name.bytes.withUnsafeBytes { appendElement(2, bytes: $0) } }
    }

    public mutating func appendRoleGetResponse(
        _ header: HeaderFields, _ permissions: [Permission]
    ) {
        appendResponseHeader(header)
        for permission in permissions { appendPermission(2, permission) }
    }
}
