// HTTP/1.1 on the clients' port: version, health, metrics, variables and the JSON gateway.

import API
import Transport

/// Carries requests from the HTTP server to the status endpoints and answers back. On one loop.
final class HTTPPort {
    private let server: HTTP1Server
    /// Answers a request that came another way, over HTTP/2.
    let answer: GRPCServer.OtherRequests

    /// - Parameter gateway: nil where none is served.
    init(
        _ surface: StatusEndpoints.Surface, actors: MemberActors, configuration: Configuration,
        metrics: ServerMetrics, gateway: Gateway? = nil, on loop: EventLoop
    ) {
        let status = MemberStatus(actors)
        let endpoints = StatusEndpoints(
            surface, access: configuration.httpAccess, status: status, metrics: metrics)
        let answer: GRPCServer.OtherRequests = { request, respond in
            if let gateway, Gateway.serves(request) {
                return gateway.answer(request, WholeGatewayOutput(respond))
            }
            if request.path == "/metrics" { status.refresh(metrics) }
            endpoints.answer(HTTPStatusRequest(request)) { answer in
                respond(answer.status, HTTP1Headers(answer), answer.body)
            }
        }
        self.answer = answer
        var limits = HTTP1Configuration()
        // The largest request, with its bytes as base64 and room for the names around them.
        limits.maxBodyBytes = max(
            limits.maxBodyBytes, configuration.limits.maxReceiveBytes / 2 * 3)
        server = HTTP1Server(on: loop, configuration: limits, clock: SystemClock()) {
            request, responder in
            if let gateway, Gateway.serves(request) {
                return gateway.answer(request, LiveGatewayOutput(responder))
            }
            answer(request) { responder.respond(status: $0, headers: $1, body: $2) }
        }
    }

    /// Takes a connection over.
    func serve(_ stream: any ByteStream, _ firstBytes: UnsafeRawBufferPointer) {
        server.accept(stream, firstBytes: firstBytes)
    }

    /// Lets responses under way end within `grace` nanoseconds, then calls `done`.
    func drain(grace: UInt64, _ done: @escaping () -> Void) { server.drain(grace: grace, done) }
}

extension HTTPStatusRequest {
    init(_ request: HTTP1Request) {
        self.init(
            method: request.method, path: request.path, query: request.head.query,
            host: request.head.host,
            origin: request.headers["Origin"], isSecure: request.isSecure)
    }
}
