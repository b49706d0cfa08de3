// Users, roles and who is logged in: part of the applied state.

import API
import Storage

/// Applies what the log says of users and roles, and shows it to all who ask.
///
/// On the executor of the applied state.
package actor Authority: ExecutorActor {
    package nonisolated let executor: any ActorExecutor
    package nonisolated let unownedExecutor: UnownedSerialExecutor
    nonisolated let board: AuthBoard
    private(set) var state: AuthState
    private(set) var view: AuthView

    private let random: any RandomSource
    private let bcryptCost: Int

    /// - Parameter random: for salts.
    init(
        _ state: AuthState, _ settings: AuthSettings, on executor: any ActorExecutor,
        random: any RandomSource
    ) {
        self.state = state
        self.random = random
        bcryptCost = settings.bcryptCost
        self.executor = executor
        unownedExecutor = executor.asUnownedSerialExecutor()
        view = AuthView(state)
        board = AuthBoard(view, settings)
    }

    /// Another member's state took the place of this one. Tokens stay only if nothing has changed:
    /// the entries in between, which are not seen here, may have ended them (another password, a
    /// user who is gone or was made anew, auth off and on).
    func restore(_ state: AuthState) {
        if state.isEnabled != self.state.isEnabled || state.revision != self.state.revision {
            board.tokens.forgetAll()
        }
        #if CAIRN_BUGS
            if DeliberateBug.made == .keepOldUsers { return }
        #endif
        self.state = state
        show(AuthView(state))
    }

    /// What it all comes to now.
    package var snapshot: AuthSnapshot { AuthSnapshot(state) }

    /// What an entry asked to know.
    enum Answer {
        case nothing
        case status(isEnabled: Bool, revision: UInt64)
        case token([UInt8])
        case names([AuthName])
        case permissions([Permission])
    }

    /// Carries out the operation of the entry at `index`.
    /// - Returns: the answer, and what has to be written with the entry.
    func apply(
        _ operation: AuthOperation, at index: LogIndex
    ) -> (result: Result<Answer, Status>, changes: [AuthChange]) {
        let wasEnabled = state.isEnabled
        let revision = state.revision
        let result: Result<Answer, Status>
        do throws(Status) {
            result = .success(try perform(operation, index))
        } catch {
            result = .failure(error)
        }
        let (concerned, loggedOut) = state.takeConcerned()
        if !loggedOut.isEmpty { board.tokens.forget(loggedOut) }
        if state.isEnabled != wasEnabled { board.tokens.forgetAll() }
        #if CAIRN_BUGS
            if DeliberateBug.made == .useAfterRevocation, case .roleRevokePermission = operation {
                return (result, state.takeChanges())
            }
        #endif
        if state.isEnabled != wasEnabled || state.revision != revision {
            show(AuthView(state, after: view, concerned: concerned))
        }
        return (result, state.takeChanges())
    }

    private func show(_ view: AuthView) {
        self.view = view
        board.show(view)
    }

    private func perform(
        _ operation: AuthOperation, _ index: LogIndex
    ) throws(Status) -> Answer {
        switch operation {
        case .enable: try state.enable()
        case .disable: state.disable()
        case .status: return .status(isEnabled: state.isEnabled, revision: state.revision)
        case .authenticate(let user, let prefix): return .token(try login(user, prefix, index))
        case .userAdd(let user, let password):
            try state.addUser(user, password: try hashIfAny(password))
        case .userDelete(let user): try state.deleteUser(user)
        case .userGet(let user): return .names(try state.roles(of: user))
        case .userChangePassword(let user, let password):
            try state.changePassword(of: user, to: try hash(password))
        case .userGrantRole(let user, let role): try state.grant(role, to: user)
        case .userRevokeRole(let user, let role): try state.revoke(role, from: user)
        case .userList: return .names(state.users.keys.sorted())
        case .roleList: return .names(state.roles.keys.sorted())
        case .roleAdd(let role): try state.addRole(role)
        case .roleDelete(let role): try state.deleteRole(role)
        case .roleGet(let role): return .permissions(try state.permissions(of: role))
        case .roleGrantPermission(let role, let permission):
            try state.grant(permission, to: role)
        case .roleRevokePermission(let role, let key, let end):
            try state.revoke(key: key, rangeEnd: end, from: role)
        }
        return .nothing
    }

    // MARK: Logging in

    /// What a password is to be compared with.
    struct Check: Sendable {
        let hash: [UInt8]
        /// Of users and roles; the check is void once it has changed.
        let revision: UInt64
    }

    func check(of name: AuthName) throws(Status) -> Check {
        guard state.isEnabled else { throw .authNotEnabled }
        guard let user = state.users[name] else { throw .authFailed }
        if user.hasNoPassword == true { throw .noPasswordUser }
        return Check(hash: user.password, revision: state.revision)
    }

    /// The password was checked by the member that proposed.
    private func login(
        _ user: AuthName, _ prefix: [UInt8], _ index: LogIndex
    ) throws(Status) -> [UInt8] {
        guard state.isEnabled else { throw .authNotEnabled }
        guard state.users[user] != nil else { throw .authFailed }
        guard let token = SimpleToken(prefix: prefix, index: index) else { return [] }
        board.tokens.assign(token, to: user, now: executor.now)
        return token.text
    }

    private func hashIfAny(_ password: LoggedPassword?) throws(Status) -> [UInt8]? {
        guard let password else { return nil }
        return try hash(password)
    }

    /// A password as it is stored. Logs of etcd up to 3.4 have it as it was typed: members that
    /// apply those come to different salts, as they did there.
    private func hash(_ password: LoggedPassword) throws(Status) -> [UInt8] {
        if !password.plain.isEmpty, password.hashed.isEmpty {
            return try Bcrypt.hash(password.plain, cost: bcryptCost, random: random)
        }
        guard let text = Base64Text.decode(password.hashed) else { throw .noPasswordUser }
        return text
    }
}
