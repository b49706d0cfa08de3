// Where log lines go. A line is one write, and lines of several threads never mix.

import API
import Glibc

/// An output cannot be opened.
public struct LogSinkError: Error, Hashable, CustomStringConvertible {
    public let description: String
}

/// Open files that take lines. Blocks the caller while the kernel does; a line that cannot be
/// written is lost, for there is nobody left to tell.
public final class LogSink: Sendable {
    /// Written to by one thread at a time, so that lines do not mix.
    private let descriptors: Locked<[Int32]>
    /// Those of `descriptors` that are ours to close.
    private let owned: [Int32]

    /// Before the configuration is known, and for tests with a pipe.
    public init(descriptor: Int32 = STDERR_FILENO) {
        descriptors = Locked([descriptor])
        owned = []
    }

    /// - Throws: when a file cannot be opened for appending.
    public init(_ outputs: [LogOutput]) throws(LogSinkError) {
        var all: [Int32] = []
        var opened: [Int32] = []
        for output in outputs {
            switch output {
            case .standardError: all.append(STDERR_FILENO)
            case .standardOutput: all.append(STDOUT_FILENO)
            case .file(let path):
                let file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
                guard file >= 0 else {
                    let reason = String(cString: strerror(errno))
                    for file in opened { close(file) }
                    throw LogSinkError(
                        description: "open log output \(path): \(reason)")
                }
                opened.append(file)
                all.append(file)
            }
        }
        descriptors = Locked(all)
        owned = opened
    }

    deinit {
        for descriptor in owned { close(descriptor) }
    }

    func write(_ line: [UInt8]) {
        descriptors.withLock { descriptors in
            for descriptor in descriptors { Self.writeAll(line, to: descriptor) }
        }
    }

    private static func writeAll(_ line: [UInt8], to descriptor: Int32) {
        var rest = line[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if count < 0, errno == EAGAIN {
                // Somebody made our standard error non-blocking: wait for room.
                var room = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                guard poll(&room, 1, 1000) > 0 else { return }
            } else if count == 0 || errno != EINTR {
                return
            }
        }
    }
}
