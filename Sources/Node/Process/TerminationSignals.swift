// SIGTERM and SIGINT ask for an orderly stop. They are blocked in every thread and taken by one
// that waits for them, so that no code ever runs inside a signal handler.

import Glibc

public enum TerminationSignal: Int32, Sendable {
    case interrupt = 2
    case terminate = 15

    /// As etcd's log names it, in the field `signal`.
    public var name: String {
        switch self {
        case .interrupt: "interrupt"
        case .terminate: "terminated"
        }
    }

    private static var set: sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGINT)
        sigaddset(&set, SIGTERM)
        return set
    }

    /// Keeps the signals for `wait()`. Before the first thread starts: threads inherit it.
    /// A write to a closed connection becomes an error instead of SIGPIPE.
    public static func prepare() {
        var set = set
        pthread_sigmask(SIG_BLOCK, &set, nil)
        signal(SIGPIPE, SIG_IGN)
    }

    /// Blocks the calling thread until one comes.
    public static func wait() -> TerminationSignal {
        var set = set
        var number: Int32 = 0
        while true {
            if sigwait(&set, &number) == 0, let signal = TerminationSignal(rawValue: number) {
                return signal
            }
        }
    }

    /// Lets `wait()` return. From any thread.
    public func raise() { kill(getpid(), rawValue) }

    /// Ends the process by this signal, so that a shell or supervisor sees why it ended. The
    /// first process of a container is not ended by signals and leaves with status 0, as etcd.
    public func endProcess() -> Never {
        if getpid() == 1 { exit(0) }
        signal(rawValue, SIG_DFL)
        var set = Self.set
        pthread_sigmask(SIG_UNBLOCK, &set, nil)
        kill(getpid(), rawValue)
        // The kernel delivers at the return of the call above; only a debugger holds it back.
        exit(128 + rawValue)
    }
}
