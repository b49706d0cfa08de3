// Users and roles as the log's entries have made them (reference: semantics.md, Auth; ondisk.md,
// Buckets): a value, pure of everything but itself.

import API
import Storage

/// A user as the store keeps one.
package struct AuthUser: Hashable, Sendable {
    var name: AuthName
    /// The text of bcrypt; empty for one who cannot log in.
    var password: [UInt8] = []
    /// In order.
    var roles: [AuthName] = []
    /// Nil in records of etcd before 3.4.
    var hasNoPassword: Bool?

    package init(
        name: AuthName, password: [UInt8] = [], roles: [AuthName] = [], hasNoPassword: Bool? = nil
    ) {
        self.name = name
        self.password = password
        self.roles = roles
        self.hasNoPassword = hasNoPassword
    }

    var isRoot: Bool { roles.contains(.root) }
}

/// A role as the store keeps one.
package struct AuthRole: Hashable, Sendable {
    var name: AuthName
    /// In the order of their keys.
    var permissions: [Permission] = []

    package init(name: AuthName, permissions: [Permission] = []) {
        self.name = name
        self.permissions = permissions
    }
}

/// What an entry has to write.
enum AuthChange: Hashable, Sendable {
    case put(Table, key: [UInt8], value: [UInt8])
    case remove(Table, key: [UInt8])
}

/// All of it. Every change notes what has to be written, and who it concerns.
package struct AuthState: Sendable {
    private(set) var isEnabled = false
    /// Grows by one with every change of users, roles and what they may do.
    private(set) var revision: UInt64 = 1
    private(set) var users: [AuthName: AuthUser] = [:]
    private(set) var roles: [AuthName: AuthRole] = [:]

    /// Not written yet.
    private(set) var changes: [AuthChange] = []
    /// Whose rights may be others than when this was last asked.
    private(set) var concerned: Set<AuthName> = []
    /// Whose tokens are void.
    private(set) var loggedOut: Set<AuthName> = []

    init() {}

    /// A state as it was stored.
    package init(isEnabled: Bool, revision: UInt64, users: [AuthUser], roles: [AuthRole]) {
        self.isEnabled = isEnabled
        self.revision = revision
        for user in users { self.users[user.name] = user }
        for role in roles { self.roles[role.name] = role }
    }

    mutating func takeChanges() -> [AuthChange] {
        defer { changes = [] }
        return changes
    }

    mutating func takeConcerned() -> (rights: Set<AuthName>, tokens: Set<AuthName>) {
        defer { (concerned, loggedOut) = ([], []) }
        return (concerned, loggedOut)
    }

    // MARK: On and off

    mutating func enable() throws(Status) {
        if isEnabled { return }
        guard let root = users[.root] else { throw .rootUserNotExist }
        guard root.isRoot else { throw .rootRoleNotExist }
        isEnabled = true
        keepEnabled()
    }

    mutating func disable() {
        guard isEnabled else { return }
        isEnabled = false
        keepEnabled()
        advance()
    }

    // MARK: Users

    /// - Parameter password: the text of bcrypt; nil for a user who is known by certificates only.
    mutating func addUser(_ name: AuthName, password: [UInt8]?) throws(Status) {
        if name.isEmpty { throw .userEmpty }
        if users[name] != nil { throw .userAlreadyExists }
        try Self.checkLength(name)
        keep(AuthUser(name: name, password: password ?? [], hasNoPassword: password == nil))
        advance()
    }

    mutating func deleteUser(_ name: AuthName) throws(Status) {
        if isEnabled, name == .root { throw .invalidAuthManagement }
        guard users.removeValue(forKey: name) != nil else { throw .userNotFound }
        changes.append(.remove(.authUsers, key: name.bytes))
        concerned.insert(name)
        loggedOut.insert(name)
        advance()
    }

    mutating func changePassword(of name: AuthName, to password: [UInt8]) throws(Status) {
        guard var user = users[name] else { throw .userNotFound }
        user.password = user.hasNoPassword == true ? [] : password
        keep(user)
        loggedOut.insert(name)
        advance()
    }

    mutating func grant(_ role: AuthName, to name: AuthName) throws(Status) {
        guard var user = users[name] else { throw .userNotFound }
        guard role == .root || roles[role] != nil else { throw .roleNotFound }
        if user.roles.contains(role) { return }
        user.roles.append(role)
        user.roles.sort()
        keep(user)
        advance()
    }

    mutating func revoke(_ role: AuthName, from name: AuthName) throws(Status) {
        if isEnabled, name == .root, role == .root { throw .invalidAuthManagement }
        guard var user = users[name] else { throw .userNotFound }
        guard user.roles.contains(role) else { throw .roleNotGranted }
        user.roles.removeAll { $0 == role }
        keep(user)
        advance()
    }

    // MARK: Roles

    mutating func addRole(_ name: AuthName) throws(Status) {
        if name.isEmpty { throw .roleEmpty }
        if roles[name] != nil { throw .roleAlreadyExists }
        try Self.checkLength(name)
        keep(AuthRole(name: name))
        advance()
    }

    mutating func deleteRole(_ name: AuthName) throws(Status) {
        if isEnabled, name == .root { throw .invalidAuthManagement }
        guard roles.removeValue(forKey: name) != nil else { throw .roleNotFound }
        changes.append(.remove(.authRoles, key: name.bytes))
        for var user in users.values where user.roles.contains(name) {
            user.roles.removeAll { $0 == name }
            keep(user)
        }
        advance()
    }

    mutating func grant(_ permission: Permission?, to name: AuthName) throws(Status) {
        guard let permission else { throw .permissionNotGiven }
        guard permission.isValid else { throw .invalidAuthManagement }
        guard var role = roles[name] else { throw .roleNotFound }
        if let place = role.permissions.firstIndex(where: { $0.hasRange(of: permission) }) {
            role.permissions[place].kind = permission.kind
        } else {
            let place = role.permissions.firstIndex {
                permission.key.lexicographicallyPrecedes($0.key)
            }
            role.permissions.insert(permission, at: place ?? role.permissions.endIndex)
        }
        keep(role)
        advance()
    }

    mutating func revoke(
        key: [UInt8], rangeEnd: [UInt8], from name: AuthName
    ) throws(Status) {
        guard var role = roles[name] else { throw .roleNotFound }
        let before = role.permissions.count
        role.permissions.removeAll { $0.key == key && $0.rangeEnd == rangeEnd }
        guard role.permissions.count < before else { throw .permissionNotGranted }
        keep(role)
        advance()
    }

    // MARK: Questions

    func roles(of name: AuthName) throws(Status) -> [AuthName] {
        guard let user = users[name] else { throw .userNotFound }
        return user.roles
    }

    func permissions(of name: AuthName) throws(Status) -> [Permission] {
        guard let role = roles[name] else { throw .roleNotFound }
        return name == .root ? [.all] : role.permissions
    }

    // MARK: Records

    private mutating func advance() {
        revision += 1
        let value = withUnsafeBytes(of: revision.bigEndian) { [UInt8]($0) }
        changes.append(.put(.auth, key: AuthKey.revision, value: value))
    }

    private mutating func keepEnabled() {
        changes.append(.put(.auth, key: AuthKey.enabled, value: [isEnabled ? 1 : 0]))
    }

    private mutating func keep(_ user: AuthUser) {
        users[user.name] = user
        concerned.insert(user.name)
        changes.append(.put(.authUsers, key: user.name.bytes, value: user.record))
    }

    private mutating func keep(_ role: AuthRole) {
        roles[role.name] = role
        for user in users.values where user.roles.contains(role.name) {
            concerned.insert(user.name)
        }
        changes.append(.put(.authRoles, key: role.name.bytes, value: role.record))
    }

    /// What is longer is no key of the store's.
    private static func checkLength(_ name: AuthName) throws(Status) {
        if name.bytes.count > Table.maximumKeyLength { throw .requestTooLarge }
    }
}

/// Keys of table `auth`.
enum AuthKey {
    static let enabled = Array("authEnabled".utf8)
    static let revision = Array("authRevision".utf8)
}

extension Permission {
    /// Whether there is a range for it: it has a key, and its end lies behind it.
    fileprivate var isValid: Bool {
        if key.isEmpty { return false }
        return rangeEnd.isEmpty || rangeEnd == [0] || key.lexicographicallyPrecedes(rangeEnd)
    }

    fileprivate func hasRange(of other: Permission) -> Bool {
        key == other.key && rangeEnd == other.rangeEnd
    }
}
