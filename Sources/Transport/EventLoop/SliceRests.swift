// How a loop shares its processor between long work and requests.
//
// Long work that goes on without a pause keeps a processor busy for as long as it lasts. On a
// machine with few of them, whoever sends requests and whoever syncs the log then waits for the
// system to take that processor away, which takes milliseconds. So while requests come, the loop
// sleeps after each slice for as long as the slice took, or until there is input: long work takes
// half of the loop's time at most. While none come, it takes all.

/// When a loop with long work under way sleeps. Times are nanoseconds of one monotonic clock.
struct SliceRests {
    private var end: UInt64 = 0
    private var lastRequest: UInt64?

    /// Requests further apart than this do not slow long work down.
    static let requestInterval: UInt64 = 10_000_000
    /// However long a slice took, perhaps because the system let others run meanwhile.
    static let longest: UInt64 = 1_000_000

    mutating func requestCame(at now: UInt64) { lastRequest = now }

    mutating func sliceRan(from begin: UInt64, to end: UInt64) {
        self.end = end + min(end - begin, Self.longest)
    }

    /// How long to wait for input before the next slice; 0 to run it.
    func rest(at now: UInt64) -> UInt64 {
        guard now < end, let lastRequest, now < lastRequest + Self.requestInterval else { return 0 }
        return end - now
    }
}
