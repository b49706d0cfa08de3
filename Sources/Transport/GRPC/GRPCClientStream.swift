// One call on the client: the request goes out, messages and the status come in.

import API

final class GRPCClientStream: HTTP2Stream {
    private(set) var generation: UInt64 = 0
    /// Strong: a connection lives while it has calls.
    private(set) var connection: GRPCClientConnection?
    private let configuration: GRPCClientConfiguration
    private var method: GRPCClientMethod?
    private var completion: GRPCClientConnection.UnaryCompletion?
    private var handler: (any GRPCClientStreamHandler)?
    private var deframer: MessageDeframer
    /// A unary call's response, until the status has come.
    private var response = ByteQueue()
    private var hasResponse = false
    private var headerCount = 0
    private var headerBytes = 0
    private var isGRPC = false
    private var httpStatus = 0
    private var isGzip = false
    private var grpcStatus: Int?
    private var message = ""
    private var metadata = MetadataStore()
    private var isReceivingPaused = false
    private var hasReceivedEnd = false
    private var paused = ByteQueue()
    private var unconsumed = 0
    private(set) var isOver = false

    init(_ configuration: GRPCClientConfiguration) {
        self.configuration = configuration
        deframer = MessageDeframer(maxMessageBytes: configuration.maxReceiveMessageBytes)
    }

    func begin(
        _ connection: GRPCClientConnection, _ method: GRPCClientMethod,
        completion: GRPCClientConnection.UnaryCompletion?,
        handler: (any GRPCClientStreamHandler)?
    ) {
        self.connection = connection
        self.method = method
        self.completion = completion
        self.handler = handler
    }

    var isWritable: Bool {
        !isOver && outputEnd == .open && output.count < configuration.streamBufferBytes
    }

    // MARK: Request

    func send(capacity: Int, _ write: (UnsafeMutableRawBufferPointer) -> Int) {
        session?.queued(output.appendMessage(capacity: capacity, write), on: self)
        session?.resume(self)
        if !isWritable { drainMark = configuration.streamBufferBytes / 2 }
    }

    func halfClose() {
        guard outputEnd == .open else { return }
        outputEnd = .endStream
        session?.resume(self)
    }

    override func outputDrained() {
        drainMark = -1
        if isWritable { handler?.writable() }
    }

    // MARK: Response

    override func receivedHeader(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        headerBytes += name.count + value.count + 32
        guard headerBytes <= configuration.maxHeaderListBytes else { return }
        if name.equals(":status") {
            httpStatus = Int(String(decoding: value, as: UTF8.self)) ?? 0
        } else if name.equals("content-type") {
            isGRPC = value.hasPrefix("application/grpc")
        } else if name.equals("grpc-status") {
            grpcStatus = value.equals("0") ? 0 : Int(String(decoding: value, as: UTF8.self)) ?? 2
        } else if name.equals("grpc-message") {
            message = PercentEncoding.decode(value)
        } else if name.equals("grpc-encoding") {
            isGzip = value.equals("gzip")
        } else if name.count > 4, UnsafeRawBufferPointer(rebasing: name.suffix(4)).equals("-bin") {
            Base64.decode(value)?.withUnsafeBytes { metadata.append(name, $0) }
        } else {
            metadata.append(name, value)
        }
    }

    override func receivedHeaderBlock(endsStream: Bool) {
        headerCount += 1
        if headerBytes > configuration.maxHeaderListBytes {
            cancel(Status(.internal, "peer header list size exceeded limit"))
        } else if headerCount == 1 && httpStatus != 200 && grpcStatus == nil {
            cancel(Self.status(ofHTTP: httpStatus))
        } else if headerCount == 1 && !isGRPC && grpcStatus == nil {
            cancel(Status(.unknown, "unexpected content-type received from server"))
        }
    }

    /// gRPC, http-grpc-status-mapping; texts as grpc-go's.
    private static func status(ofHTTP code: Int) -> Status {
        let grpcCode: StatusCode =
            switch code {
            case 400: .internal
            case 401: .unauthenticated
            case 403: .permissionDenied
            case 404: .unimplemented
            case 429, 502, 503, 504: .unavailable
            default: .unknown
            }
        return Status(grpcCode, "unexpected HTTP status code received from server: \(code)")
    }

    override func receivedData(_ bytes: UnsafeRawBufferPointer) {
        if isReceivingPaused && !isOver {
            session?.consumeConnection(bytes.count)
            paused.append(bytes)
            unconsumed += bytes.count
            return
        }
        session?.consume(bytes.count, on: self)
        deframe(bytes)
    }

    private func deframe(_ bytes: UnsafeRawBufferPointer) {
        var input = bytes
        while !isOver && !isReceivingPaused {
            switch deframer.next(&input) {
            case .message(let message, isCompressed: false): deliver(message)
            case .message(let message, isCompressed: true): inflate(message)
            case .needsMore: return
            case .failed(let status): return cancel(status)
            }
        }
        if !isOver && !input.isEmpty { paused.append(input) }
    }

    private func inflate(_ message: UnsafeRawBufferPointer) {
        guard isGzip else {
            return cancel(
                Status(.internal, "grpc: compressed flag set with identity or empty encoding"))
        }
        do {
            let inflated = try GzipInflater.inflate(
                message, limit: configuration.maxReceiveMessageBytes)
            deliver(inflated.bytes)
        } catch { cancel(error) }
    }

    private func deliver(_ message: UnsafeRawBufferPointer) {
        if let handler {
            // Sound: the handler runs here and does not keep the bytes.
            nonisolated(unsafe) let message = message
            handler.received(message)
        } else if hasResponse {
            cancel(Status(.internal, "cardinality violation: a unary call has two responses"))
        } else {
            hasResponse = true
            response.append(message)
        }
    }

    override func receivedEnd() {
        hasReceivedEnd = true
        if !isReceivingPaused { end() }
    }

    func pauseReceiving() { isReceivingPaused = true }

    func resumeReceiving() {
        guard isReceivingPaused else { return }
        isReceivingPaused = false
        let generation = generation
        if !paused.isEmpty {
            var waiting = ByteQueue()
            swap(&waiting, &paused)
            deframe(waiting.bytes)
            guard self.generation == generation, session != nil else { return }
            let dealtWith = max(0, unconsumed - paused.count)
            unconsumed -= dealtWith
            session?.consumeStream(dealtWith, on: self)
        }
        if hasReceivedEnd && !isReceivingPaused { end() }
    }

    private func end() {
        guard !isOver else { return }
        if deframer.isInsideMessage {
            finish(Status(.internal, "unexpected EOF"))
        } else if let grpcStatus {
            if grpcStatus != 0 {
                finish(Status(StatusCode(rawValue: grpcStatus) ?? .unknown, message))
            } else if completion != nil && !hasResponse {
                finish(Status(.internal, "cardinality violation: a unary call has no response"))
            } else {
                finish(nil)
            }
        } else {
            finish(Status(.internal, "server closed the stream without sending trailers"))
        }
        // The server needs nothing more of the request.
        if outputEnd == .open { session?.reset(self, .cancel) }
    }

    // MARK: End

    /// Ends the call on this side.
    func cancel(_ status: Status) {
        guard !isOver else { return }
        finish(status)
        session?.forgetOutput(of: self)
        session?.reset(self, .cancel)
    }

    override func deadlineExpired() {
        cancel(Status(.deadlineExceeded, "context deadline exceeded"))
    }

    override func closed(_ code: HTTP2ErrorCode) {
        if !isOver && isReceivingPaused && hasReceivedEnd && code == .none {
            // The stream ended in order while its handler paused: it gets the rest now.
            isReceivingPaused = false
            var waiting = ByteQueue()
            swap(&waiting, &paused)
            deframe(waiting.bytes)
            isReceivingPaused = false
            end()
        }
        if !isOver { finish(lossOfConnection ?? Self.status(ofReset: code)) }
        connection?.putBack(self)
    }

    /// A call that ends with its connection was cancelled by nobody: whether it was carried out is
    /// not known.
    private var lossOfConnection: Status? {
        guard let connection, connection.isClosed else { return nil }
        return connection.unavailable
    }

    /// gRPC over HTTP2, "Errors": what a reset stands for.
    private static func status(ofReset code: HTTP2ErrorCode) -> Status {
        switch code {
        case .refusedStream: Status(.unavailable, "the stream was refused")
        case .cancel: Status(.cancelled, "the stream was cancelled")
        case .enhanceYourCalm: Status(.resourceExhausted, "too many requests on the connection")
        case .inadequateSecurity: Status(.permissionDenied, "inadequate security")
        default:
            Status(
                .internal,
                "stream terminated by RST_STREAM with error code: \(code.rawValue)")
        }
    }

    func finish(_ status: Status?) {
        guard !isOver else { return }
        isOver = true
        connection?.deadlines.remove(self)
        let completion = completion
        let handler = handler
        self.completion = nil
        self.handler = nil
        if let completion {
            if let status {
                completion(.failure(status))
            } else {
                completion(.success(response.bytes))
            }
        }
        handler?.finished(GRPCCallEnd(status: status, metadata: metadata.all))
    }

    func reset() {
        generation += 1
        resetStream()
        connection = nil
        method = nil
        deframer.reset()
        response.reset(keepingCapacity: 4 << 10)
        hasResponse = false
        headerCount = 0
        headerBytes = 0
        isGRPC = false
        httpStatus = 0
        isGzip = false
        grpcStatus = nil
        message = ""
        metadata.reset()
        isReceivingPaused = false
        hasReceivedEnd = false
        paused.reset(keepingCapacity: 0)
        unconsumed = 0
        isOver = false
    }
}
