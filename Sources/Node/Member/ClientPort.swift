// Where clients connect: gRPC and HTTP/1.1 on the same listeners.

import API
import Logging
import Services
import Transport

/// The listeners of a member and the servers behind them. All of it on one loop.
final class ClientPort {
    private let loop: EventLoop
    private let grpc: GRPCServer
    private let leaderMonitor: LeaderMonitor
    private let http: HTTPPort
    private let metricsHTTP: HTTPPort
    private let acceptor: ConnectionAcceptor
    /// Nil: no listener speaks TLS.
    private let tls: TLSAcceptor?
    private let logger: Logger
    private var listeners: [Listening] = []
    /// What to do once the member is ready with connections that came before; then nil.
    private var waiting: [() -> Void]? = []

    private struct Listening {
        let listener: Listener
        let isSecure: Bool
    }

    /// A stream of a listener, plain or decrypted.
    private typealias Serve = (any ByteStream) -> Void

    private static let waitingLimit = 4096

    /// - Parameter tls: for the listeners that speak TLS; nil if none does.

    init(
        _ actors: MemberActors, _ configuration: Configuration, metrics: ServerMetrics,
        tls: TLSCredentials?, on loop: EventLoop, logger: Logger
    ) {
        self.loop = loop
        self.logger = logger
        self.tls = tls.map { TLSAcceptor($0, endpoint: "client", logger: logger) }
        let methods = actors.services.methods(
            instrument: { metrics.server.method($0, $1) },
            requests: metrics.server.clientRequests())
        let gateway =
            configuration.httpAccess.servesGateway
            ? Gateway(configuration, actors.services, on: loop) : nil
        let http = HTTPPort(
            .client, actors: actors, configuration: configuration, metrics: metrics,
            gateway: gateway, on: loop)
        self.http = http
        let hasHTTP = configuration.listeners.clientHTTP.isEmpty
        let grpc = GRPCServer(
            methods, configuration: GRPCServerConfiguration(configuration), on: loop,
            others: hasHTTP ? http.answer : nil)
        self.grpc = grpc
        gateway?.accept = { [weak grpc] in grpc?.accept($0) }
        leaderMonitor = actors.services.leaderMonitor(
            of: grpc, electionNanoseconds: configuration.raft.electionNanoseconds)
        metricsHTTP = HTTPPort(
            .metrics, actors: actors, configuration: configuration, metrics: metrics, on: loop)
        acceptor = ConnectionAcceptor(
            on: loop,
            http2: { stream, bytes in grpc.accept(stream, firstBytes: bytes) },
            http1: hasHTTP ? http.serve : nil)
    }

    /// Listens. Connections wait until `open`.
    func listen(_ urls: Configuration.Listeners) throws(TransportError) {
        let options = ListenerOptions(urls)
        for url in urls.client {
            try listen(url, options, .http1AndHTTP2) { [acceptor] in acceptor.accept($0) }
        }
        for url in urls.clientHTTP {
            try listen(url, options, .http1) { [http] in http.serve($0, .empty) }
        }
        for url in urls.metrics {
            try listen(url, options, .http1) { [metricsHTTP] in metricsHTTP.serve($0, .empty) }
        }
    }

    private func listen(
        _ url: ServerURL, _ options: ListenerOptions, _ application: TLSApplication,
        _ serve: @escaping Serve
    ) throws(TransportError) {
        let serve = url.scheme.isSecure ? decrypting(application, serve) : serve
        let listener = try Listener(url.endpoint, on: loop, options: options, logger: logger) {
            [weak self] socket in self?.accept(socket, serve)
        }
        listeners.append(Listening(listener: listener, isSecure: url.scheme.isSecure))
    }

    private func decrypting(
        _ application: TLSApplication, _ serve: @escaping Serve
    ) -> Serve {
        guard let tls else { preconditionFailure("a listener with TLS has certificates") }
        return { tls.accept($0, for: application, serve: serve) }
    }

    /// Serves those who wait and all who come.
    func open() {
        let early = waiting ?? []
        waiting = nil
        for serve in early { serve() }
        for listening in listeners {
            logger.info(
                listening.isSecure
                    ? "serving client traffic securely"
                    : "serving client traffic insecurely; this is strongly discouraged!",
                metadata: .fields(["address": .string("\(listening.listener.endpoint)")]))
        }
    }

    /// Serves a stream that came by another way than the listeners.
    func serve(_ stream: any ByteStream) { acceptor.accept(stream) }

    private func accept(_ socket: AcceptedSocket, _ serve: @escaping Serve) {
        if waiting != nil {
            // Beyond the limit the connection closes as it is dropped.
            if (waiting?.count ?? 0) < Self.waitingLimit {
                waiting?.append { [weak self] in self?.accept(socket, serve) }
            }
            return
        }
        do throws(TransportError) {
            serve(try socket.open(on: loop))
        } catch {
            logger.warning(
                "failed to take a connection", metadata: .fields(["error": .string("\(error)")]))
        }
    }

    /// Takes no more connections, lets calls under way end within `grace` nanoseconds, then calls
    /// `done`.
    func drain(grace: UInt64, _ done: @escaping () -> Void) {
        for listening in listeners { listening.listener.close() }
        listeners = []
        waiting = []
        tls?.abort()
        acceptor.abort()
        let http = http
        let metricsHTTP = metricsHTTP
        grpc.drain(grace: grace, telling: .stopped) {
            http.drain(grace: grace) { metricsHTTP.drain(grace: grace, done) }
        }
    }
}

extension ServerURL {
    /// Where a stream to this URL leads.
    var endpoint: Endpoint {
        scheme.isUnixSocket ? .unix(path: socketPath) : .tcp(host: host, port: port)
    }
}

extension GRPCServerConfiguration {
    init(_ configuration: Configuration) {
        self.init()
        maxReceiveMessageBytes = configuration.limits.maxReceiveBytes
        maxConcurrentStreams = configuration.limits.maxConcurrentStreams
        keepaliveMinTime = configuration.keepalive.minTimeNanoseconds
        keepaliveInterval = configuration.keepalive.intervalNanoseconds
        keepaliveTimeout = configuration.keepalive.timeoutNanoseconds
    }
}

extension UnsafeRawBufferPointer {
    fileprivate static var empty: Self { Self(start: nil, count: 0) }
}

extension ListenerOptions {
    init(_ listeners: Configuration.Listeners) {
        self.init()
        reusePort = listeners.reusePort
        reuseAddress = listeners.reuseAddress || reuseAddress
    }
}
