// One port, two protocols: which one does a new connection speak?
//
// A client that speaks HTTP/2 without TLS says so in its first 24 bytes; all else is taken for
// HTTP/1. The first byte that differs decides. A connection that says too little for too long is
// closed, so that half-open ones do not pile up.
// Source: RFC 9113, 3.4; reference on the shared port (prior knowledge only, no upgrade).

import API

/// Tells HTTP/2 from HTTP/1 and hands each connection to its server. One per executor.
public final class ConnectionAcceptor {
    /// Takes a stream over: sets its handler, feeds it the first bytes, which were read already,
    /// goes on reading and closes it in the end. The receiver keeps what it makes.
    public typealias Serve = (any ByteStream, _ firstBytes: UnsafeRawBufferPointer) -> Void

    /// The read-header timeout of etcd's client port.
    public static let readHeaderTimeoutNanoseconds: UInt64 = 300_000_000_000

    private let executor: any ActorExecutor
    private let timeoutNanoseconds: UInt64
    private let http2: Serve
    private let http1: Serve?
    private var undecided = ObjectSet<UndecidedConnection>()

    /// - Parameter executor: that of all streams that will be accepted.
    /// - Parameter http1: nil on a port that serves HTTP/2 only; others are closed at once.
    public init(
        on executor: any ActorExecutor,
        timeoutNanoseconds: UInt64 = ConnectionAcceptor.readHeaderTimeoutNanoseconds,
        http2: @escaping Serve, http1: Serve?
    ) {
        self.executor = executor
        self.timeoutNanoseconds = timeoutNanoseconds
        self.http2 = http2
        self.http1 = http1
    }

    /// Connections that have not said enough yet.
    public var undecidedCount: Int { undecided.count }

    public func accept(_ stream: any ByteStream) {
        let connection = UndecidedConnection(stream, self)
        undecided.insert(connection)
        connection.start(timeoutNanoseconds)
    }

    /// Closes the connections that are undecided; the others belong to their servers.
    public func abort() {
        for connection in undecided.inOrder { connection.abort() }
    }

    fileprivate func forget(_ connection: UndecidedConnection) {
        undecided.remove(connection)
    }

    fileprivate func decided(
        _ stream: any ByteStream, isHTTP2: Bool, _ firstBytes: UnsafeRawBufferPointer
    ) {
        guard let serve = isHTTP2 ? http2 : http1 else { return stream.close() }
        serve(stream, firstBytes)
    }
}

/// A connection whose first bytes may still be those of HTTP/2.
private final class UndecidedConnection: ByteStreamHandler {
    private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    private let stream: any ByteStream
    private unowned let acceptor: ConnectionAcceptor
    /// Bytes of the preface that have come in earlier reads.
    private var matched = 0
    private var timeout: (any TimerHandle)?

    init(_ stream: any ByteStream, _ acceptor: ConnectionAcceptor) {
        self.stream = stream
        self.acceptor = acceptor
    }

    func start(_ timeoutNanoseconds: UInt64) {
        stream.handler = self
        timeout = stream.executor.schedule(afterNanoseconds: timeoutNanoseconds) { [weak self] in
            self?.timeout = nil
            self?.abort()
        }
        stream.resumeReading()
    }

    func abort() { stream.abort() }

    func received(_ bytes: UnsafeRawBufferPointer) {
        let expected = Self.preface[matched...]
        let same = zip(bytes, expected).prefix { $0 == $1 }.count
        if same == expected.count {
            decide(isHTTP2: true, bytes)
        } else if same < bytes.count {
            decide(isHTTP2: false, bytes)
        } else {
            matched += same
        }
    }

    private func decide(isHTTP2: Bool, _ bytes: UnsafeRawBufferPointer) {
        let acceptor = self.acceptor
        leave()
        stream.handler = nil
        if matched == 0 { return acceptor.decided(stream, isHTTP2: isHTTP2, bytes) }
        let all = Self.preface[..<matched] + bytes
        all.withUnsafeBytes { acceptor.decided(stream, isHTTP2: isHTTP2, $0) }
    }

    func drained() {}
    func receivedEnd() { stream.close() }
    func closed(_ error: TransportError?) { leave() }

    private func leave() {
        timeout?.cancel()
        timeout = nil
        acceptor.forget(self)
    }
}
