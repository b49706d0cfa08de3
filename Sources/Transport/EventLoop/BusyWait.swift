// Whether a thread that has run out of work should look for more before it sleeps.
//
// Two threads that answer each other in turns (a proposal, its sync, the next proposal) sleep for
// less time than a sleep costs: on a virtual machine, putting a processor to rest and waking it
// again takes tens of microseconds, on both sides. A thread that looks on for that long saves them.
// Measured on two virtual CPUs, one Put at a time: p50 148 us instead of 233, and 129 us of CPU
// instead of 141. But where work comes at leisure, looking is CPU thrown away (375 us per Put
// instead of 165 at 500 a second), so it is done only while the last waits were short.

/// A thread's memory of its last waits for work. Times are nanoseconds of one monotonic clock.
struct BusyWait {
    /// The longest that one wait may be spent looking; 0 for never.
    let window: UInt64
    /// When the present wait began.
    private var begin: UInt64?
    /// Short waits in a row, up to `trust`.
    private var shortWaits = 0

    /// Short waits in a row that make the next one worth a look.
    private static let trust = 2

    init(window: UInt64) { self.window = window }

    /// Work came: the present wait, if there is one, is over.
    mutating func workCame(at now: UInt64) {
        guard let begin else { return }
        self.begin = nil
        let isShort = now < begin + window
        shortWaits = isShort ? min(shortWaits + 1, Self.trust) : 0
    }

    /// There is nothing to do: whether to look for work again at once, or to sleep.
    mutating func shouldLook(at now: UInt64) -> Bool {
        let begin = begin ?? now
        self.begin = begin
        return shortWaits == Self.trust && now < begin + window
    }
}
