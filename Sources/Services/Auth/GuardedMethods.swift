// Where services register their methods: behind the doorkeeper, so that no handler runs for a caller
// it was not told of.

import API
import Transport

/// The methods that clients may call.
struct GuardedMethods {
    private(set) var methods: GRPCMethods
    private let doorkeeper: Doorkeeper

    init(_ methods: GRPCMethods, behind doorkeeper: Doorkeeper) {
        self.methods = methods
        self.doorkeeper = doorkeeper
    }

    private static func rule(of path: String) -> AccessRule {
        guard let rule = AccessRules.table[path] else {
            preconditionFailure("\(path) is not in the table of rules")
        }
        return rule
    }

    /// Lock and Election are clients of the other services in etcd, and lose the codes of errors
    /// (reference: semantics.md, Lock and Election services).
    private static func refusal(_ status: Status, at path: String) -> Status {
        path.hasPrefix("/v3") ? status.withoutCode : status
    }

    mutating func unary(
        _ path: String,
        _ handler: @escaping @Sendable (UnaryCall, Principal, UnsafeRawBufferPointer) -> Void
    ) {
        let rule = Self.rule(of: path)
        methods.unary(path) { [doorkeeper] call, bytes in
            switch doorkeeper.admit(call.context, rule, bytes) {
            case .admitted(let principal): handler(call, principal, bytes)
            case .refused(let status): call.fail(Self.refusal(status, at: path))
            case .later(let index):
                guard let message = doorkeeper.hold(bytes) else {
                    return call.fail(.invalidAuthToken)
                }
                doorkeeper.wait(for: index) {
                    call.onExecutor {
                        guard !call.context.isCancelled else { return }
                        message.bytes.withUnsafeBytes { bytes in
                            switch doorkeeper.admit(call.context, rule, bytes) {
                            case .admitted(let principal): handler(call, principal, bytes)
                            case .refused(let status): call.fail(Self.refusal(status, at: path))
                            case .later: call.fail(Self.refusal(.invalidAuthToken, at: path))
                            }
                        }
                    }
                } given: {
                    call.fail(Self.refusal(.invalidAuthToken, at: path))
                }
            }
        }
    }

    mutating func serverStreaming(
        _ path: String,
        _ handler:
            @escaping @Sendable (StreamingCall, Principal, UnsafeRawBufferPointer) -> (
                any StreamingHandler
            )?
    ) {
        let rule = Self.rule(of: path)
        methods.serverStreaming(path) { [doorkeeper] call, bytes in
            switch doorkeeper.admit(call.context, rule, bytes) {
            case .admitted(let principal): return handler(call, principal, bytes)
            case .refused(let status):
                call.finish(Self.refusal(status, at: path))
                return nil
            case .later(let index):
                guard let message = doorkeeper.hold(bytes) else {
                    call.finish(.invalidAuthToken)
                    return nil
                }
                return LateStream(call, doorkeeper, index) {
                    message.bytes.withUnsafeBytes { bytes in
                        switch doorkeeper.admit(call.context, rule, bytes) {
                        case .admitted(let principal): return handler(call, principal, bytes)
                        case .refused(let status): call.finish(Self.refusal(status, at: path))
                        case .later: call.finish(Self.refusal(.invalidAuthToken, at: path))
                        }
                        return nil
                    }
                } given: {
                    call.finish(Self.refusal(.invalidAuthToken, at: path))
                }
            }
        }
    }

    /// A call whose messages are checked one by one, by its handler.
    mutating func bidirectional(
        _ path: String,
        _ handler: @escaping @Sendable (StreamingCall, Visitor) -> (any StreamingHandler)?
    ) {
        let rule = Self.rule(of: path)
        precondition(rule == .keysOfEachMessage, "\(path) is checked once, and has many messages")
        methods.bidirectional(path) { [doorkeeper] call in
            handler(
                call, Visitor(credentials: Doorkeeper.credentials(call.context), doorkeeper))
        }
    }
}

extension UnaryCall {
    /// Runs `work` on the connection's executor, at once when it is the current one.
    fileprivate func onExecutor(_ work: @escaping @Sendable () -> Void) {
        if executor.isCurrent { work() } else { executor.post(work) }
    }
}

/// The caller of a stream that goes on for long.
struct Visitor: Sendable {
    let credentials: Credentials
    private let doorkeeper: Doorkeeper

    init(credentials: Credentials, _ doorkeeper: Doorkeeper) {
        self.credentials = credentials
        self.doorkeeper = doorkeeper
    }

    func identify(now: MonotonicTime) -> Doorkeeper.Admission {
        doorkeeper.identify(credentials, now: now)
    }

    /// Why `caller` is nobody who may ask anything.
    func refusalOfUser(_ caller: Principal) -> Status? { doorkeeper.refusalOfUser(caller) }

    /// As `Doorkeeper.hold`.
    func hold(_ message: UnsafeRawBufferPointer) -> HeldMessage? { doorkeeper.hold(message) }

    /// As `Doorkeeper.wait`.
    func wait(
        for index: LogIndex, _ again: @escaping @Sendable () -> Void,
        given up: @escaping @Sendable () -> Void
    ) { doorkeeper.wait(for: index, again, given: up) }
}

/// A server-streaming call whose token is of an entry to come: it begins once that is applied.
///
/// `@unchecked Sendable`: confined to the executor of the call.
private final class LateStream: StreamingHandler, @unchecked Sendable {
    private var handler: (any StreamingHandler)?
    private var isOver = false

    init(
        _ call: StreamingCall, _ doorkeeper: Doorkeeper, _ index: LogIndex,
        _ begin: @escaping @Sendable () -> (any StreamingHandler)?,
        given up: @escaping @Sendable () -> Void
    ) {
        doorkeeper.wait(for: index) { [self] in
            call.onExecutor { [self] in
                if !isOver { handler = begin() }
            }
        } given: {
            call.onExecutor(up)
        }
    }

    func received(_ message: sending UnsafeRawBufferPointer) { handler?.received(message) }
    func halfClosed() { handler?.halfClosed() }
    func writable() { handler?.writable() }

    func cancelled() {
        isOver = true
        handler?.cancelled()
        handler = nil
    }
}
