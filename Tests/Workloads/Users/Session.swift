// A client as one of the users: it logs in with the member that it calls, and goes on with the token
// at all of them until one says that it is none, or old; as the clients of etcd do.

import API

final class Session {
    let user: User?
    private unowned let world: any ClientWorld
    private let timeout: UInt64
    private var token: [UInt8]?
    /// Somebody whose rights nobody takes away was denied something.
    private let deniedForNothing: (String) -> Void
    /// How often a call is made with a new token.
    private static let attempts = 3

    /// - Parameter user: nil calls without a token.
    init(
        _ world: any ClientWorld, as user: User?, timeout: UInt64,
        deniedForNothing: @escaping (String) -> Void
    ) {
        self.world = world
        self.user = user
        self.timeout = timeout
        self.deniedForNothing = deniedForNothing
    }

    /// Calls a unary method. What is refused for its token had no effect, and is tried again.
    func call(
        _ wire: WireCall, to member: Int, timeout: UInt64, attempts: Int = attempts,
        _ done: @escaping (CallEnd) -> Void
    ) {
        withToken(at: member) { [self] token in
            guard let token else { return done(.neverSent) }
            world.call(
                wire.method, wire.request, to: member, token: token.bytes,
                timeoutNanoseconds: timeout
            ) { [self] end in
                guard case .failed(let status) = end else { return done(end) }
                if isForTheToken(status), attempts > 1 {
                    forget(token)
                    return call(wire, to: member, timeout: timeout, attempts: attempts - 1, done)
                }
                noteDenial(status.message, wire.method)
                done(end)
            }
        }
    }

    /// What a call brings along.
    struct Token: Equatable {
        /// Nil: none is needed.
        let bytes: [UInt8]?
    }

    /// - Parameter then: called with nil if the member did not let the user log in.
    func withToken(at member: Int, _ then: @escaping (Token?) -> Void) {
        guard let user else { return then(Token(bytes: nil)) }
        if let token { return then(Token(bytes: token)) }
        let wire = WireCall.authenticate(user)
        world.call(
            wire.method, wire.request, to: member, token: nil, timeoutNanoseconds: timeout
        ) { [self] end in
            if case .answered(let bytes) = end, let new = Workloads.token(in: bytes) {
                world.note("\(user.name) logs in at m\(member + 1)")
                token = new
                return then(Token(bytes: new))
            }
            world.note("\(user.name) cannot log in at m\(member + 1): \(end)")
            then(nil)
        }
    }

    /// The token was refused, unless there is a newer one already.
    func forget(_ refused: Token) {
        if token == refused.bytes { token = nil }
    }

    func forgetToken() { token = nil }

    func noteDenial(_ words: String, _ what: String) {
        guard let user, !user.isGuest, words.contains("permission denied") else { return }
        deniedForNothing("\(user.name), \(what): \(words)")
    }

    /// A member that has not heard of users yet passes calls on as nobody's.
    private func isForTheToken(_ status: Status) -> Bool {
        guard user != nil else { return false }
        return [Status.invalidAuthToken, .oldAuthRevision, .userEmpty]
            .contains { status.message.hasSuffix($0.message) }
    }
}
