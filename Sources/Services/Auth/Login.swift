// One Authenticate (reference: semantics.md, Auth):
//
//     read index -> user and hash -> password compared on its thread -> entry -> token
//
// If users or roles have changed when the entry is applied, what was compared may be out of date,
// and all is done again.

import API

/// On the executor of the applied state but for the comparison.
///
/// `@unchecked Sendable`: made on the thread of a connection, and touched on the executor of the
/// applied state only, one step after the other.
final class Login: @unchecked Sendable {
    private let name: AuthName
    /// What counts of it: the rest, which may be megabytes, is not kept.
    let password: [UInt8]
    private let service: AuthService
    private let source: PasswordQueue.Source
    private let waiter: Waiter
    private let reply: any Replying
    private var rounds = 0

    /// Users and roles do not change so often that one needs more.
    private static let roundLimit = 20

    /// - Parameters:
    ///   - source: the connection it came by.
    ///   - waiter: once it has gone, no work is done for it any more.
    init(
        _ name: AuthName, _ password: [UInt8], by service: AuthService,
        from source: PasswordQueue.Source, for waiter: Waiter, reply: any Replying
    ) {
        self.name = name
        self.password = Array(password.prefix(Bcrypt.passwordBytes))
        self.service = service
        self.source = source
        self.waiter = waiter
        self.reply = reply
    }

    private var applier: Applier { service.reads.applier }

    /// From any thread.
    func begin() {
        service.reads.submit(
            StateRead(of: applier, isSerializable: false) { [self] applier in
                check(applier)
            } failed: { [self] in
                reply.fail($0)
            })
    }

    private func check(_ applier: isolated Applier) {
        do throws(Status) {
            let check = try applier.authority.enter { [name] (authority) throws(Status) in
                try authority.check(of: name)
            }
            if let keys = applier.settings.auth.signedTokens, !keys.canSign {
                throw .cannotSignTokens
            }
            service.passwords.verify(
                password, of: name, against: check.hash, from: source, for: waiter
            ) { [self] result in
                onExecutor { [self] in compared(result, check) }
            }
        } catch {
            reply.fail(error)
        }
    }

    private func onExecutor(_ work: @escaping @Sendable () -> Void) {
        if applier.executor.isCurrent { work() } else { applier.executor.post(work) }
    }

    private func compared(_ result: Result<Bool, Status>, _ check: Authority.Check) {
        switch result {
        case .failure(let status): return reply.fail(status)
        case .success(false): return reply.fail(.authFailed)
        case .success(true): break
        }
        let prefix =
            applier.settings.auth.signedTokens == nil
            ? SimpleToken.makePrefix(applier.watches.random) : []
        // The password has said who it is: the entry is nobody's.
        service.propose(
            .authenticate(name, simpleToken: prefix), as: .nobody,
            InnerCall(on: applier.executor) { [self] result in applied(result, check) })
    }

    private func applied(_ result: Result<[UInt8], Status>, _ check: Authority.Check) {
        guard case .success(let message) = result else {
            if case .failure(let status) = result { reply.fail(status) }
            return
        }
        let revision = applier.authority.assumeIsolated { $0.state.revision }
        guard revision == check.revision else {
            rounds += 1
            return rounds < Self.roundLimit ? begin() : reply.fail(.oldAuthRevision)
        }
        guard let keys = applier.settings.auth.signedTokens else {
            return message.withUnsafeBytes { reply.respond($0) }
        }
        let isTaken = service.passwords.run { [name, reply, clock = service.clock] in
            guard
                let token = keys.sign(
                    name, revision: revision,
                    nowSeconds: clock.nanosecondsSinceEpoch / 1_000_000_000)
            else { return reply.fail(.cannotSignTokens) }
            // The message has its header, and no token yet.
            var answer = ByteBuffer()
            answer.append(message)
            answer.appendField(2, bytes: token)
            answer.withUnsafeBytes { reply.respond($0) }
        }
        if !isTaken { reply.fail(.tooManyRequests) }
    }
}

extension Status {
    /// golang-jwt's keys without the private one (etcd, ErrVerifyOnly).
    static let cannotSignTokens = Status(
        .unknown, "auth: token signing attempted with verify-only key")
}
