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
    await withCheckedContinuation { done in
        loop.post { done.resume(returning: work()) }
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
