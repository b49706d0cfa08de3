// The HTTP/1 server of one executor: it makes connections of byte streams and keeps them.

import API

public struct HTTP1Configuration: Sendable {
    /// For a request's head, from its first byte (of the first request: from the connection's
    /// beginning). The read-header timeout of etcd's client port.
    public var readHeaderTimeoutNanoseconds: UInt64 = 300_000_000_000
    /// Larger bodies are refused with 413. Default: room for etcd's largest request.
    public var maxBodyBytes = 2 << 20
    /// Called for what is refused because it is no request. On the server's executor.
    public var refused: (@Sendable () -> Void)?

    public init() {}
}

/// Serves HTTP/1.0 and 1.1 on the streams it is given. One per executor; all of it runs there.
public final class HTTP1Server {
    /// Answers a request through the responder, now or later, exactly once, on the executor.
    public typealias Handler = (HTTP1Request, HTTP1Responder) -> Void

    public let executor: any ActorExecutor
    let configuration: HTTP1Configuration
    let handler: Handler
    private var date: HTTPDate
    private var connections = ObjectSet<HTTP1Connection>()
    private(set) var isDraining = false
    private var drained: [() -> Void] = []

    /// - Parameter executor: that of all streams that will be accepted.
    /// - Parameter clock: for the Date header.
    public init(
        on executor: any ActorExecutor, configuration: HTTP1Configuration = HTTP1Configuration(),
        clock: any WallClock, handler: @escaping Handler
    ) {
        self.executor = executor
        self.configuration = configuration
        self.handler = handler
        date = HTTPDate(clock)
    }

    /// Connections that are open.
    public var connectionCount: Int { connections.count }

    /// Takes a stream over: sets its handler, reads it and closes it in the end.
    /// - Parameter firstBytes: what was read from it already, such as to tell the protocol apart.
    public func accept(
        _ stream: any ByteStream,
        firstBytes: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)
    ) {
        guard !isDraining else { return stream.abort() }
        let connection = HTTP1Connection(stream, self)
        connections.insert(connection)
        connection.start(firstBytes)
    }

    /// Closes idle connections now and the others after the response that is under way, or after
    /// `grace` nanoseconds. `done` is called when all are closed.
    public func drain(grace: UInt64, _ done: @escaping () -> Void) {
        isDraining = true
        guard !connections.isEmpty else { return done() }
        drained.append(done)
        for connection in connections.inOrder { connection.closeWhenIdle() }
        executor.schedule(afterNanoseconds: grace) { [weak self] in self?.abort() }
    }

    /// Closes all connections at once.
    public func abort() {
        isDraining = true
        for connection in connections.inOrder { connection.abort() }
    }

    func dateText() -> String { date.now() }

    func removed(_ connection: HTTP1Connection) {
        connections.remove(connection)
        guard isDraining, connections.isEmpty else { return }
        let waiting = drained
        drained = []
        for done in waiting { done() }
    }
}
