// A value that several threads share, behind a lock that ThreadSanitizer can see.
//
// Synchronization.Mutex would do, but it locks inside a library of the toolchain that is not
// instrumented: ThreadSanitizer sees no order there and reports every use as a race (seen with
// Swift 6.3 on Linux, four threads appending to one array). It knows pthread's mutex.

import Glibc

/// A lock and the value that is only reached while holding it. The lock is not recursive.
public struct Guarded<Value: Sendable>: ~Copyable {
    // On the heap, as a pthread mutex must not move.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let value: UnsafeMutablePointer<Value>

    public init(_ value: Value) {
        mutex = .allocate(capacity: 1)
        let code = pthread_mutex_init(mutex, nil)
        precondition(code == 0, "pthread_mutex_init: \(code)")
        self.value = .allocate(capacity: 1)
        self.value.initialize(to: value)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
        value.deinitialize(count: 1)
        value.deallocate()
    }

    /// Runs `body` with the value while no other thread does. Short, and without blocking calls.
    public borrowing func withLock<Result: ~Copyable, Failure: Error>(
        _ body: (inout Value) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(&value.pointee)
    }
}

// Sound: the value is reached in `withLock` only, and its type may cross threads.
extension Guarded: @unchecked Sendable {}
