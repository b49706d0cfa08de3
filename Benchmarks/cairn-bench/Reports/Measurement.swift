// The figures of one workload on one server.

import Foundation

/// What is printed, and with `--json` written.
struct Measurement: Codable {
    let server: String
    let workload: Workload
    /// Answered in order.
    let requests: Int
    let failures: Int
    let firstFailure: String?
    let seconds: Double
    let requestsPerSecond: Double
    let latencyMicroseconds: Percentiles
    /// CPU of the server for each answered request; nil when its process is not to be seen.
    let cpuMicroseconds: Double?
    /// The same by thread name.
    let threadMicroseconds: [String: Double]?
    /// CPU of the generator for each answered request.
    let clientCPUMicroseconds: Double
    /// Once the last request was answered.
    let residentBytes: Int?
    let anonymousBytes: Int?

    struct Percentiles: Codable {
        let p50: Double
        let p90: Double
        let p99: Double
        let p999: Double
        let max: Double
    }

    init(
        server: String, workload: Workload, outcome: PhaseOutcome, spent: ProcessUsage?,
        clientCPUSeconds: Double
    ) {
        self.server = server
        self.workload = workload
        requests = outcome.answered
        failures = outcome.failed
        firstFailure = outcome.firstFailure
        seconds = outcome.seconds
        requestsPerSecond = seconds > 0 ? Double(requests) / seconds : 0
        let latencies = outcome.latencies
        latencyMicroseconds = Percentiles(
            p50: latencies.microseconds(at: 50), p90: latencies.microseconds(at: 90),
            p99: latencies.microseconds(at: 99), p999: latencies.microseconds(at: 99.9),
            max: Double(latencies.maxRecorded) / 1000)
        let count = Double(max(requests, 1))
        cpuMicroseconds = spent.map { $0.cpuSeconds * 1e6 / count }
        threadMicroseconds = spent.map { $0.threads.mapValues { $0 * 1e6 / count } }
        clientCPUMicroseconds = clientCPUSeconds * 1e6 / count
        residentBytes = spent?.residentBytes
        anonymousBytes = spent?.anonymousBytes
    }
}
