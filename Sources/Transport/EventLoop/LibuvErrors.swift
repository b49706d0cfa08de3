// libuv's negative error codes as TransportError, and the one process-wide setting sockets need.

import CLibuv
import Glibc

extension TransportError {
    /// - Parameter code: a negative result of libuv.
    init(code: Int32, _ operation: String) {
        self.init(
            operation: operation, name: uv_err_name(code).map { String(cString: $0) } ?? "\(code)",
            reason: uv_strerror(code).map { String(cString: $0) } ?? "unknown error")
    }
}

/// - Parameter operation: what is being tried, for the error's text.
@inline(__always)
func check(_ code: Int32, _ operation: @autoclosure () -> String) throws(TransportError) {
    if code < 0 { throw TransportError(code: code, operation()) }
}

/// A write to a closed socket must be an error of that write, not the end of the process.
let ignoreBrokenPipes: Void = { _ = signal(SIGPIPE, SIG_IGN) }()
