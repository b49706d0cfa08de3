// What a handler can ask about the call it answers.

import API

/// The circumstances of a call: its method, metadata, deadline and client.
///
/// On the connection's executor only. Once the call is over metadata is empty and `isCancelled`
/// is true.
///
/// `@unchecked Sendable` so that a call can be carried along; it is used on its executor only.
public struct CallContext: @unchecked Sendable {
    let stream: GRPCServerStream
    let generation: UInt64

    private var isCurrent: Bool { stream.generation == generation }

    /// The full method, such as `/etcdserverpb.KV/Put`.
    public var method: String { isCurrent ? stream.method?.path ?? "" : "" }

    /// One request, one answer.
    public var isUnary: Bool {
        guard isCurrent, let method = stream.method, case .unary = method.kind else { return false }
        return true
    }

    /// The client's address as `host:port`, or the path of a Unix socket.
    public var remoteAddress: String {
        isCurrent ? stream.connection?.stream.remoteAddress ?? "" : ""
    }

    /// Tells the calls of one connection from those of others, for as long as it lasts.
    public var connection: ObjectIdentifier? {
        isCurrent ? stream.connection.map { ObjectIdentifier($0) } : nil
    }

    /// The common name of the client's certificate, if TLS has verified one and it counts
    /// (-client-cert-auth).
    public var commonName: String? {
        isCurrent ? stream.connection?.stream.security?.commonName : nil
    }

    /// The time on the connection's executor.
    public var now: MonotonicTime { stream.completions.executor.now }

    /// When the client stops waiting (`grpc-timeout`), if it said so.
    public var deadline: MonotonicTime? { isCurrent ? stream.deadline : nil }

    /// The client cancelled, its connection was lost, the deadline has passed, or the call was
    /// answered: the result is of no use any more.
    public var isCancelled: Bool { !isCurrent || !stream.isOpen }

    /// Calls `work` once when the call is cancelled in one of the ways of `isCancelled` other than
    /// by its answer. Replaces earlier work.
    public func onCancel(_ work: @escaping () -> Void) {
        if !isCancelled { stream.onCancel = work }
    }

    /// The first value of `name` (lower case), decoded if the name ends in `-bin`; bytes that are
    /// not UTF-8 are repaired.
    public func metadata(_ name: StaticString) -> String? {
        withMetadata(name) { $0.map { String(decoding: $0, as: UTF8.self) } }
    }

    /// Calls `body` with the bytes of the first value of `name` (lower case), nil if there is
    /// none; decoded if the name ends in `-bin`.
    @inlinable
    public func withMetadata<R>(
        _ name: StaticString, _ body: (UnsafeRawBufferPointer?) -> R
    ) -> R {
        var result: R?
        visitMetadata(name) { result = body($0) }
        guard let result else { preconditionFailure("metadata was not shown") }
        return result
    }

    /// As `withMetadata`, for results of no type: each call that has a token comes by here.
    @usableFromInline
    func visitMetadata(_ name: StaticString, _ body: (UnsafeRawBufferPointer?) -> Void) {
        if isCurrent { stream.metadata.visitFirst(name, body) } else { body(nil) }
    }

    /// All metadata the client sent, in order.
    public var allMetadata: [(name: String, value: [UInt8])] {
        isCurrent ? stream.metadata.all : []
    }
}
