// Accepting connections on a TCP port or a Unix socket.
//
// The listening socket is watched with uv_poll and accepted from here, not with uv_listen: libuv
// answers a lack of descriptors by accepting and dropping, silently. We stop accepting for a
// while instead, say so, and let the clients wait in the kernel's queue.

import API
import CLibuv
import Glibc
import Logging

public struct ListenerOptions: Sendable {
    /// Connections the kernel may hold until they are accepted; it has a limit of its own
    /// (net.core.somaxconn).
    public var backlog: Int32 = 4096
    /// SO_REUSEPORT: several listeners share one port, and the kernel spreads the connections.
    public var reusePort = false
    /// SO_REUSEADDR: a port can be bound although connections of a former listener linger.
    /// On by default, as in Go, so that a restart does not have to wait.
    public var reuseAddress = true

    public init() {}
}

/// A connection that no loop serves yet; closes itself when it is dropped. From any thread.
public final class AcceptedSocket: Sendable {
    public let remote: Endpoint
    private let socket: Locked<Socket?>

    init(_ socket: consuming Socket, remote: Endpoint) {
        self.remote = remote
        self.socket = Locked(socket)
    }

    /// Makes a stream of the connection. Once, on `loop`.
    public func open(on loop: EventLoop) throws(TransportError) -> any ByteStream {
        guard let socket = socket.withLock({ $0.take() }) else {
            preconditionFailure("a connection has one stream")
        }
        return try SocketStream(socket, remote: remote, on: loop)
    }
}

/// Accepts connections until it is closed or its loop stops; lives that long by itself.
/// All of it happens on its loop.
public final class Listener {
    /// Where it listens; the port is the one that the system chose if 0 was asked for.
    public let endpoint: Endpoint

    private let loop: EventLoop
    private let logger: Logger
    private let accepted: (AcceptedSocket) -> Void
    private var socket: Socket?
    private var poll: PollHandle?
    private var pause: (any TimerHandle)?
    private var socketFile: UnixSocketFile?

    private static let acceptsPerTurn = 64
    private static let pauseNanoseconds: UInt64 = 100_000_000

    /// Listens at `endpoint`. On `loop`.
    ///
    /// The file of a Unix socket that nobody listens on any more is replaced.
    /// - Parameter accepted: gets each connection; may open it on any loop.
    /// - Throws: such as EADDRINUSE, EACCES, or EADDRNOTAVAIL for an address that is not ours.
    public init(
        _ endpoint: Endpoint, on loop: EventLoop, options: ListenerOptions = ListenerOptions(),
        logger: Logger, accepted: @escaping (AcceptedSocket) -> Void
    ) throws(TransportError) {
        self.loop = loop
        self.logger = logger
        self.accepted = accepted
        let operation = "listen on \(endpoint)"
        let socket = try ListeningSocket.open(endpoint, options, operation)
        if case .unix(let path) = endpoint {
            self.endpoint = endpoint
            socketFile = UnixSocketFile(path: path)
        } else {
            let name = SocketAddress.filled { getsockname(socket.raw, $0, $1) }
            self.endpoint = name.address.endpoint ?? endpoint
        }
        let descriptor = socket.raw
        self.socket = consume socket
        // The handle and this object hold each other until `close`.
        let poll = try PollHandle(
            descriptor, .readable, on: loop, onReady: { self.acceptWaiting() },
            onLoopStop: { self.close() })
        self.poll = poll
        poll.start()
    }

    /// Accepts no more; connections that were accepted are not touched. Harmless when repeated.
    public func close() {
        precondition(loop.isCurrent, "a listener is closed on its loop")
        poll?.close()
        poll = nil
        pause?.cancel()
        pause = nil
        socket = nil
        socketFile?.remove()
        socketFile = nil
    }

    private func acceptWaiting() {
        for _ in 0..<Self.acceptsPerTurn {
            guard let listening = socket?.raw else { return }  // closed by who was told
            let accepting = SocketAddress.filled {
                accept4(listening, $0, $1, Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue))
            }
            guard accepting.result >= 0 else {
                if acceptFailed(errno) { continue }
                return
            }
            let connection = Socket(taking: accepting.result)
            var remote = accepting.address.endpoint ?? endpoint
            if case .unix = remote { remote = endpoint }  // a client's socket has no name
            accepted(AcceptedSocket(connection, remote: remote))
        }
    }

    /// True if the next connection may be tried at once.
    private func acceptFailed(_ code: Int32) -> Bool {
        switch code {
        case EAGAIN: return false
        // The client is gone already, or the network has told of an error in its place
        // (accept(2), error handling).
        case EINTR, ECONNABORTED, ENETDOWN, EPROTO, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH,
            EOPNOTSUPP, ENETUNREACH, EPERM:
            return true
        default:
            let error = TransportError(errno: code, "accept on \(endpoint)")
            logger.warning("accepting pauses", metadata: ["error": "\(error)"])
            poll?.stop()
            pause = loop.schedule(afterNanoseconds: Self.pauseNanoseconds) { [weak self] in
                self?.pause = nil
                self?.poll?.start()
            }
            return false
        }
    }
}
