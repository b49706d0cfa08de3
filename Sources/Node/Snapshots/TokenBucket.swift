// A rate, kept over time: what was not used of a moment counts for the next, up to a bound.

import API

/// How many bytes may go now.
struct TokenBucket {
    private let bytesPerSecond: UInt64
    private let capacity: Int64
    /// Below zero: what went too early.
    private var tokens: Int64
    private var since: MonotonicTime

    /// - Parameter bytesPerSecond: above 0.
    /// - Parameter capacity: bytes that may go at once after a pause.
    init(bytesPerSecond: UInt64, capacity: Int64, now: MonotonicTime) {
        self.bytesPerSecond = bytesPerSecond
        self.capacity = capacity
        tokens = capacity
        since = now
    }

    /// Nanoseconds until something may go; 0 for now.
    mutating func wait(_ now: MonotonicTime) -> UInt64 {
        let passed = min(now.nanoseconds(since: since), 1_000_000_000)
        let (seconds, rest) = (passed / 1_000_000_000, passed % 1_000_000_000)
        let gained = seconds * bytesPerSecond + rest * bytesPerSecond / 1_000_000_000
        if gained > 0 {
            tokens = min(capacity, tokens + Int64(clamping: gained))
            since = now
        }
        guard tokens <= 0 else { return 0 }
        return 1 + UInt64(-tokens) * 1_000_000_000 / bytesPerSecond
    }

    /// So much goes. It may be more than there is: then the next waits the longer.
    mutating func take(_ bytes: Int) { tokens -= Int64(bytes) }
}
