// One call on the server: the request comes in as header fields and body, is checked as grpc-go
// checks it, and is handed to its handler; the answer goes out.
//
// Objects are reused; `generation` tells the handles of one call from those of the next.

import API

final class GRPCServerStream: HTTP2Stream {
    let completions: CompletionQueue
    private let configuration: GRPCServerConfiguration
    private(set) var generation: UInt64 = 0
    private(set) var connection: GRPCServerConnection?
    private(set) var method: GRPCMethods.Method?
    private(set) var metadata = MetadataStore()
    var onCancel: (() -> Void)?

    private var request = RequestHeaders()
    private var deframer: MessageDeframer
    private var handler: (any StreamingHandler)?
    /// The request is not gRPC's; `phase` is `.over` then.
    private var other: OtherRequest?
    private var phase = Phase.headers
    /// Bytes of `heldRequestBytes` that are this stream's.
    private var held = 0
    private var hasSentHeaders = false
    private var isReceivingPaused = false
    private var hasReceivedEnd = false
    /// What came while receiving was paused.
    private var paused = ByteQueue()
    /// How many of its last bytes have not been given back to the client's window.
    private var unconsumed = 0
    private var trailers: Status?
    /// A streaming call takes messages until so many bytes wait.
    var bufferBytes: Int

    private enum Phase {
        /// The header block is coming.
        case headers
        /// The method takes one message and it is still coming.
        case awaitingMessage
        /// A handler has the call.
        case handed
        /// The status is submitted, or the stream is closed: what comes is dropped.
        case over
    }

    init(_ completions: CompletionQueue, _ configuration: GRPCServerConfiguration) {
        self.completions = completions
        self.configuration = configuration
        bufferBytes = configuration.streamBufferBytes
        deframer = MessageDeframer(maxMessageBytes: configuration.maxReceiveMessageBytes)
    }

    var isOpen: Bool { phase == .handed || phase == .awaitingMessage }
    var isWritable: Bool { output.count < bufferBytes }

    func begin(_ connection: GRPCServerConnection) { self.connection = connection }

    // MARK: Request headers

    override func receivedHeader(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        guard phase == .headers else { return }  // trailers of a request mean nothing in gRPC
        request.size += name.count + value.count + 32
        guard request.size <= configuration.maxHeaderListBytes else { return }
        if request.take(name, value) {
            if request.isPath {
                method = connection?.server.methods.find(value)
                if method == nil { request.path = String(decoding: value, as: UTF8.self) }
            }
        } else {
            addMetadata(name, value)
        }
    }

    private func addMetadata(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        guard name.count > 4,
            UnsafeRawBufferPointer(rebasing: name.suffix(4)).equals("-bin")
        else { return metadata.append(name, value) }
        if let decoded = Base64.decode(value) {
            decoded.withUnsafeBytes { metadata.append(name, $0) }
        } else {
            let text = quoted(String(decoding: value, as: UTF8.self))
            let header = quoted(String(decoding: name, as: UTF8.self))
            request.failure = Status(
                .internal,
                "malformed binary metadata \(text) in header \(header): illegal base64 data")
        }
    }

    override func receivedHeaderBlock(endsStream: Bool) {
        guard phase == .headers else { return }
        if request.size > configuration.maxHeaderListBytes {
            // grpc-go: a truncated header list is reset with FRAME_SIZE_ERROR.
            phase = .over
            session?.reset(self, .frameSizeError)
            return
        }
        if request.isOther, let connection, connection.stream.security != nil,
            let others = connection.server.others
        {
            phase = .over
            if let path = method?.path { request.path = path }
            other = OtherRequest(self, request, others)
            return
        }
        if let (httpStatus, status) = request.refusal { return refuse(httpStatus, status) }
        if request.hasTimeout, let connection {
            let deadline = connection.executor.now.advanced(byNanoseconds: request.timeout)
            connection.server.deadlines.add(self, deadline: deadline)
        }
        guard let method else {
            phase = .handed
            return finish(
                connection?.server.methods.unknown(request.path)
                    ?? Status(.unimplemented, "unknown service"))
        }
        if let encoding = request.unknownEncoding {
            phase = .handed
            request.announcesEncodings = true
            return finish(
                Status(
                    .unimplemented,
                    "grpc: Decompressor is not installed for grpc-encoding \(quoted(encoding))"))
        }
        begin(method)
    }

    private func begin(_ method: GRPCMethods.Method) {
        method.counters?.started.increment()
        switch method.kind {
        case .unary, .serverStreaming:
            phase = .awaitingMessage
        case .streaming(let start):
            phase = .handed
            guard !isIntercepted() else { return }
            let generation = generation
            let started = start(StreamingCall(stream: self, generation: generation))
            if self.generation == generation && isOpen { handler = started }
        }
    }

    private func isIntercepted() -> Bool {
        guard let interceptor = connection?.server.methods.interceptor,
            let status = interceptor(CallContext(stream: self, generation: generation))
        else { return false }
        if isOpen { finish(status) }
        return true
    }

    /// Answers a request that is not gRPC's with an HTTP status (grpc-go, earlyAbortStream).
    private func refuse(_ httpStatus: Int, _ status: Status) {
        phase = .over
        withHeaderFields([
            (":status", "\(httpStatus)"), ("content-type", ResponseHeaders.contentType),
            ("grpc-status", "\(status.code.rawValue)"),
            ("grpc-message", PercentEncoding.encode(status.message)),
        ]) { session?.submitResponse(self, $0, hasBody: false) }
    }

    /// The answer to a request that is not gRPC's.
    func answerOther(_ fields: [(String, String)], _ body: [UInt8]) {
        if !body.isEmpty {
            body.withUnsafeBytes { output.append($0) }
            outputEnd = .endStream
            session?.queued(body.count, on: self)
        }
        withHeaderFields(fields) {
            session?.submitResponse(self, $0, hasBody: !body.isEmpty)
        }
    }

    // MARK: Request body

    override func receivedData(_ bytes: UnsafeRawBufferPointer) {
        if isReceivingPaused && isOpen {
            session?.consumeConnection(bytes.count)
            paused.append(bytes)
            unconsumed += bytes.count
            return
        }
        session?.consume(bytes.count, on: self)
        if let other { return other.received(bytes) }
        deframe(bytes)
    }

    private func deframe(_ bytes: UnsafeRawBufferPointer) {
        var input = bytes
        while isOpen && !isReceivingPaused {
            switch deframer.next(&input) {
            case .message(let message, let isCompressed):
                deliver(message, isCompressed: isCompressed)
            case .needsMore:
                return countHeld()
            case .failed(let status):
                return finish(status)
            }
        }
        if isOpen && !input.isEmpty { paused.append(input) }
    }

    private func countHeld() {
        guard let connection else { return }
        let change = deframer.heldBytes - held
        held += change
        connection.heldRequestBytes += change
        if connection.heldRequestBytes > configuration.maxHeldRequestBytes {
            finish(Status(.resourceExhausted, "grpc: too many incomplete requests"))
        }
    }

    private func deliver(_ message: UnsafeRawBufferPointer, isCompressed: Bool) {
        guard isCompressed else { return deliver(message) }
        guard request.isGzip else {
            return finish(
                Status(.internal, "grpc: compressed flag set with identity or empty encoding"))
        }
        do {
            let inflated = try GzipInflater.inflate(
                message, limit: configuration.maxReceiveMessageBytes)
            deliver(inflated.bytes)
        } catch { finish(error) }
    }

    private func deliver(_ message: UnsafeRawBufferPointer) {
        // Sound: a handler runs here, on the executor that has the bytes, and does not keep them.
        nonisolated(unsafe) let message = message
        method?.counters?.received(message.count)
        guard phase == .awaitingMessage, let method else {
            handler?.received(message)
            return
        }
        let generation = generation
        phase = .handed
        guard !isIntercepted() else { return }
        switch method.kind {
        case .unary(let handle):
            handle(UnaryCall(stream: self, generation: generation), message)
        case .serverStreaming(let start):
            let started = start(StreamingCall(stream: self, generation: generation), message)
            if self.generation == generation && isOpen { handler = started }
        case .streaming:
            preconditionFailure("a streaming method awaits no first message")
        }
    }

    override func receivedEnd() {
        hasReceivedEnd = true
        if let other { return other.receivedEnd() }
        if !isReceivingPaused { endRequest() }
    }

    private func endRequest() {
        guard isOpen else { return }
        // grpc-go: a cut message, or none where one is due, is INTERNAL "unexpected EOF".
        if deframer.isInsideMessage || phase == .awaitingMessage {
            return finish(Status(.internal, "unexpected EOF"))
        }
        handler?.halfClosed()
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
        if hasReceivedEnd && !isReceivingPaused { endRequest() }
    }

    // MARK: Response

    func respond(capacity: Int, _ write: (UnsafeMutableRawBufferPointer) -> Int) {
        send(capacity: capacity, write)
        finish(nil)
    }

    func respond(_ message: ByteBlocks) {
        send(message)
        finish(nil)
    }

    func send(capacity: Int, _ write: (UnsafeMutableRawBufferPointer) -> Int) {
        guard capacity <= Limits.sendBytes else { return finish(.sentTooLarge(capacity)) }
        let queued = output.appendMessage(capacity: capacity, write)
        method?.counters?.sent(queued)
        session?.queued(queued, on: self)
        sendOn()
    }

    func send(_ message: ByteBlocks) {
        guard message.count <= Limits.sendBytes else {
            return finish(.sentTooLarge(message.count))
        }
        let blockBytes = output.blockBytes
        let queued = output.appendMessage(message)
        method?.counters?.sent(queued)
        session?.queued(queued, inBlocks: blockBytes, on: self)
        sendOn()
    }

    private func sendOn() {
        if !hasSentHeaders {
            hasSentHeaders = true
            session?.submitResponse(self, ResponseHeaders.start.fields, hasBody: true)
        } else {
            session?.resume(self)
        }
        if !isWritable { drainMark = bufferBytes / 2 }
    }

    /// Submits the status; nil is OK. The handler is let go.
    func finish(_ status: Status?) {
        guard isOpen else { return }
        phase = .over
        method?.counters?.handled(status?.code ?? .ok)
        trailers = status
        release()
        if hasSentHeaders {
            outputEnd = .trailers
            session?.resume(self)
        } else if let status {
            withHeaderFields(fields(of: status), after: ResponseHeaders.start) {
                session?.submitResponse(self, $0, hasBody: false)
            }
        } else {
            session?.submitResponse(self, ResponseHeaders.trailersOnlyOK.fields, hasBody: false)
        }
    }

    override func submitTrailers() {
        if let status = trailers {
            withHeaderFields(fields(of: status)) { session?.submitTrailers(self, $0) }
        } else {
            session?.submitTrailers(self, ResponseHeaders.ok.fields)
        }
    }

    private func fields(of status: Status) -> [(String, String)] {
        var fields = [("grpc-status", "\(status.code.rawValue)")]
        if !status.message.isEmpty {
            fields.append(("grpc-message", PercentEncoding.encode(status.message)))
        }
        if request.announcesEncodings { fields.append(("grpc-accept-encoding", "identity,gzip")) }
        return fields
    }

    override func outputDrained() {
        drainMark = -1
        if isOpen { handler?.writable() }
    }

    // MARK: End

    override func deadlineExpired() {
        guard isOpen else { return }
        let cancelled = onCancel
        let handler = handler
        if !hasSentHeaders || output.count == 0 {
            finish(Status(.deadlineExceeded, "context deadline exceeded"))
        } else {
            // What waits to be sent is of no use any more, and part of it may be out.
            session?.forgetOutput(of: self)
            phase = .over
            method?.counters?.handled(.deadlineExceeded)
            release()
            session?.reset(self, .cancel)
        }
        cancelled?()
        handler?.cancelled()
    }

    /// Ends a streaming call on the server's own account: its client is told why, its handler that
    /// it was cancelled.
    func abandon(_ status: Status) {
        guard phase == .handed, let handler else { return }
        finish(status)
        handler.cancelled()
    }

    /// As `abandon`, and so end calls with one answer that wait for something to happen.
    func abandonWaiting(_ status: Status) {
        guard phase == .handed else { return }
        guard let cancelled = onCancel else { return abandon(status) }
        finish(status)
        cancelled()
    }

    override func closed(_ code: HTTP2ErrorCode) {
        let wasOpen = isOpen
        let cancelled = onCancel
        let handler = handler
        phase = .over
        release()
        if wasOpen {
            method?.counters?.handled(.cancelled)
            cancelled?()
            handler?.cancelled()
        }
        let server = connection?.server
        reset()
        server?.putBack(self)
    }

    /// Lets go what only an open call needs.
    private func release() {
        onCancel = nil
        handler = nil
        guard let connection else { return }
        connection.heldRequestBytes -= held
        held = 0
        if wheelSlot >= 0 { connection.server.deadlines.remove(self) }
    }

    private func reset() {
        generation += 1
        resetStream()
        connection = nil
        method = nil
        other = nil
        metadata.reset()
        request = RequestHeaders()
        deframer.reset()
        phase = .headers
        hasSentHeaders = false
        isReceivingPaused = false
        hasReceivedEnd = false
        paused.reset(keepingCapacity: 0)
        unconsumed = 0
        trailers = nil
        bufferBytes = configuration.streamBufferBytes
    }
}
