// An answer of the gateway: a message as JSON, a stream of them, or an error as JSON with the HTTP
// status that stands for its code.

import API
import Transport

/// Writes the answer to one request, once. On one loop.
final class GatewayReply {
    private let output: any GatewayOutput
    private let headers: HTTP1Headers
    private var hasBegun = false
    private var hasEnded = false

    /// - Parameter headers: sent with every answer.
    init(_ output: any GatewayOutput, headers: HTTP1Headers) {
        self.output = output
        var headers = headers
        headers.add("Content-Type", "application/json")
        self.headers = headers
    }

    var bufferedBytes: Int { output.bufferedBytes }
    func onLeft(_ work: @escaping () -> Void) { if !hasEnded { output.onLeft = work } }
    func onDrained(_ work: @escaping () -> Void) { if !hasEnded { output.onDrained = work } }

    /// With what the call itself had to tell.
    private var headersOfCall: HTTP1Headers {
        var headers = headers
        headers.add("Grpc-Metadata-Content-Type", "application/grpc")
        return headers
    }

    // MARK: At once

    func finish(_ result: Result<UnsafeRawBufferPointer, Status>, _ schema: MessageSchema) {
        switch result {
        case .failure(let status): fail(status)
        case .success(let message):
            var text: [UInt8] = []
            do throws(WireError) {
                try schema.appendJSON(of: message, to: &text)
            } catch {
                return fail(Status(.internal, "\(error)"))
            }
            respond(200, headersOfCall, text)
        }
    }

    func fail(_ status: Status) {
        var headers = headers
        if status.code == .unauthenticated { headers.add("WWW-Authenticate", status.message) }
        respond(status.code.httpStatus, headers, Array(Self.json(status).utf8))
    }

    /// A refusal that no call stands behind (Go's http.Error).
    func fail(text: String) {
        respond(
            400,
            ["Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"],
            Array((text + "\n").utf8))
    }

    private func respond(_ status: Int, _ headers: HTTP1Headers, _ body: [UInt8]) {
        guard !hasEnded else { return }
        hasEnded = true
        output.respond(status, headers, body)
    }

    private static func json(_ status: Status) -> String {
        var text = "{\"code\":\(status.code.rawValue),\"message\":"
        JSONValue.quote(status.message, to: &text)
        return text + "}"
    }

    // MARK: In pieces

    /// A message of a stream, in a line of its own.
    func write(_ message: UnsafeRawBufferPointer, _ schema: MessageSchema) throws(WireError) {
        guard !hasEnded else { return }
        var text = Array("{\"result\":".utf8)
        try schema.appendJSON(of: message, to: &text)
        text.append(contentsOf: "}\n".utf8)
        begin(200)
        output.write(text)
    }

    /// Ends a stream; nil is its good end.
    func end(_ status: Status?) {
        guard !hasEnded else { return }
        begin(status?.code.httpStatus ?? 200)
        if let status { output.write(Array("{\"error\":\(Self.json(status))}\n".utf8)) }
        hasEnded = true
        output.end()
    }

    private func begin(_ status: Int) {
        guard !hasBegun else { return }
        hasBegun = true
        output.begin(status, headersOfCall)
    }
}

extension StatusCode {
    /// Reference: http-endpoints.md, JSON gateway, code to status.
    fileprivate var httpStatus: Int {
        switch self {
        case .ok: 200
        case .cancelled: 499
        case .unknown, .internal, .dataLoss: 500
        case .invalidArgument, .failedPrecondition, .outOfRange: 400
        case .deadlineExceeded: 504
        case .notFound: 404
        case .alreadyExists, .aborted: 409
        case .permissionDenied: 403
        case .resourceExhausted: 429
        case .unimplemented: 501
        case .unavailable: 503
        case .unauthenticated: 401
        }
    }
}
