// Where clients connect: gRPC and HTTP/1.1 on the same listeners.

import API
import Logging
import Services
import Transport

/// The listeners for clients and the servers behind them. All of it on one loop.
final class ClientPort {
    private let loop: EventLoop
    private let grpc: GRPCServer
    private let acceptor: ConnectionAcceptor
    private let logger: Logger
    private var listeners: [Listener] = []
    /// Connections that came before the member was ready; then nil.
    private var waiting: [AcceptedSocket]? = []

    private static let waitingLimit = 4096

    init(
        _ methods: GRPCMethods, configuration: Configuration, http: HTTPPort, on loop: EventLoop,
        logger: Logger
    ) {
        self.loop = loop
        self.logger = logger
        let grpc = GRPCServer(
            methods, configuration: GRPCServerConfiguration(configuration), on: loop)
        self.grpc = grpc
        acceptor = ConnectionAcceptor(
            on: loop,
            http2: { stream, bytes in grpc.accept(stream, firstBytes: bytes) },
            http1: configuration.listeners.clientHTTP.isEmpty ? http.serve : nil)
    }

    /// Listens. Connections wait until `open`.
    func listen(at urls: [ServerURL], options: ListenerOptions) throws(TransportError) {
        for url in urls {
            listeners.append(
                try Listener(url.endpoint, on: loop, options: options, logger: logger) {
                    [weak self] socket in self?.accept(socket)
                })
        }
    }

    /// Serves those who wait and all who come.
    func open() {
        let early = waiting ?? []
        waiting = nil
        for socket in early { accept(socket) }
        for listener in listeners {
            logger.info(
                "serving client traffic insecurely; this is strongly discouraged!",
                metadata: .fields(["address": .string("\(listener.endpoint)")]))
        }
    }

    /// Serves a stream that came by another way than the listeners.
    func serve(_ stream: any ByteStream) { acceptor.accept(stream) }

    private func accept(_ socket: AcceptedSocket) {
        if waiting != nil {
            // Beyond the limit the connection closes as it is dropped.
            if (waiting?.count ?? 0) < Self.waitingLimit { waiting?.append(socket) }
            return
        }
        do throws(TransportError) {
            acceptor.accept(try socket.open(on: loop))
        } catch {
            logger.warning(
                "failed to take a connection", metadata: .fields(["error": .string("\(error)")]))
        }
    }

    /// Takes no more connections, lets calls under way end within `grace` nanoseconds, then calls
    /// `done`.
    func drain(grace: UInt64, _ done: @escaping () -> Void) {
        for listener in listeners { listener.close() }
        listeners = []
        waiting = []
        acceptor.abort()
        grpc.drain(grace: grace, done)
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

extension ListenerOptions {
    init(_ listeners: Configuration.Listeners) {
        self.init()
        reusePort = listeners.reusePort
        reuseAddress = listeners.reuseAddress || reuseAddress
    }
}
