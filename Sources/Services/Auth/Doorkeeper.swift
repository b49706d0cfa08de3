// Lets calls in: finds out who calls, and compares with the rule of the method.

import API
import Transport

/// What a call brought to say who calls.
struct Credentials: Hashable, Sendable {
    /// Nil for none.
    var token: [UInt8]?
    /// Of a verified client certificate.
    var commonName: AuthName?

    static let none = Credentials()
}

/// One for all threads of a member.
struct Doorkeeper: Sendable {
    let board: AuthBoard
    private let applier: Applier
    private let clock: any WallClock
    private let held = HeldMessages()

    /// Whether a call may go on.
    enum Admission {
        case admitted(Principal)
        case refused(Status)
        /// To be asked again when the entry of this place is applied.
        case later(LogIndex)
    }

    init(_ applier: Applier, _ clock: any WallClock) {
        self.clock = clock
        self.applier = applier
        board = applier.authority.board
    }

    /// On the call's executor.
    func admit(
        _ context: CallContext, _ rule: AccessRule, _ message: UnsafeRawBufferPointer
    ) -> Admission {
        guard board.isEnabled, rule != .open else { return .admitted(.nobody) }
        switch identify(context) {
        case .admitted(let principal):
            return refusal(of: principal, rule, message).map(Admission.refused)
                ?? .admitted(principal)
        case let other: return other
        }
    }

    private func refusal(
        of principal: Principal, _ rule: AccessRule, _ message: UnsafeRawBufferPointer
    ) -> Status? {
        switch rule {
        case .open, .anybody, .keysOfEachMessage: nil
        // Who is nobody cannot have rights; whether somebody has is seen where the state is.
        case .keys: principal.hasUser ? nil : .userEmpty
        case .user: board.view.refusalOfUser(principal)
        case .root: board.view.refusalOfRoot(principal)
        case .alarm:
            AlarmRequest.isQuestion(message)
                ? board.view.refusalOfUser(principal) : board.view.refusalOfRoot(principal)
        }
    }

    func refusalOfUser(_ principal: Principal) -> Status? {
        board.isEnabled ? board.view.refusalOfUser(principal) : nil
    }

    // MARK: Who it is

    private func identify(_ context: CallContext) -> Admission {
        // No copy of the token: this is on the way of every call.
        let byToken = context.withMetadata("token") { token in
            token.map { identify(token: $0, context) }
        }
        if let byToken { return byToken }
        let byAuthorization = context.withMetadata("authorization") { token in
            token.map { identify(token: $0, context) }
        }
        if let byAuthorization { return byAuthorization }
        return .admitted(principal(ofCertificate: Self.commonName(context)))
    }

    private func identify(
        token: UnsafeRawBufferPointer, _ context: CallContext
    ) -> Admission {
        admission(board.recognize(token.withoutBearer, now: context.now, clock))
    }

    /// A call that goes on for long is asked anew for each of its messages.
    func identify(_ credentials: Credentials, now: MonotonicTime) -> Admission {
        guard board.isEnabled else { return .admitted(.nobody) }
        if let token = credentials.token {
            return token.withUnsafeBytes { admission(board.recognize($0, now: now, clock)) }
        }
        return .admitted(principal(ofCertificate: credentials.commonName))
    }

    private func admission(_ recognition: AuthBoard.Recognition) -> Admission {
        switch recognition {
        case .known(let principal): .admitted(principal)
        case .unknown: .refused(.invalidAuthToken)
        case .notYet(let index): .later(index)
        }
    }

    private func principal(ofCertificate name: AuthName?) -> Principal {
        guard let name, !name.isEmpty else { return .nobody }
        return board.view.principal(named: name)
    }

    /// What a call brought, to be kept.
    static func credentials(_ context: CallContext) -> Credentials {
        func token(_ name: StaticString) -> [UInt8]? {
            context.withMetadata(name) { $0.map { [UInt8]($0.withoutBearer) } }
        }
        return Credentials(
            token: token("token") ?? token("authorization"), commonName: commonName(context))
    }

    /// A gateway's certificate is not its clients'.
    private static func commonName(_ context: CallContext) -> AuthName? {
        let isGateway = context.withMetadata("grpcgateway-accept") { $0 != nil }
        return isGateway ? nil : context.commonName.map { AuthName($0) }
    }

    // MARK: Tokens of entries to come

    /// A copy of a message that has to wait; nil when too much waits.
    func hold(_ message: UnsafeRawBufferPointer) -> HeldMessage? { held.hold(message) }

    /// Calls `again` on the executor of the applied state once the entry at `index` is applied, or
    /// `given` up: a member may lag behind the one that gave the token.
    func wait(
        for index: LogIndex, _ again: @escaping @Sendable () -> Void,
        given up: @escaping @Sendable () -> Void
    ) {
        let applier = applier
        applier.onExecutor { applier in
            let applied = applier.appliedIndex
            let heard = applier.raft?.assumeIsolated { $0.status.last } ?? applied
            if !applier.tokenWaits.add(index, applied: applied, heard: heard, again, up) { up() }
        }
    }
}

extension UnsafeRawBufferPointer {
    /// As etcd reads metadata of HTTP clients.
    fileprivate var withoutBearer: Self {
        let prefix: StaticString = "Bearer "
        let length = prefix.utf8CodeUnitCount
        guard count >= length,
            self[..<length].elementsEqual(
                UnsafeRawBufferPointer(start: prefix.utf8Start, count: length))
        else { return self }
        return Self(rebasing: self[length...])
    }
}

extension AlarmRequest {
    /// Whether an AlarmRequest only asks. Of several actions the last counts, as in decoding; what
    /// is no AlarmRequest is none that asks.
    static func isQuestion(_ message: UnsafeRawBufferPointer) -> Bool {
        var reader = ProtobufReader(message)
        var action: UInt64 = 0
        do throws(WireError) {
            while let field = try reader.next() {
                if field.number == 1 { action = try field.uint64() }
            }
        } catch {
            return false
        }
        return UInt32(truncatingIfNeeded: action) == AlarmAction.get.rawValue
    }
}
