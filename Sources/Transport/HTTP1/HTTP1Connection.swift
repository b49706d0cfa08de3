// One client's connection: requests one after the other, each answered before the next is read.
//
// Clients may send several requests without waiting (pipelining). What comes while a response is
// under way waits in `unread`, and reading pauses beyond a bound, so that such a client fills its
// own buffers instead of ours.

import API

/// Drives the parser with a stream's bytes and hands whole requests to the server's handler.
final class HTTP1Connection: ByteStreamHandler {
    private let stream: any ByteStream
    private unowned let server: HTTP1Server
    private var parser = HTTP1RequestParser()
    private var unread: [UInt8] = []
    /// So many bytes of `unread` have been parsed; to drop them each time would copy the rest.
    private var unreadStart = 0
    private var isParsing = false
    private var isReadingPaused = false

    private var head: HTTP1RequestHead?
    private var body: [UInt8] = []
    private var responder: HTTP1Responder?

    private var output: [UInt8] = []
    private var flushes = false
    private var headTimeout: (any TimerHandle)?
    private var endReceived = false
    private var closesWhenIdle = false
    private var lingerLimit: (any TimerHandle)?
    private var isClosed = false

    private static let unreadLimit = 64 << 10
    /// For a client that does not close when a server that stops does.
    private static let drainLingerNanoseconds: UInt64 = 200_000_000

    init(_ stream: any ByteStream, _ server: HTTP1Server) {
        self.stream = stream
        self.server = server
    }

    func start(_ firstBytes: UnsafeRawBufferPointer) {
        stream.handler = self
        limitHead()
        if firstBytes.count > 0 { received(firstBytes) }
        if !isClosed { stream.resumeReading() }
    }

    func abort() {
        guard !isClosed else { return }
        isClosed = true
        stream.abort()
    }

    /// Serves the request that is under way or on its way, then closes.
    func closeWhenIdle() {
        closesWhenIdle = true
        if responder == nil && !parser.isWithinRequest { finish() }
    }

    // MARK: Reading

    func received(_ bytes: UnsafeRawBufferPointer) {
        guard !isClosed else { return }
        if responder == nil && unread.isEmpty && !isParsing {
            var input = bytes
            parse(&input)
            if !isClosed { unread.append(contentsOf: input) }
        } else {
            unread.append(contentsOf: bytes)
        }
        if unreadCount > Self.unreadLimit && !isReadingPaused && !isClosed {
            isReadingPaused = true
            stream.pauseReading()
        }
    }

    private var unreadCount: Int { unread.count - unreadStart }

    func receivedEnd() {
        endReceived = true
        if let responder {
            responder.clientLeft()  // a response to what was asked still goes out
        } else {
            endWithoutResponse()
        }
    }

    private func endWithoutResponse() {
        guard !isClosed else { return }
        if parser.isWithinHead && parser.isWithinRequest {
            refuse(.malformed)
        } else {
            finish()
        }
    }

    /// Hands out requests until one is left without response, or more input is needed.
    private func parse(_ input: inout UnsafeRawBufferPointer) {
        isParsing = true
        defer { isParsing = false }
        do throws(HTTP1Refusal) {
            while responder == nil && !isClosed, let event = try parser.next(&input) {
                switch event {
                case .head(let head, let hasBody): try begin(head, hasBody)
                case .body(let piece): try append(piece)
                case .end: dispatch()
                }
            }
            if parser.isWithinHead && parser.isWithinRequest && headTimeout == nil { limitHead() }
        } catch {
            refuse(error)
        }
    }

    /// Goes on with what came while a response was under way.
    private func parseUnread() {
        guard !isParsing, !isClosed else { return }
        if !unread.isEmpty {
            let waiting = unread
            let left = waiting.withUnsafeBytes { bytes in
                var input = UnsafeRawBufferPointer(rebasing: bytes[unreadStart...])
                parse(&input)
                return input.count
            }
            unreadStart = waiting.count - left
            if left == 0 || isClosed {
                unread = []
                unreadStart = 0
            }
        }
        if isReadingPaused && unreadCount <= Self.unreadLimit && !isClosed {
            unread.removeFirst(unreadStart)
            unreadStart = 0
            isReadingPaused = false
            stream.resumeReading()
        }
        if endReceived && responder == nil { endWithoutResponse() }
    }

    private func begin(_ head: HTTP1RequestHead, _ hasBody: Bool) throws(HTTP1Refusal) {
        headTimeout?.cancel()
        headTimeout = nil
        if let expected = head.headers["Expect"], !expected.isEmpty {
            guard expected.equalsIgnoringCase("100-continue") else { throw .expectation }
            if hasBody && head.minorVersion >= 1 {
                send(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8))
            }
        }
        self.head = head
    }

    private func append(_ piece: UnsafeRawBufferPointer) throws(HTTP1Refusal) {
        guard body.count + piece.count <= server.configuration.maxBodyBytes else {
            throw .bodyTooLarge
        }
        body.append(contentsOf: piece)
    }

    private func dispatch() {
        guard let head = self.head else { preconditionFailure("a request ends after it begins") }
        let request = HTTP1Request(
            head: head, body: body, remoteAddress: stream.remoteAddress,
            security: stream.security)
        self.head = nil
        body = []
        let keepsAlive = head.keepsAlive && !closesWhenIdle
        let responder = HTTP1Responder(self, head, keepsAlive: keepsAlive)
        self.responder = responder
        server.handler(request, responder)
    }

    private func limitHead() {
        let timeout = server.configuration.readHeaderTimeoutNanoseconds
        headTimeout = stream.executor.schedule(afterNanoseconds: timeout) { [weak self] in
            self?.headTimeout = nil
            self?.abort()
        }
    }

    // MARK: Writing

    var dateText: String { server.dateText() }

    var bufferedBytes: Int { output.count + stream.bufferedBytes }

    /// Gathers; a turn's responses leave in one write.
    func send(_ bytes: some Sequence<UInt8>) {
        guard !isClosed else { return }
        output.append(contentsOf: bytes)
        guard !flushes else { return }
        flushes = true
        stream.executor.atTurnEnd(.transmit) { [self] in
            flushes = false
            flush()
        }
    }

    private func flush() {
        guard !output.isEmpty else { return }
        output.withUnsafeBytes { stream.write($0) }
        output = []
        // The stream tells only of what it could not send at once.
        if stream.bufferedBytes == 0 { responder?.drained() }
    }

    func responseEnded(keepsAlive: Bool) {
        responder = nil
        guard keepsAlive && !closesWhenIdle else { return finish() }
        parseUnread()
    }

    private func refuse(_ refusal: HTTP1Refusal) {
        server.configuration.refused?()
        send(refusal.response.utf8)
        finish()
    }

    /// Sends what there is, then closes.
    private func finish() {
        guard !isClosed else { return }
        isClosed = true
        flush()
        stream.close()
        guard closesWhenIdle, stream.bufferedBytes == 0 else { return }
        // Clients keep idle connections, and see the end of one when they want to use it again.
        lingerLimit = stream.executor.schedule(
            afterNanoseconds: Self.drainLingerNanoseconds
        ) { [weak self] in self?.stream.abort() }
    }

    func drained() { responder?.drained() }

    func closed(_ error: TransportError?) {
        isClosed = true
        lingerLimit?.cancel()
        lingerLimit = nil
        headTimeout?.cancel()
        headTimeout = nil
        responder?.clientLeft()
        responder = nil
        server.removed(self)
    }
}
