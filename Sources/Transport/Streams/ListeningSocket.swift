// Making a socket that listens, and the file that a Unix socket leaves behind.

import API
import Glibc

enum ListeningSocket {
    /// A socket bound to `endpoint` and listening.
    static func open(
        _ endpoint: Endpoint, _ options: ListenerOptions, _ operation: String
    ) throws(TransportError) -> Socket {
        var failure = TransportError(
            operation: operation, name: "EAI_NONAME", reason: "not an address to listen on")
        for address in SocketAddress.candidates(for: endpoint) {
            let socket = try make(address.family, options, operation)
            var code = bind(socket, address)
            if code == EADDRINUSE, case .unix(let path) = endpoint,
                try isAbandoned(path, address, operation)
            {
                unlink(path)
                code = bind(socket, address)
            }
            if code == 0 {
                if listen(socket.raw, options.backlog) == 0 { return socket }
                code = errno
            }
            failure = TransportError(errno: code, operation)
            // A family that this machine does not have; any other error is meant.
            guard code == EADDRNOTAVAIL || code == EAFNOSUPPORT else { break }
        }
        throw failure
    }

    private static func make(
        _ family: Int32, _ options: ListenerOptions, _ operation: String
    ) throws(TransportError) -> Socket {
        let socket = try Socket(family: family, for: operation)
        if family == AF_UNIX { return socket }
        socket.tuneTCP()
        if family == AF_INET6 { socket.set(Int32(IPPROTO_IPV6), IPV6_V6ONLY, 0) }
        if options.reuseAddress { socket.set(SOL_SOCKET, SO_REUSEADDR, 1) }
        if options.reusePort { socket.set(SOL_SOCKET, SO_REUSEPORT, 1) }
        return socket
    }

    /// 0 or the errno.
    private static func bind(_ socket: borrowing Socket, _ address: SocketAddress) -> Int32 {
        let descriptor = socket.raw
        return address.withPointer { Glibc.bind(descriptor, $0, $1) } == 0 ? 0 : errno
    }

    /// Whether a socket's file is there but nobody listens, as after a crash.
    private static func isAbandoned(
        _ path: String, _ address: SocketAddress, _ operation: String
    ) throws(TransportError) -> Bool {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { return false }
        let probe = try Socket(family: AF_UNIX, for: operation)
        let descriptor = probe.raw
        return address.withPointer { connect(descriptor, $0, $1) } != 0 && errno == ECONNREFUSED
    }
}

/// The file of a Unix socket that we made, and that goes with us.
struct UnixSocketFile {
    private let path: String
    private let made: (dev_t, ino_t)?

    init(path: String) {
        self.path = path
        made = Self.identity(path)
    }

    /// Removes the file, unless somebody has put another in its place.
    func remove() {
        guard let made, let present = Self.identity(path), made == present else { return }
        unlink(path)
    }

    private static func identity(_ path: String) -> (dev_t, ino_t)? {
        var status = stat()
        return lstat(path, &status) == 0 ? (status.st_dev, status.st_ino) : nil
    }
}
