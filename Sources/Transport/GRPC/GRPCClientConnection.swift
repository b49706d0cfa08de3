// The client side of gRPC on one byte stream: for the load generator, the tests and peers.

import API

/// Bounds of a client connection.
public struct GRPCClientConfiguration: Sendable {
    /// The longest message taken, compressed or not.
    public var maxReceiveMessageBytes = Int(Int32.max)
    public var maxHeaderListBytes = 64 << 10
    public var streamWindowBytes: Int32 = 4 << 20
    public var connectionWindowBytes: Int32 = 16 << 20
    /// A streaming call takes messages until this many bytes wait to be sent.
    public var streamBufferBytes = 1 << 20

    public init() {}
}

/// A connection to a gRPC server, confined to the executor of its stream: every method but the
/// async `call` and every callback runs there. It does not reconnect.
///
/// `@unchecked Sendable`: so that `call` can be used from anywhere; it enters the executor first.
public final class GRPCClientConnection: @unchecked Sendable {
    /// The response, valid during the call only, or why there is none.
    public typealias UnaryCompletion = (Result<UnsafeRawBufferPointer, Status>) -> Void

    private let http2: ClientHTTP2Connection
    private let configuration: GRPCClientConfiguration
    let deadlines: DeadlineWheel
    private var idleStreams: [GRPCClientStream] = []

    /// Why no more calls can be made: the connection is closed or the server is going away.
    public private(set) var unavailable: Status?
    /// Called once the connection is closed, after all its calls have ended.
    public var onClosed: ((TransportError?) -> Void)?
    /// Called when the server says that it takes no new calls (GOAWAY).
    public var onGoAway: ((String) -> Void)?

    /// Takes the stream over. Nil when there is no memory.
    public init?(
        _ stream: any ByteStream, configuration: GRPCClientConfiguration = GRPCClientConfiguration()
    ) {
        var settings = HTTP2Settings()
        settings.streamWindowBytes = configuration.streamWindowBytes
        settings.connectionWindowBytes = configuration.connectionWindowBytes
        settings.maxHeaderListBytes = configuration.maxHeaderListBytes
        guard let session = HTTP2Session(isServer: false, settings: settings) else { return nil }
        self.configuration = configuration
        deadlines = DeadlineWheel(stream.executor)
        http2 = ClientHTTP2Connection(stream, session: session, sink: OutputSink())
        http2.client = self
        stream.resumeReading()
    }

    deinit { http2.client = nil }

    public var executor: any ActorExecutor { http2.executor }
    /// Whether the connection is gone, and all calls with it, and not because this side closed it.
    var isLost: Bool { http2.isClosed && !isClosing }
    private var isClosing = false
    /// Calls that are under way.
    public var callCount: Int { http2.session.openStreamCount }

    /// Bytes that the kernel, or what stands for it, has taken since the beginning.
    var takenBytes: Int { http2.writtenBytes - http2.stream.bufferedBytes }
    /// Whether it would take no more.
    var isBlocked: Bool { http2.stream.bufferedBytes > 0 }

    // MARK: Calls

    /// Calls a unary method. `write` encodes the request, at most `capacity` bytes, in place.
    /// - Parameter completion: called once, later or, when the connection is unusable, at once.
    @discardableResult
    public func unary(
        _ method: GRPCClientMethod, options: GRPCCallOptions = GRPCCallOptions(), capacity: Int,
        _ write: (UnsafeMutableRawBufferPointer) -> Int, completion: @escaping UnaryCompletion
    ) -> GRPCClientCall {
        let stream = takeStream()
        stream.begin(self, method, completion: completion, handler: nil)
        _ = stream.output.appendMessage(capacity: capacity, write)
        stream.outputEnd = .endStream
        return start(stream, method, options)
    }

    /// Calls a unary method with an encoded request.
    @discardableResult
    public func unary(
        _ method: GRPCClientMethod, _ request: [UInt8],
        options: GRPCCallOptions = GRPCCallOptions(), completion: @escaping UnaryCompletion
    ) -> GRPCClientCall {
        unary(
            method, options: options, capacity: request.count,
            { buffer in
                buffer.copyBytes(from: request)
                return request.count
            }, completion: completion)
    }

    /// Begins a call of a streaming method of any kind.
    public func streaming(
        _ method: GRPCClientMethod, options: GRPCCallOptions = GRPCCallOptions(),
        handler: any GRPCClientStreamHandler
    ) -> GRPCClientCall {
        let stream = takeStream()
        stream.begin(self, method, completion: nil, handler: handler)
        return start(stream, method, options)
    }

    /// Calls a unary method and waits for its response. From anywhere.
    public func call(
        _ method: GRPCClientMethod, _ request: [UInt8],
        options: GRPCCallOptions = GRPCCallOptions()
    ) async throws(Status) -> [UInt8] {
        let result: Result<[UInt8], Status> = await withCheckedContinuation { continuation in
            let begin: @Sendable () -> Void = { [self] in
                unary(method, request, options: options) { result in
                    continuation.resume(returning: result.map { Array($0) })
                }
            }
            if executor.isCurrent { begin() } else { executor.post(begin) }
        }
        return try result.get()
    }

    /// Sends what is buffered and closes; calls under way end with CANCELLED.
    public func close() {
        isClosing = true
        http2.session.submitGoAway(.none)
        http2.closeAfterFlush()
    }

    /// Closes at once.
    public func abort() {
        isClosing = true
        http2.abort()
    }

    /// Gives the connection up as lost: calls under way end with UNAVAILABLE and `reason`.
    func lose(_ reason: String) {
        becomeUnavailable(reason)
        http2.abort()
    }

    /// Asks for a sign of life. `onPong` is called when it comes.
    public func ping(_ payload: UInt64 = 1) { http2.session.submitPing(payload) }
    public var onPong: ((UInt64) -> Void)?

    private func start(
        _ stream: GRPCClientStream, _ method: GRPCClientMethod, _ options: GRPCCallOptions
    ) -> GRPCClientCall {
        let call = GRPCClientCall(stream: stream, generation: stream.generation)
        if let unavailable {
            stream.finish(unavailable)
            putBack(stream)
            return call
        }
        let isSubmitted =
            options.isEmpty
            ? http2.session.submitRequest(stream, method.header.fields)
            : withHeaderFields(options.fields, after: method.header) {
                http2.session.submitRequest(stream, $0)
            }
        guard isSubmitted else {
            stream.finish(Status(.unavailable, "the connection has no stream ids left"))
            putBack(stream)
            return call
        }
        if let timeout = options.timeout {
            deadlines.add(stream, deadline: executor.now.advanced(byNanoseconds: timeout))
        }
        return call
    }

    // MARK: Events

    func connectionClosed(_ error: TransportError?) {
        let closed = onClosed
        onClosed = nil
        closed?(error)
    }

    func becomeUnavailable(_ reason: String) {
        if unavailable == nil { unavailable = Status(.unavailable, reason) }
    }

    // MARK: Reuse

    private static let maxIdleStreams = 1024

    private func takeStream() -> GRPCClientStream {
        idleStreams.popLast() ?? GRPCClientStream(configuration)
    }

    func putBack(_ stream: GRPCClientStream) {
        stream.reset()
        if idleStreams.count < Self.maxIdleStreams { idleStreams.append(stream) }
    }
}

/// A call under way. On the connection's executor only.
///
/// `@unchecked Sendable` so that it can be carried along; it is used on its executor only.
public struct GRPCClientCall: @unchecked Sendable {
    let stream: GRPCClientStream
    let generation: UInt64

    /// Whether the call still goes on.
    public var isOpen: Bool { stream.generation == generation && !stream.isOver }
    /// Whether `send` takes a message.
    public var isWritable: Bool { isOpen && stream.isWritable }

    /// Sends a message of at most `capacity` bytes that `write` encodes in place. False, and
    /// nothing is sent, when `isWritable` is false.
    @discardableResult
    public func send(capacity: Int, _ write: (UnsafeMutableRawBufferPointer) -> Int) -> Bool {
        guard isWritable else { return false }
        stream.send(capacity: capacity, write)
        return true
    }

    /// Sends an encoded message. False, and nothing is sent, when `isWritable` is false.
    @discardableResult
    public func send(_ message: [UInt8]) -> Bool {
        send(capacity: message.count) { buffer in
            buffer.copyBytes(from: message)
            return message.count
        }
    }

    /// No more messages from this side.
    public func halfClose() {
        if isOpen { stream.halfClose() }
    }

    /// Ends the call with CANCELLED; the server is told.
    public func cancel() {
        if isOpen { stream.cancel(Status(.cancelled, "context canceled")) }
    }

    /// No `received` until `resumeReceiving`: the server is pushed back by its window.
    public func pauseReceiving() {
        if isOpen { stream.pauseReceiving() }
    }
    public func resumeReceiving() {
        if isOpen { stream.resumeReceiving() }
    }
}

/// The HTTP/2 side of a client connection.
final class ClientHTTP2Connection: HTTP2Connection {
    /// Unsafe: the client owns this object and clears the reference when it goes.
    unowned(unsafe) var client: GRPCClientConnection?

    override func receivedGoAway(_ code: HTTP2ErrorCode, debugData: UnsafeRawBufferPointer) {
        let reason = String(decoding: debugData, as: UTF8.self)
        client?.becomeUnavailable(
            "the server is going away (code \(code.rawValue)\(reason.isEmpty ? "" : ", \(reason)"))"
        )
        client?.onGoAway?(reason)
    }

    override func receivedPing(isAck: Bool, payload: UInt64) {
        if isAck { client?.onPong?(payload) }
    }

    override func streamsWillClose(_ error: TransportError?) {
        client?.becomeUnavailable(error.map { "\($0)" } ?? "the connection is closed")
    }

    override func connectionClosed(_ error: TransportError?) {
        client?.connectionClosed(error)
    }
}
