// Where the other members connect: lanes and calls over gRPC, a few questions over HTTP/1.1, on
// the same listeners.

import API
import Logging
import Services
import Transport

/// The listeners of the peer port and the servers behind them. All of it on one executor.
public final class PeerPort {
    private let executor: any ActorExecutor
    private let acceptor: PeerAcceptor
    private let grpc: GRPCServer
    private let http: HTTP1Server
    private let connections: ConnectionAcceptor
    private let logger: Logger
    private var tls: TLSAcceptor?
    private var listeners: [Listener] = []

    /// - Parameter acceptor: admits calls and takes the lanes.
    /// - Parameter services: what else members may call; only those that `acceptor` admits.
    public init(
        _ acceptor: PeerAcceptor, services: GRPCMethods = GRPCMethods(),
        status: any PeerPortStatus, settings: PeerSettings = PeerSettings(),
        clock: any WallClock, on executor: any ActorExecutor, logger: Logger
    ) {
        self.executor = executor
        self.acceptor = acceptor
        self.logger = logger
        var methods = services
        acceptor.register(in: &methods)
        let endpoints = PeerEndpoints(status)
        let answer: GRPCServer.OtherRequests = { request, respond in
            let answer = endpoints.answer(HTTPStatusRequest(request))
            respond(answer.status, HTTP1Headers(answer), answer.body)
        }
        let grpc = GRPCServer(
            methods, configuration: GRPCServerConfiguration(settings), on: executor,
            others: answer)
        self.grpc = grpc
        var configuration = HTTP1Configuration()
        configuration.refused = { acceptor.refusedGarbage() }
        let http = HTTP1Server(
            on: executor, configuration: configuration, clock: clock
        ) { request, responder in
            answer(request) { responder.respond(status: $0, headers: $1, body: $2) }
        }
        self.http = http
        connections = ConnectionAcceptor(
            on: executor,
            http2: { stream, bytes in grpc.accept(stream, firstBytes: bytes) },
            http1: { stream, bytes in http.accept(stream, firstBytes: bytes) })
    }

    /// Listens, and serves at once. On `loop`, which is the executor.
    /// - Parameter tls: for those that speak TLS.
    public func listen(
        _ endpoints: [(endpoint: Endpoint, isSecure: Bool)], tls credentials: TLSCredentials? = nil,
        on loop: EventLoop, options: ListenerOptions = ListenerOptions()
    ) throws(TransportError) {
        let tls = credentials.map { TLSAcceptor($0, endpoint: "peer", logger: logger) }
        self.tls = tls
        for (endpoint, isSecure) in endpoints {
            precondition(!isSecure || tls != nil, "a listener with TLS has certificates")
            let listener = try Listener(endpoint, on: loop, options: options, logger: logger) {
                [weak self] in self?.accept($0, loop, isSecure ? tls : nil)
            }
            listeners.append(listener)
            logger.info(
                isSecure
                    ? "serving peer traffic securely"
                    : "serving peer traffic insecurely; this is strongly discouraged!",
                metadata: .fields(["address": .string("\(listener.endpoint)")]))
        }
    }

    /// Where it listens.
    public var endpoints: [Endpoint] { listeners.map(\.endpoint) }

    private func accept(_ socket: AcceptedSocket, _ loop: EventLoop, _ tls: TLSAcceptor?) {
        do throws(TransportError) {
            let stream = try socket.open(on: loop)
            guard let tls else { return serve(stream) }
            tls.accept(stream, for: .http1AndHTTP2) { [weak self] in self?.serve($0) }
        } catch {
            logger.warning(
                "failed to take a connection", metadata: .fields(["error": .string("\(error)")]))
        }
    }

    /// Serves a stream that came by another way than the listeners.
    public func serve(_ stream: any ByteStream) { connections.accept(stream) }

    /// `member` was removed from the cluster: its lanes are closed, and it is told why.
    public func removed(_ member: MemberID) { acceptor.removed(member) }

    /// Closes the lanes, lets calls under way end within `grace` nanoseconds, then calls `done`.
    public func drain(grace: UInt64, _ done: @escaping () -> Void) {
        for listener in listeners { listener.close() }
        listeners = []
        tls?.abort()
        connections.abort()
        acceptor.stop()
        let http = http
        grpc.drain(grace: grace, telling: .stopped) { http.drain(grace: grace, done) }
    }

    /// Ends all connections at once, and everything that came over them.
    package func abort() {
        for listener in listeners { listener.close() }
        listeners = []
        tls?.abort()
        connections.abort()
        acceptor.stop()
        grpc.abort()
        http.abort()
    }
}

extension PeerSettings {
    init(_ configuration: Configuration) {
        self.init()
        // etcd's peerDialTimeout: a second and an election timeout.
        dialTimeout = 1_000_000_000 + configuration.raft.electionNanoseconds
        silenceTimeout = configuration.raft.peerTimeoutNanoseconds
    }
}

extension GRPCServerConfiguration {
    /// For members: they ping as they like, and send long messages.
    init(_ settings: PeerSettings) {
        self.init()
        maxReceiveMessageBytes = settings.maxMessageBytes
        maxHeldRequestBytes = settings.maxMessageBytes
        keepaliveMinTime = 0
        // Callers ping as long as they live.
        keepaliveInterval = 2 * settings.silenceTimeout
        keepaliveTimeout = settings.silenceTimeout
    }
}

extension HTTP1Headers {
    init(_ answer: HTTPStatusResponse) {
        self.init()
        for header in answer.headers { add(header.name, header.value) }
    }
}

extension PeerPort {
    /// That of a member. Lanes and calls are those of members only; who the members are, anyone
    /// may ask: so a member learns it that joins.
    convenience init(
        _ actors: MemberActors, _ configuration: Configuration, on executor: any ActorExecutor,
        logger: Logger
    ) {
        let acceptor = PeerAcceptor(
            cluster: actors.identity.cluster, member: actors.identity.member,
            admission: ClusterAdmission(actors.applier), receiver: actors.peers.raft,
            openToEveryone: [PeerMethod.members.rawValue, PeerMethod.version.rawValue])
        var methods = actors.services.peerMethods
        PeerSnapshotLane.register(actors.snapshotter.receiver, in: &methods)
        self.init(
            acceptor, services: methods, status: MemberStatus(actors),
            clock: actors.clock, on: executor, logger: logger)
        actors.peers.port = self
    }
}
