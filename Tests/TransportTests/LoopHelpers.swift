import API
import Glibc
import Testing

@testable import Transport

/// Gives `body` a loop and stops that afterwards.
func withLoop(_ body: (EventLoop) async throws -> Void) async throws {
    let loop = try EventLoop(name: "test")
    defer { loop.stop() }
    try await body(loop)
}

/// Runs `work` on the loop's thread and returns what it finds.
@discardableResult
func onLoop<Result: Sendable>(
    _ loop: EventLoop, _ work: @escaping @Sendable () -> Result
) async -> Result {
    await handedOver { done in
        loop.post { done(work()) }
    }
}

/// State of a test that only one loop's thread touches until it is read at the end; the test
/// waits for that loop in between, so there is no race.
final class Tally: @unchecked Sendable {
    var count = 0
}

func nanosecondsOfClock() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// Waits for what another thread hands over.
///
/// The result goes through a lock besides the continuation: when that is resumed before it is
/// awaited, ThreadSanitizer does not see the order that the runtime establishes.
func handedOver<Result: Sendable>(
    _ body: (@escaping @Sendable (Result) -> Void) -> Void
) async -> Result {
    let box = Locked<Result?>(nil)
    await withCheckedContinuation { continuation in
        body { result in
            box.withLock { $0 = result }
            continuation.resume()
        }
    }
    guard let result = box.withLock({ $0 }) else { preconditionFailure("resumed without result") }
    return result
}
