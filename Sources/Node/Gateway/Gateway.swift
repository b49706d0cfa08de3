// The JSON gateway: gRPC for those who speak HTTP/1 and JSON (Patroni, curl, many scripts).
//
// As etcd's, it is a client of the member's own port, here over a connection in memory: so nothing
// it does passes by a limit, a check or a counter that holds for gRPC.

import API
import Services
import Transport

/// Where an answer goes that has a beginning, pieces and an end, or comes at once. On one loop.
protocol GatewayOutput: AnyObject {
    /// Whether pieces reach the client as they are written; else the answer is sent when it ends.
    var isLive: Bool { get }
    /// Called when nobody waits for the answer any more.
    var onLeft: (() -> Void)? { get set }
    /// Called when all that was written has left.
    var onDrained: (() -> Void)? { get set }
    /// Bytes written that have not left.
    var bufferedBytes: Int { get }
    func respond(_ status: Int, _ headers: HTTP1Headers, _ body: [UInt8])
    func begin(_ status: Int, _ headers: HTTP1Headers)
    func write(_ bytes: [UInt8])
    func end()
}

/// Serves the paths under /v3/. On one loop.
final class Gateway {
    private struct Target {
        let route: GatewayRoute
        let method: GRPCClientMethod
    }

    private let executor: any ActorExecutor
    private let access: Configuration.HTTPAccess
    private let services: ClientServices
    private let targets: [String: Target]
    /// Serves the other end of a connection in memory. Set once, before there are requests.
    var accept: ((any ByteStream) -> Void)?
    private var connection: GRPCClientConnection?
    private var calls = 0

    /// A connection has numbers for 2^30 calls: long before that the next takes over.
    private static let callsOfConnection = 1 << 20
    /// Becomes text in one piece, on the loop that all else runs on: who wants more has gRPC.
    private static let largestAnswer = 64 << 20
    private static let prefix = "/v3/"
    private static let oldPrefix = "/v3beta/"

    init(_ configuration: Configuration, _ services: ClientServices, on executor: any ActorExecutor)
    {
        access = configuration.httpAccess
        self.executor = executor
        self.services = services
        targets = Dictionary(
            uniqueKeysWithValues: GatewayRoute.all.map {
                ($0.path, Target(route: $0, method: GRPCClientMethod($0.method)))
            })
    }

    /// Whether a request is for the gateway.
    static func serves(_ request: HTTP1Request) -> Bool {
        request.path.hasPrefix(prefix) || request.path.hasPrefix(oldPrefix)
    }

    /// Answers a request (reference: http-endpoints.md, checks before every request; gateway).
    func answer(_ request: HTTP1Request, _ output: any GatewayOutput) {
        let asked = HTTPStatusRequest(request)
        if let refusal = access.answerBeforeRouting(asked) {
            return output.respond(refusal.status, HTTP1Headers(refusal), refusal.body)
        }
        let marks = access.marked(HTTPStatusResponse(200, type: nil, body: []), for: asked)
        let reply = GatewayReply(output, headers: HTTP1Headers(marks))
        // There only if certificates are asked for (-client-cert-auth).
        if request.security?.commonName != nil, services.isAuthEnabled {
            return reply.fail(
                text: "CommonName of client sending a request against gateway will be ignored "
                    + "and not used as expected")
        }
        var path = request.path
        if path.hasPrefix(Self.oldPrefix) {
            path = Self.prefix + path.dropFirst(Self.oldPrefix.count)
        }
        guard let target = targets[path] else {
            return reply.fail(Status(.notFound, "Not Found"))
        }
        guard request.method == "POST" else {
            return reply.fail(Status(.unimplemented, "Method Not Allowed"))
        }
        guard output.isLive || Self.endsBySelf(target.route) else {
            return reply.fail(Status(.unimplemented, "what waits is served over HTTP/1.1"))
        }
        call(target, request, reply)
    }

    /// Whether a call ends soon, whatever becomes of its client: over HTTP/2 nobody tells that it
    /// left, and a lock would be held for nobody.
    private static func endsBySelf(_ route: GatewayRoute) -> Bool {
        switch route.method {
        case "/v3lockpb.Lock/Lock", "/v3electionpb.Election/Campaign": false
        case "/etcdserverpb.Lease/LeaseKeepAlive": true
        default: route.shape == .unary
        }
    }

    private func call(_ target: Target, _ request: HTTP1Request, _ reply: GatewayReply) {
        let messages: [[UInt8]]
        do {
            messages = try Self.messages(target.route, request.body)
        } catch let error as JSONError {
            return reply.fail(
                Status(
                    .invalidArgument,
                    "proto: syntax error (offset \(error.offset)): \(error.reason)"))
        } catch {
            return reply.fail(Status(.invalidArgument, "\(error)"))
        }
        guard let connection = connected() else {
            return reply.fail(Status(.unavailable, "the gateway has no connection"))
        }
        let options = GRPCCallOptions(metadata: Self.metadata(request))
        if target.route.shape == .unary {
            let call = connection.unary(target.method, messages[0], options: options) {
                reply.finish($0, target.route.response)
                self.callEnded(on: connection)
            }
            reply.onLeft { call.cancel() }
        } else {
            let stream = GatewayStream(target.route, messages, reply) {
                self.callEnded(on: connection)
            }
            stream.start(
                connection.streaming(target.method, options: options, handler: stream))
        }
    }

    /// A request without a body is the empty message; a stream of requests may have none.
    private static func messages(_ route: GatewayRoute, _ body: [UInt8]) throws -> [[UInt8]] {
        let isMany = route.shape == .bidirectional
        let documents = try JSONValue.sequence(parsing: body, limit: isMany ? .max : 1)
        if documents.isEmpty, !isMany { return [[]] }
        return try documents.map { try route.request.encode($0) }
    }

    /// What of a request's headers goes along (grpc-gateway's names).
    private static func metadata(_ request: HTTP1Request) -> [(name: String, value: [UInt8])] {
        let marker = "grpc-metadata-"
        // Tells that a certificate is the gateway's; it is there although a client sends none.
        var metadata: [(name: String, value: [UInt8])] = [
            ("grpcgateway-accept", Array((request.headers["Accept"] ?? "*/*").utf8))
        ]
        for (name, value) in request.headers.fields {
            let name = name.lowercased()
            if name == "authorization" || name == "grpc-timeout" {
                metadata.append((name, Array(value.utf8)))
            } else if name.hasPrefix(marker) {
                let name = String(name.dropFirst(marker.count))
                // Those of the call itself are not a client's to set.
                guard !name.isEmpty, !name.hasPrefix("grpc-"), !name.hasSuffix("-bin") else {
                    continue
                }
                metadata.append((name, Array(value.utf8)))
            }
        }
        return metadata
    }

    private func connected() -> GRPCClientConnection? {
        if let connection, connection.unavailable == nil, calls < Self.callsOfConnection {
            calls += 1
            return connection
        }
        guard let accept else { return nil }
        let (own, served) = MemoryStream.pair(a: executor, b: executor, name: "gateway")
        var configuration = GRPCClientConfiguration()
        configuration.maxReceiveMessageBytes = Self.largestAnswer
        guard let fresh = GRPCClientConnection(own, configuration: configuration) else {
            return nil
        }
        let former = connection
        connection = fresh
        calls = 1
        if let former { callEnded(on: former) }
        fresh.onGoAway = { [weak self, weak fresh] _ in
            if let fresh { self?.callEnded(on: fresh) }
        }
        accept(served)
        return fresh
    }

    /// A connection that is not used any more goes with its last call: a server that stops waits
    /// for it.
    private func callEnded(on connection: GRPCClientConnection) {
        guard connection.unavailable != nil || connection !== self.connection else { return }
        executor.post {
            // The calls that were told of the stop have ended by now.
            if connection.callCount == 0 { connection.close() }
        }
    }
}
