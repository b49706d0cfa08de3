// The clock of the open loop.
//
// A thread of its own sleeps from one due time to the next: the loop's timers count milliseconds.
// Beyond a few thousand requests a second they fall due in small batches, so that the pacer does
// not spend what is measured.

import Foundation

/// Sends requests at a constant rate, whatever becomes of them.
enum Pacer {
    private static let shortestPause = 500_000.0

    /// Tells `client`, from a thread that ends by itself, what is due from now on.
    static func start(_ client: ClientLoop, rate: Double, requests: Int, deadline: UInt64) {
        let thread = Thread {
            let start = Double(monotonicNanoseconds())
            let pause = max(1e9 / rate, shortestPause)
            var told = 0
            var tick = 0.0
            while told < requests {
                let time = UInt64(start + tick * pause)
                guard time < deadline else { break }
                sleep(until: time)
                // The first is due at once.
                let count = min(Int(tick * pause * rate / 1e9 + 1e-6) + 1, requests) - told
                told += count
                client.loop.post { client.came(due: count, at: time) }
                tick += 1
            }
            client.loop.post { client.pacerEnded() }
        }
        thread.start()
    }

    private static func sleep(until nanoseconds: UInt64) {
        var time = timespec(
            tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
        while clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nil) == EINTR {}
    }
}
