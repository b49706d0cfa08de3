// etcdserverpb.Auth: users, roles and logging in. All of it goes through the log, questions too, so
// that an answer holds all that was decided before.

import API
import Transport

struct AuthService: Sendable {
    let gate: ProposalGate
    let reads: ReadGate
    let passwords: PasswordWorker
    /// Signed tokens end by the calendar.
    let clock: any WallClock

    private var applier: Applier { reads.applier }

    func register(in methods: inout GuardedMethods) {
        registerSwitches(in: &methods)
        registerUsers(in: &methods)
        registerRoles(in: &methods)
        methods.unary("/etcdserverpb.Auth/Authenticate") { call, _, bytes in
            let waiter = Waiter()
            call.context.onCancel { waiter.leave() }
            authenticate(bytes, from: call.context.connection, for: waiter, call)
        }
    }

    private func registerSwitches(in methods: inout GuardedMethods) {
        methods.unary("/etcdserverpb.Auth/AuthEnable") { call, caller, bytes in
            propose(AuthEnableRequest.self, bytes, as: caller, call) { _ in .enable }
        }
        methods.unary("/etcdserverpb.Auth/AuthDisable") { call, caller, bytes in
            propose(AuthDisableRequest.self, bytes, as: caller, call) { _ in .disable }
        }
        methods.unary("/etcdserverpb.Auth/AuthStatus") { call, caller, bytes in
            propose(AuthStatusRequest.self, bytes, as: caller, call) { _ in .status }
        }
    }

    private func registerUsers(in methods: inout GuardedMethods) {
        methods.unary("/etcdserverpb.Auth/UserAdd") { call, caller, bytes in
            userAdd(bytes, as: caller, call)
        }
        methods.unary("/etcdserverpb.Auth/UserChangePassword") { call, caller, bytes in
            changePassword(bytes, as: caller, call)
        }
        methods.unary("/etcdserverpb.Auth/UserGet") { call, caller, bytes in
            propose(AuthUserGetRequest.self, bytes, as: caller, call) { .userGet($0.name) }
        }
        methods.unary("/etcdserverpb.Auth/UserDelete") { call, caller, bytes in
            propose(AuthUserDeleteRequest.self, bytes, as: caller, call) { .userDelete($0.name) }
        }
        methods.unary("/etcdserverpb.Auth/UserList") { call, caller, bytes in
            propose(AuthUserListRequest.self, bytes, as: caller, call) { _ in .userList }
        }
        methods.unary("/etcdserverpb.Auth/UserGrantRole") { call, caller, bytes in
            propose(AuthUserGrantRoleRequest.self, bytes, as: caller, call) {
                .userGrantRole($0.user, role: $0.role)
            }
        }
        methods.unary("/etcdserverpb.Auth/UserRevokeRole") { call, caller, bytes in
            propose(AuthUserRevokeRoleRequest.self, bytes, as: caller, call) {
                .userRevokeRole($0.user, role: $0.role)
            }
        }
    }

    private func registerRoles(in methods: inout GuardedMethods) {
        methods.unary("/etcdserverpb.Auth/RoleAdd") { call, caller, bytes in
            propose(AuthRoleAddRequest.self, bytes, as: caller, call) { .roleAdd($0.name) }
        }
        methods.unary("/etcdserverpb.Auth/RoleGet") { call, caller, bytes in
            propose(AuthRoleGetRequest.self, bytes, as: caller, call) { .roleGet($0.name) }
        }
        methods.unary("/etcdserverpb.Auth/RoleDelete") { call, caller, bytes in
            propose(AuthRoleDeleteRequest.self, bytes, as: caller, call) { .roleDelete($0.name) }
        }
        methods.unary("/etcdserverpb.Auth/RoleList") { call, caller, bytes in
            propose(AuthRoleListRequest.self, bytes, as: caller, call) { _ in .roleList }
        }
        methods.unary("/etcdserverpb.Auth/RoleGrantPermission") { call, caller, bytes in
            propose(AuthRoleGrantPermissionRequest.self, bytes, as: caller, call) {
                .roleGrantPermission($0.role, $0.permission.map(Permission.init))
            }
        }
        methods.unary("/etcdserverpb.Auth/RoleRevokePermission") { call, caller, bytes in
            propose(AuthRoleRevokePermissionRequest.self, bytes, as: caller, call) {
                .roleRevokePermission($0.role, key: $0.key, rangeEnd: $0.rangeEnd)
            }
        }
    }

    // MARK: Passwords

    func userAdd(
        _ bytes: UnsafeRawBufferPointer, as caller: Principal, _ reply: any Replying
    ) {
        decode(AuthUserAddRequest.self, bytes, reply) { request in
            let name = request.name
            if request.hasNoPassword { return propose(.userAdd(name, nil), as: caller, reply) }
            proposeHash(of: request.password, as: caller, reply) { .userAdd(name, $0) }
        }
    }

    /// An empty password is none that fits.
    func changePassword(
        _ bytes: UnsafeRawBufferPointer, as caller: Principal, _ reply: any Replying
    ) {
        decode(AuthUserChangePasswordRequest.self, bytes, reply) { request in
            let name = request.name
            guard !request.password.isEmpty else {
                return propose(
                    .userChangePassword(name, LoggedPassword(hashed: [])), as: caller, reply)
            }
            proposeHash(of: request.password, as: caller, reply) { .userChangePassword(name, $0) }
        }
    }

    /// The password goes no further than here: what enters the log is its hash.
    private func proposeHash(
        of password: [UInt8], as caller: Principal, _ reply: any Replying,
        _ operation: @escaping @Sendable (LoggedPassword) -> AuthOperation
    ) {
        passwords.hash(password, cost: applier.settings.auth.bcryptCost) { result in
            switch result {
            case .success(let hash):
                let password = LoggedPassword(hashed: Base64Text.encode(hash))
                propose(operation(password), as: caller, reply)
            case .failure(let status): reply.fail(status)
            }
        }
    }

    /// - Parameters:
    ///   - source: the connection it came by.
    ///   - waiter: who waits for the reply.
    func authenticate(
        _ bytes: UnsafeRawBufferPointer, from source: PasswordQueue.Source, for waiter: Waiter,
        _ reply: any Replying
    ) {
        decode(AuthenticateRequest.self, bytes, reply) { request in
            Login(
                request.name, request.password, by: self, from: source, for: waiter, reply: reply
            ).begin()
        }
    }

    // MARK: Steps

    private func decode<Request: AuthRequest>(
        _ type: Request.Type, _ bytes: UnsafeRawBufferPointer, _ reply: any Replying,
        _ body: (Request) -> Void
    ) {
        do throws(WireError) {
            try type.checkText(in: bytes)
        } catch {
            return reply.fail(.malformedRequest(error))
        }
        gate.arenas.decode(type, bytes, reply, body)
    }

    private func propose<Request: AuthRequest>(
        _ type: Request.Type, _ bytes: UnsafeRawBufferPointer, as caller: Principal,
        _ reply: any Replying, _ operation: (Request) -> AuthOperation
    ) {
        decode(type, bytes, reply) { propose(operation($0), as: caller, reply) }
    }

    /// From any thread; a password may have been hashed since the caller was recognized.
    func propose(_ operation: AuthOperation, as caller: Principal, _ reply: any Replying) {
        var request = ByteBuffer()
        request.appendAuthOperation(operation)
        request.withUnsafeBytes {
            gate.submit(
                operation.kind, request: $0, operation: .auth(operation),
                arena: gate.arenas.take(), as: applier.authority.board.renewed(caller),
                reply: reply)
        }
    }
}
