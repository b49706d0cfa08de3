// For the main thread, which starts the loops' work and waits for it.

import Dispatch
import Foundation
import Synchronization

/// Monotonic nanoseconds from an arbitrary start.
func monotonicNanoseconds() -> UInt64 {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
}

/// Calls `begin` and waits for the value that what it started comes to.
func waitFor<Value: Sendable>(_ begin: (@escaping @Sendable (Value) -> Void) -> Void) -> Value {
    waitForAll(1) { _, done in begin(done) }[0]
}

/// Calls `begin` for each of `count` numbers and waits for all the values, in no order.
func waitForAll<Value: Sendable>(
    _ count: Int, _ begin: (Int, @escaping @Sendable (Value) -> Void) -> Void
) -> [Value] {
    let values = Box<Value>()
    for number in 0..<count {
        begin(number) { value in
            values.content.withLock { $0.append(value) }
            values.arrived.signal()
        }
    }
    for _ in 0..<count { values.arrived.wait() }
    return values.content.withLock { $0 }
}

private final class Box<Value: Sendable>: Sendable {
    let content = Mutex<[Value]>([])
    let arrived = DispatchSemaphore(value: 0)
}
