// A stretch of load: filling the key space, warming up, measuring.

import Histogram

/// The requests of one client loop in one phase.
struct Phase: Sendable {
    var workload: Workload
    /// Requests to send, unless `deadline` comes first.
    var requests: Int
    /// Monotonic nanoseconds.
    var deadline = UInt64.max
    var source: RequestSource
    /// Whether the pacer says when, instead of the answers.
    var isPaced = false
}

/// How long calls took, in nanoseconds.
typealias Latencies = Histogram<UInt64>

extension Latencies {
    /// Half a microsecond up to a minute, to three digits.
    static let longest: UInt64 = 60_000_000_000
    static func empty() -> Latencies {
        Latencies(
            lowestDiscernibleValue: 500, highestTrackableValue: longest,
            numberOfSignificantValueDigits: .three)
    }

    func microseconds(at percentile: Double) -> Double {
        Double(valueAtPercentile(percentile)) / 1000
    }
}

/// What came of a phase.
struct PhaseOutcome: Sendable {
    /// Answered in order.
    var answered = 0
    var failed = 0
    /// What the first that failed said.
    var firstFailure: String?
    var latencies = Latencies.empty()
    /// Monotonic nanoseconds: when the first request went and the last answer came.
    var start = UInt64.max
    var end: UInt64 = 0

    var seconds: Double { end > start ? Double(end - start) / 1e9 : 0 }

    mutating func add(_ other: PhaseOutcome) {
        answered += other.answered
        failed += other.failed
        firstFailure = firstFailure ?? other.firstFailure
        latencies.add(other.latencies)
        start = min(start, other.start)
        end = max(end, other.end)
    }
}
