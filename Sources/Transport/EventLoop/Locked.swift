// A lock of pthreads around a value.
//
// Not the standard library's Mutex: ThreadSanitizer does not see inside that one and reports every
// access under it as a race (Swift 6.3 on Linux), which would bury the true ones.

import Glibc

/// A value that is reached under a lock only; from any thread.
///
/// `@unchecked Sendable`: `value` is touched with the lock held and nowhere else.
final class Locked<Value: ~Copyable>: @unchecked Sendable {
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private var value: Value

    init(_ value: consuming sending Value) {
        let code = pthread_mutex_init(lock, nil)
        precondition(code == 0, "a plain mutex cannot fail to be made")
        self.value = value
    }

    deinit {
        pthread_mutex_destroy(lock)
        lock.deallocate()
    }

    @inline(__always)
    func withLock<Result: ~Copyable>(_ body: (inout Value) -> Result) -> Result {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return body(&value)
    }
}
