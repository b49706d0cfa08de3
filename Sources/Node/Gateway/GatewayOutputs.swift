// How the gateway's answers leave: over HTTP/1 piece by piece, over HTTP/2 in one.

import API
import Transport

/// Over HTTP/1.
final class LiveGatewayOutput: GatewayOutput {
    private let responder: HTTP1Responder

    init(_ responder: HTTP1Responder) { self.responder = responder }

    var isLive: Bool { true }
    var onLeft: (() -> Void)? {
        get { responder.onClientLeft }
        set { responder.onClientLeft = newValue }
    }
    var onDrained: (() -> Void)? {
        get { responder.onDrained }
        set { responder.onDrained = newValue }
    }
    var bufferedBytes: Int { responder.bufferedBytes }

    func respond(_ status: Int, _ headers: HTTP1Headers, _ body: [UInt8]) {
        responder.respond(status: status, headers: headers, body: body)
    }
    func begin(_ status: Int, _ headers: HTTP1Headers) {
        responder.begin(status: status, headers: headers)
    }
    func write(_ bytes: [UInt8]) { responder.write(bytes) }
    func end() { responder.end() }
}

/// Over HTTP/2, where an answer is whole.
final class WholeGatewayOutput: GatewayOutput {
    typealias Answer = (_ status: Int, _ headers: HTTP1Headers, _ body: [UInt8]) -> Void

    private let answer: Answer
    private var status = 200
    private var headers = HTTP1Headers()
    private var body: [UInt8] = []

    init(_ answer: @escaping Answer) { self.answer = answer }

    var isLive: Bool { false }
    var onLeft: (() -> Void)?
    var onDrained: (() -> Void)?
    var bufferedBytes: Int { 0 }

    func respond(_ status: Int, _ headers: HTTP1Headers, _ body: [UInt8]) {
        answer(status, headers, body)
    }
    func begin(_ status: Int, _ headers: HTTP1Headers) {
        self.status = status
        self.headers = headers
    }
    func write(_ bytes: [UInt8]) { body.append(contentsOf: bytes) }
    func end() { answer(status, headers, body) }
}
