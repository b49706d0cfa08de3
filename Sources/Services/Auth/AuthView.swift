// Who may do what, as it is read: an immutable picture of users and roles, made anew when they
// change, shared by all threads.

import API

/// Users and their rights at one revision of auth.
///
/// A copy is a reference; rights that a change does not concern are those of the picture before.
package struct AuthView: Sendable {
    let isEnabled: Bool
    let revision: UInt64
    private(set) var users: [AuthName: UserRights]

    package init(_ state: AuthState) {
        isEnabled = state.isEnabled
        revision = state.revision
        users = state.users.mapValues { UserRights($0, state.roles) }
    }

    /// The picture after a change.
    /// - Parameter concerned: users whose rights are others now.
    init(_ state: AuthState, after before: AuthView, concerned: Set<AuthName>) {
        isEnabled = state.isEnabled
        revision = state.revision
        users = before.users
        for name in concerned {
            users[name] = state.users[name].map { UserRights($0, state.roles) }
        }
    }

    // MARK: Checks

    /// Why `principal` may not do what only root may.
    func refusalOfRoot(_ principal: Principal) -> Status? {
        guard isEnabled, !principal.isMember else { return nil }
        if !principal.hasUser { return .userEmpty }
        guard let rights = users[principal.user] else { return .userNotFound }
        return rights.isRoot ? nil : .permissionDenied
    }

    /// Why `principal` is nobody who may ask anything.
    func refusalOfUser(_ principal: Principal) -> Status? {
        guard isEnabled, !principal.isMember else { return nil }
        if !principal.hasUser { return .userEmpty }
        return users[principal.user] == nil ? .permissionDenied : nil
    }

    /// What `principal` may do with keys: asked once for all keys of a request.
    package func keyAccess(of principal: Principal) -> KeyAccess {
        guard isEnabled, !principal.isMember else { return .all }
        // As etcd: who came without a name has no revision either.
        if principal.revision == 0 { return .none(.userEmpty) }
        if principal.revision < revision { return .none(.oldAuthRevision) }
        guard let keys = principal.keys(in: self) else { return .none(.permissionDenied) }
        return keys.areAll ? .all : .keys(keys)
    }
}

extension AuthView {
    /// A user as known now; one who is not here has no rights.
    func principal(named user: AuthName) -> Principal {
        Principal(user, revision, keys: users[user]?.keys)
    }
}

extension Principal {
    /// One who was recognized in the same picture is not looked up again.
    fileprivate func keys(in view: AuthView) -> UserKeys? {
        if let keys, revision == view.revision { return keys }
        return view.users[user]?.keys
    }
}

/// What somebody may do with keys.
package enum KeyAccess {
    /// Everything.
    case all
    case keys(UserKeys)
    /// Nothing, for this reason.
    case none(Status)

    /// - Parameter rangeEnd: as in a RangeRequest; empty for a single key.
    package func refusalToRead(
        _ key: UnsafeRawBufferPointer, _ rangeEnd: UnsafeRawBufferPointer = .noBytes
    ) -> Status? {
        switch self {
        case .all: nil
        case .keys(let keys):
            keys.read.contains(key: key, rangeEnd: rangeEnd) ? nil : .permissionDenied
        case .none(let status): status
        }
    }

    package func refusalToWrite(
        _ key: UnsafeRawBufferPointer, _ rangeEnd: UnsafeRawBufferPointer = .noBytes
    ) -> Status? {
        switch self {
        case .all: nil
        case .keys(let keys):
            keys.written.contains(key: key, rangeEnd: rangeEnd) ? nil : .permissionDenied
        case .none(let status): status
        }
    }
}

extension UnsafeRawBufferPointer {
    package static var noBytes: Self { Self(start: nil, count: 0) }
}

/// A user's rights. The merged ranges are made when they are first asked for.
final class UserRights: Sendable {
    let isRoot: Bool
    private let roles: [AuthRole]
    private let merged = Locked<UserKeys?>(nil)

    init(_ user: AuthUser, _ roles: [AuthName: AuthRole]) {
        isRoot = user.isRoot
        self.roles = user.roles.compactMap { roles[$0] }
    }

    var keys: UserKeys {
        merged.withLock { merged in
            if let merged { return merged }
            let keys = isRoot ? UserKeys.everything : UserKeys(roles)
            merged = keys
            return keys
        }
    }
}

/// The keys that a user may read and write.
package final class UserKeys: Sendable {
    let read: PermittedKeys
    let written: PermittedKeys
    /// Nothing has to be compared.
    let areAll: Bool

    /// Of root.
    static let everything = UserKeys()

    init(_ roles: [AuthRole]) {
        let all = roles.flatMap(\.permissions)
        read = PermittedKeys(merging: all.filter(\.reads).map(PermittedKeys.Interval.init))
        written = PermittedKeys(merging: all.filter(\.writes).map(PermittedKeys.Interval.init))
        areAll = false
    }

    private init() {
        read = PermittedKeys(merging: [PermittedKeys.Interval(lower: [], upper: nil)])
        written = read
        areAll = true
    }
}
