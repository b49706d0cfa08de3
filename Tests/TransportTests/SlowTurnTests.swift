import API
import Glibc
import Testing

@testable import Transport

@Suite("A turn whose input takes long")
struct SlowTurnTests {
    @Test("does not let a timer that sets itself again keep the loop from everything else")
    func repeatingTimer() async throws {
        let loop = try EventLoop(name: "slow-turn")
        defer { loop.stop() }
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        let (reading, writing) = (ends[0], ends[1])
        await withCheckedContinuation { (wentOn: CheckedContinuation<Void, Never>) in
            loop.post {
                let input = SlowInput(reading, on: loop) {
                    // After the timers of the next turn, if they end.
                    loop.schedule(afterNanoseconds: 1_000_000) { wentOn.resume() }
                }
                input.watch()
                _ = write(writing, "x", 1)
            }
        }
        close(writing)
    }
}

/// Input that takes 20 ms of the loop's thread, during which the loop's time stands still, and
/// that has set a timer for every millisecond before.
private final class SlowInput {
    private let descriptor: Int32
    private let loop: EventLoop
    private let after: () -> Void
    private var poll: PollHandle?

    init(_ descriptor: Int32, on loop: EventLoop, after: @escaping () -> Void) {
        self.descriptor = descriptor
        self.loop = loop
        self.after = after
    }

    func watch() {
        let handle = try? PollHandle(
            descriptor, .readable, on: loop, onReady: { self.ready() }, onLoopStop: {})
        poll = handle
        handle?.start()
    }

    private func ready() {
        poll?.close()
        poll = nil
        close(descriptor)
        let begin = loop.now.nanoseconds
        tick()
        var time = timespec()
        repeat {
            clock_gettime(CLOCK_MONOTONIC, &time)
        } while UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec) < begin + 20_000_000
        after()
    }

    private func tick() { loop.schedule(afterNanoseconds: 1_000_000) { self.tick() } }
}
