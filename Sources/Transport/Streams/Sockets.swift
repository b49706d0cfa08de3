// The system calls around sockets that libuv does not offer in the form we need.
//
// Sockets are made here and given to libuv when they are bound or accepted: errors then come from
// the call that failed, and options are set once on a listener instead of on every connection.

import API
import CLibuv
import Glibc

/// A socket's descriptor that closes itself unless it is handed on.
struct Socket: ~Copyable {
    private let descriptor: Int32

    init(taking descriptor: Int32) { self.descriptor = descriptor }

    /// A stream socket that does not block and is not inherited by programs we start.
    init(family: Int32, for operation: @autoclosure () -> String) throws(TransportError) {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        descriptor = socket(family, type, 0)
        // A throwing initializer runs no deinit: nothing to close yet.
        if descriptor < 0 { throw TransportError(errno: errno, operation()) }
    }

    deinit { _ = close(descriptor) }

    var raw: Int32 { descriptor }

    /// Gives the descriptor away; whoever takes it closes it.
    consuming func release() -> Int32 {
        let descriptor = descriptor
        discard self
        return descriptor
    }

    func set(_ level: Int32, _ option: Int32, _ value: Int32) {
        setOption(descriptor, level, option, value)
    }

    /// What Go sets on its TCP connections: no delay, and a probe after 15 s of silence, then
    /// every 15 s, 9 times. Accepted sockets inherit this from their listener.
    func tuneTCP() {
        set(Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        set(SOL_SOCKET, SO_KEEPALIVE, 1)
        set(Int32(IPPROTO_TCP), TCP_KEEPIDLE, 15)
        set(Int32(IPPROTO_TCP), TCP_KEEPINTVL, 15)
        set(Int32(IPPROTO_TCP), TCP_KEEPCNT, 9)
    }
}

/// An option that is refused changes speed or robustness, never what is right: go on without it.
func setOption(_ descriptor: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
    var value = value
    _ = setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
}

/// Makes the next close of the socket a reset, which frees it at once on both sides.
func resetOnClose(_ descriptor: Int32) {
    var value = linger(l_onoff: 1, l_linger: 0)
    _ = setsockopt(
        descriptor, SOL_SOCKET, SO_LINGER, &value, socklen_t(MemoryLayout<linger>.size))
}

extension TransportError {
    init(errno code: Int32, _ operation: String) {
        self.init(code: -code, operation)  // libuv's codes are the system's, negated
    }
}
