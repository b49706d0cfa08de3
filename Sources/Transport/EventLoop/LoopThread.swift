// A named thread that can be joined once; the little of pthreads that a loop needs.

import API
import CLibuv
import CSupport
import Glibc

/// A thread that runs one function. Not detached: `join` waits for its end.
struct LoopThread: ~Copyable, Sendable {
    private let id: Locked<pthread_t?>

    private final class Start: Sendable {
        let name: String
        let yieldsToOthers: Bool
        let body: @Sendable () -> Void
        init(name: String, yieldsToOthers: Bool, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.yieldsToOthers = yieldsToOthers
            self.body = body
        }
    }

    /// - Parameter name: as seen in `top -H`; the kernel keeps 15 bytes.
    /// - Parameter yieldsToOthers: its work is long, and that of other threads urgent.
    init(
        name: String, yieldsToOthers: Bool = false, body: @escaping @Sendable () -> Void
    ) throws(TransportError) {
        let start = Unmanaged.passRetained(
            Start(name: name, yieldsToOthers: yieldsToOthers, body: body))
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                let start = Unmanaged<Start>.fromOpaque(context).takeRetainedValue()
                let name = String(decoding: start.name.utf8.prefix(15), as: UTF8.self)
                _ = pthread_setname_np(pthread_self(), name)
                if start.yieldsToOthers { csupport_yield_to_others() }
                start.body()
                return nil
            }, start.toOpaque())
        guard code == 0 else {
            start.release()
            throw TransportError(
                operation: "start thread \(name)", name: "\(code)",
                reason: String(cString: strerror(code)))
        }
        id = Locked(thread)
    }

    /// Waits until the thread has ended. Later calls return once the first has.
    func join() {
        id.withLock { id in
            guard let thread = id else { return }
            _ = pthread_join(thread, nil)
            id = nil
        }
    }
}

/// The calling thread, as a number that is never 0.
@inline(__always)
func currentThreadID() -> UInt { UInt(pthread_self()) }

/// The loop that runs on this thread, for `EventLoop.current`.
enum ThreadLocalLoop {
    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        let code = pthread_key_create(&key, nil)
        precondition(code == 0, "no thread-local key left")
        return key
    }()

    static var loop: EventLoop? {
        pthread_getspecific(key).map {
            Unmanaged<EventLoop>.fromOpaque($0).takeUnretainedValue()
        }
    }

    /// The loop keeps itself alive while its thread runs, so no retain is held here.
    static func set(_ loop: EventLoop?) {
        _ = pthread_setspecific(
            key, loop.map { UnsafeRawPointer(Unmanaged.passUnretained($0).toOpaque()) })
    }
}
