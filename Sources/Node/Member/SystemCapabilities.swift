// The system behind the capabilities of a member. Nothing else in Node, Services, Consensus,
// Storage or API asks the system for time or chance (Scripts/check-capabilities.sh).

import API
import Glibc
import Storage

extension MemberCapabilities {
    /// The system's.
    static func system(_ executors: MemberExecutors) -> Self {
        Self(
            executors: executors, files: SystemFiles(), clock: SystemClock(),
            random: SystemRandom(), stopwatch: { MonotonicTime.systemClock().nanoseconds },
            fail: exit)
    }

    /// What was wrong is in the log already.
    static let exit: @Sendable (_ reason: String) -> Never = { _ in Glibc.exit(1) }
}

/// The system's generator behind the capability. From any thread.
struct SystemRandom: RandomSource {
    func next() -> UInt64 {
        var generator = SystemRandomNumberGenerator()
        return generator.next()
    }
}

/// The calendar, from the kernel.
public struct SystemClock: WallClock {
    public init() {}
    public var nanosecondsSinceEpoch: UInt64 {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
    }
}
