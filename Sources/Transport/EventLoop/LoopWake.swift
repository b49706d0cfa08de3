// How other threads wake a loop that sleeps: a counter of the kernel's (eventfd) that it polls.
//
// Not libuv's uv_async_t. That one has the woken thread spin until the waking one is back from its
// write; a thread that yields to others is taken off its processor in just that write, and then
// the loop spun for tens of milliseconds for a thread that waited for the loop to sleep.

import CLibuv
import Glibc

/// The wake of one loop. It lives as long as the loop can be reached: who posts to one that has
/// stopped writes to a counter that nobody reads.
///
/// `@unchecked Sendable`: the descriptor is set once, before the loop's thread starts; the handle
/// belongs to that thread.
final class LoopWake: @unchecked Sendable {
    let handle = UnsafeMutablePointer<uv_poll_t>.allocate(capacity: 1)
    private var descriptor: Int32 = -1

    /// From then on the handle is the loop's to close. Once.
    /// - Throws: when the system is out of descriptors; there is nothing to close then.
    func start(on loop: UnsafeMutablePointer<uv_loop_t>) throws(TransportError) {
        descriptor = eventfd(0, Int32(EFD_NONBLOCK) | Int32(EFD_CLOEXEC))
        try check(descriptor < 0 ? -errno : 0, "start event loop")
        try check(uv_poll_init(loop, handle, descriptor), "start event loop")
        handle.pointee.data = UnsafeMutableRawPointer(bitPattern: Int(descriptor))
        // Fails only for a handle that is closing.
        let code = uv_poll_start(handle, Int32(UV_READABLE.rawValue)) { handle, _, _ in
            // What the loop is woken for is done before the next poll, whoever wakes it.
            var count: UInt64 = 0
            let descriptor = Int32(Int(bitPattern: handle?.pointee.data))
            _ = read(descriptor, &count, MemoryLayout.size(ofValue: count))
        }
        precondition(code == 0, "a loop cannot watch what wakes it: \(code)")
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
        handle.deallocate()
    }

    /// From any thread.
    func send() {
        var one: UInt64 = 1
        // It fails only where the counter is full, and then the loop is awake.
        _ = write(descriptor, &one, MemoryLayout.size(ofValue: one))
    }
}
