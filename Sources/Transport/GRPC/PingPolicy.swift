// Which pings a server suffers (grpc-go, http2_server.go, handlePing).
//
// A ping that comes too early is a strike; more than two and the client must go. Whatever the
// server sends in between, DATA or HEADERS, forgives all strikes: a client that works may ping.

import API

struct PingPolicy {
    /// In nanoseconds.
    let minTime: UInt64
    private static let maxStrikes = 2
    /// Between pings on a connection without calls, in nanoseconds (grpc-go, defaultPingTimeout).
    private static let minTimeWithoutCalls: UInt64 = 7_200_000_000_000
    private var last: MonotonicTime?
    private var strikes = 0

    init(minTime: UInt64) { self.minTime = minTime }

    /// - Returns: whether the client is to be sent away with "too_many_pings".
    mutating func isTooMany(at now: MonotonicTime, hasSent: Bool, hasCalls: Bool) -> Bool {
        defer { last = now }
        if hasSent {
            strikes = 0
            return false
        }
        let bound = hasCalls ? minTime : Self.minTimeWithoutCalls
        if let last, now.nanoseconds(since: last) < bound { strikes += 1 }
        return strikes > Self.maxStrikes
    }
}
