// Answering one request: at once with a body, or piece by piece.

import API

/// The response to one request; to be ended exactly once, on the connection's executor. After the
/// client has left, everything is accepted and goes nowhere.
public final class HTTP1Responder {
    private enum State { case waiting, streaming, ended }

    private weak var connection: HTTP1Connection?
    private let isHead: Bool
    private let minorVersion: Int
    private var keepsAlive: Bool
    private var state = State.waiting
    private var isChunked = false
    private var sendsBody = true
    private var hasLeft = false

    /// Called once when the client has closed the connection or sends no more, so that a response
    /// without an end, such as a watch, can stop.
    public var onClientLeft: (() -> Void)?
    /// Called when all that was written has left (see `bufferedBytes`).
    public var onDrained: (() -> Void)?

    init(_ connection: HTTP1Connection, _ head: HTTP1RequestHead, keepsAlive: Bool) {
        self.connection = connection
        self.keepsAlive = keepsAlive
        isHead = head.method == "HEAD"
        minorVersion = head.minorVersion
    }

    /// Whether the client has closed the connection or sends no more.
    public var clientHasLeft: Bool { hasLeft || connection == nil }

    /// Bytes written that the kernel has not taken. A writer that sees more than it likes waits
    /// for `onDrained`.
    public var bufferedBytes: Int { connection?.bufferedBytes ?? 0 }

    /// The whole response. Content-Length, Date and Connection are added.
    public func respond(status: Int, headers: HTTP1Headers = [:], body: some Collection<UInt8>) {
        precondition(state == .waiting, "a request has one response")
        state = .ended
        var text = start(status, headers)
        if HTTP1Status.hasBody(status) { text += "Content-Length: \(body.count)\r\n" }
        connection?.send((text + "\r\n").utf8)
        if sendsBody { connection?.send(body) }
        finish()
    }

    public func respond(status: Int, headers: HTTP1Headers = [:], text: String) {
        respond(status: status, headers: headers, body: text.utf8)
    }

    /// Begins a response whose length is not known; `write` and `end` follow.
    public func begin(status: Int, headers: HTTP1Headers = [:]) {
        precondition(state == .waiting, "a request has one response")
        state = .streaming
        // HTTP/1.0 knows no chunks: there the end of the connection is the end of the body.
        isChunked = minorVersion >= 1 && HTTP1Status.hasBody(status)
        if minorVersion == 0 { keepsAlive = false }
        var text = start(status, headers)
        if isChunked { text += "Transfer-Encoding: chunked\r\n" }
        connection?.send((text + "\r\n").utf8)
    }

    /// A piece of the body; leaves at the end of this turn.
    public func write(_ bytes: some Collection<UInt8>) {
        precondition(state == .streaming, "a body is written between begin and end")
        guard sendsBody, !bytes.isEmpty else { return }
        if isChunked { connection?.send("\(String(bytes.count, radix: 16))\r\n".utf8) }
        connection?.send(bytes)
        if isChunked { connection?.send("\r\n".utf8) }
    }

    /// Ends a response that was begun.
    public func end() {
        precondition(state == .streaming, "a body ends once, after it begins")
        if isChunked && sendsBody { connection?.send("0\r\n\r\n".utf8) }
        state = .ended
        finish()
    }

    private func finish() {
        onClientLeft = nil
        onDrained = nil
        let connection = self.connection
        self.connection = nil
        connection?.responseEnded(keepsAlive: keepsAlive)
    }

    private func start(_ status: Int, _ headers: HTTP1Headers) -> String {
        sendsBody = !isHead && HTTP1Status.hasBody(status)
        if headers.has("close", in: "Connection") { keepsAlive = false }
        var text = "HTTP/1.1 \(status) \(HTTP1Status.text(status))\r\n"
        for field in headers.fields {
            text += "\(field.name): \(HTTP1Syntax.safeValue(field.value))\r\n"
        }
        text += "Date: \(connection?.dateText ?? "")\r\n"
        if headers["Connection"] == nil {
            if !keepsAlive {
                text += "Connection: close\r\n"
            } else if minorVersion == 0 {
                text += "Connection: keep-alive\r\n"
            }
        }
        return text
    }

    func drained() { onDrained?() }

    func clientLeft() {
        guard !hasLeft else { return }
        hasLeft = true
        let tell = onClientLeft
        onClientLeft = nil
        tell?()
    }
}
