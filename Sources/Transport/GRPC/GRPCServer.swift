// The gRPC server of one executor: it makes connections of byte streams and keeps what they share.

import API
import Glibc

/// Serves gRPC calls on the streams it is given. One per executor; all of it runs there.
public final class GRPCServer {
    public let executor: any ActorExecutor
    public let configuration: GRPCServerConfiguration
    let methods: GRPCMethods
    let others: OtherRequests?
    let completions: CompletionQueue
    let deadlines: DeadlineWheel
    let sink = OutputSink()
    private var connections = ObjectSet<GRPCServerConnection>()
    private var idleStreams: [GRPCServerStream] = []
    private var isDraining = false
    private var drained: [() -> Void] = []

    /// - Parameter executor: that of all streams that will be accepted.
    /// - Parameter others: answers requests over TLS that are not gRPC's; nil refuses them.
    public init(
        _ methods: GRPCMethods, configuration: GRPCServerConfiguration = GRPCServerConfiguration(),
        on executor: any ActorExecutor, others: OtherRequests? = nil
    ) {
        self.methods = methods
        self.others = others
        self.configuration = configuration
        self.executor = executor
        completions = CompletionQueue(executor)
        deadlines = DeadlineWheel(executor)
    }

    /// Connections that are open.
    public var connectionCount: Int { connections.count }
    /// Calls that are under way.
    public var callCount: Int { connections.inOrder.reduce(0) { $0 + $1.session.openStreamCount } }

    /// Takes a stream over: sets its handler, reads it and closes it in the end.
    /// - Parameter firstBytes: what was read from it already, such as to tell the protocol apart.
    public func accept(
        _ stream: any ByteStream,
        firstBytes: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)
    ) {
        guard !isDraining,
            let session = HTTP2Session(isServer: true, settings: configuration.http2)
        else {
            stream.abort()
            return
        }
        let connection = GRPCServerConnection(stream, session: session, server: self)
        connections.insert(connection)
        mostConnections = max(mostConnections, connections.count)
        if firstBytes.count > 0 { connection.received(firstBytes) }
        if !connection.isClosed { stream.resumeReading() }
    }

    /// Stops in an orderly way, as grpc-go's GracefulStop: clients are told (GOAWAY), new calls are
    /// refused, those under way end. `done` is called when all connections are closed, which is
    /// after `grace` nanoseconds at the latest.
    /// - Parameter status: what those are told who might wait for ever: streams, and calls that
    ///   said what is to be done when they are cancelled. With nil they have until the grace ends.
    public func drain(
        grace: UInt64, telling status: Status? = nil, _ done: @escaping () -> Void
    ) {
        isDraining = true
        guard !connections.isEmpty else { return done() }
        drained.append(done)
        for connection in connections.inOrder {
            connection.drain()
            guard let status else { continue }
            for case let stream as GRPCServerStream in connection.session.openStreams {
                stream.abandonWaiting(status)
            }
        }
        executor.schedule(afterNanoseconds: grace) { [self] in abort() }
    }

    /// Ends the streaming calls that are under way and that `isMeant` says: their clients are told
    /// `status`, their handlers that they were cancelled.
    public func endStreams(_ status: Status, where isMeant: (CallContext) -> Bool) {
        for connection in connections.inOrder {
            for case let stream as GRPCServerStream in connection.session.openStreams
            where isMeant(CallContext(stream: stream, generation: stream.generation)) {
                stream.abandon(status)
            }
        }
    }

    /// Closes all connections at once; their calls are cancelled.
    public func abort() {
        isDraining = true
        for connection in connections.inOrder { connection.abort() }
    }

    func removed(_ connection: GRPCServerConnection) {
        connections.remove(connection)
        giveMemoryBack()
        guard connections.isEmpty else { return }
        let waiting = drained
        drained = []
        for done in waiting { done() }
    }

    /// The most connections there were since memory was given back.
    private var mostConnections = 0

    /// A connection has taken 14 KB, in small pieces.
    private func giveMemoryBack() {
        guard mostConnections >= 256, connections.count <= mostConnections / 4 else { return }
        mostConnections = connections.count
        FreedMemory.giveBack()
    }

    // Streams are reused: a call allocates nothing that a former one has left.

    private static let maxIdleStreams = 1024

    func takeStream() -> GRPCServerStream {
        idleStreams.popLast() ?? GRPCServerStream(completions, configuration)
    }

    func putBack(_ stream: GRPCServerStream) {
        if idleStreams.count < Self.maxIdleStreams { idleStreams.append(stream) }
    }
}
