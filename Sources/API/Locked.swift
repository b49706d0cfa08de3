// A value shared between threads.
//
// Why not Synchronization.Mutex? Its lock is taken inside a library that ThreadSanitizer has not
// instrumented, so that every use of it is reported as a race (Swift 6.3 on Linux; an array behind
// a Mutex and two threads are enough), which would bury the true ones. A pthread mutex is known to
// the sanitizer.

import Glibc

/// A value that one thread at a time can touch. Hold the lock for a few instructions only.
///
/// `@unchecked Sendable`: the value came from nobody else's hands (`sending`), and is touched with
/// the lock held and nowhere else.
public final class Locked<Value: ~Copyable>: @unchecked Sendable {
    @usableFromInline let mutex: UnsafeMutablePointer<pthread_mutex_t>
    @usableFromInline var value: Value

    public init(_ value: consuming sending Value) {
        mutex = .allocate(capacity: 1)
        let code = pthread_mutex_init(mutex, nil)
        precondition(code == 0, "a plain mutex cannot fail to be made")
        self.value = value
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    // Inlinable: a call for a value of any type costs more than the lock.

    /// Runs `body` with the value while no other thread has it. Not to be entered again from it.
    @inlinable
    public func withLock<Result: ~Copyable, Failure: Error>(
        _ body: (inout Value) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(&value)
    }
}
