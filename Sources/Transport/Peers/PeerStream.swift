// A streaming call to another member on a connection of its own: what is large or slow has its own
// windows and its own place in the kernel, and holds nobody up.

import API

/// A call that can be used at once: it takes messages when it is connected, which its handler is
/// told as `writable`. On the executor of the links.
public final class PeerStream: PeerConnectionOwner {
    private let method: GRPCClientMethod
    private let options: GRPCCallOptions
    private var handler: (any GRPCClientStreamHandler)?
    private var connection: PeerConnection?
    private var call: GRPCClientCall?
    private var ended: () -> Void = {}

    init(
        _ method: GRPCClientMethod, _ options: GRPCCallOptions,
        _ handler: any GRPCClientStreamHandler
    ) {
        self.method = method
        self.options = options
        self.handler = handler
    }

    /// - Parameter ended: called once, before the handler is told.
    func begin(
        _ connection: PeerConnection, on executor: any ActorExecutor, ended: @escaping () -> Void
    ) {
        self.connection = connection
        self.ended = ended
    }

    // MARK: Use

    /// Whether the call goes on, or is about to begin.
    public var isOpen: Bool { handler != nil }
    /// Whether `send` takes a message.
    public var isWritable: Bool { call?.isWritable ?? false }

    /// Sends a message of at most `capacity` bytes that `write` encodes in place. False, and
    /// nothing is sent, when `isWritable` is false.
    @discardableResult
    public func send(capacity: Int, _ write: (UnsafeMutableRawBufferPointer) -> Int) -> Bool {
        call?.send(capacity: capacity, write) ?? false
    }

    /// Sends an encoded message. False, and nothing is sent, when `isWritable` is false.
    @discardableResult
    public func send(_ message: [UInt8]) -> Bool { call?.send(message) ?? false }

    /// No more messages from this side.
    public func halfClose() { call?.halfClose() }

    /// Ends the call with CANCELLED; the other side is told, the handler too.
    public func cancel() {
        if let call { call.cancel() } else { finish(Status(.cancelled, "context canceled"), []) }
    }

    /// No `received` until `resumeReceiving`.
    public func pauseReceiving() { call?.pauseReceiving() }
    public func resumeReceiving() { call?.resumeReceiving() }

    // MARK: Its connection

    func fail(_ reason: String) { finish(Status(.unavailable, reason), []) }

    func connected(_ client: GRPCClientConnection) {
        call = client.streaming(method, options: options, handler: Events(self))
        handler?.writable()
    }

    func disconnected(_ reason: String) { fail(reason) }

    func answeredPing(after nanoseconds: UInt64) {}

    private func finish(_ status: Status?, _ metadata: [(name: String, value: [UInt8])]) {
        guard let handler else { return }
        self.handler = nil
        call = nil
        connection?.close("the call is over")
        connection = nil
        ended()
        ended = {}
        handler.finished(GRPCCallEnd(status: status, metadata: metadata))
    }

    private final class Events: GRPCClientStreamHandler {
        private let stream: PeerStream
        init(_ stream: PeerStream) { self.stream = stream }
        func received(_ message: sending UnsafeRawBufferPointer) {
            stream.handler?.received(message)
        }
        func writable() { stream.handler?.writable() }
        func finished(_ end: GRPCCallEnd) { stream.finish(end.status, end.metadata) }
    }
}
