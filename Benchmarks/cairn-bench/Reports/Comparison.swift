// One table of what was measured on several servers, and the ratios that matter.

import Foundation

/// The same workloads on each server.
struct Comparison: Codable {
    /// Memory of a server at rest, before any load.
    struct Idle: Codable {
        let server: String
        let residentBytes: Int
        let anonymousBytes: Int
    }

    var measurements: [Measurement] = []
    var idle: [Idle] = []

    /// - Parameter subject: the server that is compared with the others.
    func text(subject: String) -> String {
        var parts = [figures.text]
        let ratios = ratios(of: subject)
        if ratios.rows.count > 1 { parts.append(ratios.text) }
        if !idle.isEmpty { parts.append(idleTable.text) }
        if !failures.isEmpty { parts.append(failures.joined(separator: "\n")) }
        return parts.joined(separator: "\n\n")
    }

    private var figures: TextTable {
        var rows = [
            [
                "workload", "server", "requests/s", "p50 us", "p99 us", "CPU us/req", "RSS MiB",
                "failed",
            ]
        ]
        for m in grouped {
            rows.append([
                m.workload.title, m.server, .whole(m.requestsPerSecond),
                .whole(m.latencyMicroseconds.p50), .whole(m.latencyMicroseconds.p99),
                m.cpuMicroseconds.map(String.tenth) ?? "-",
                m.residentBytes.map(String.mebibytes) ?? "-", String(m.failures),
            ])
        }
        return TextTable(rows: rows)
    }

    /// Servers beside each other for each workload, workloads in the order they ran.
    private var grouped: [Measurement] {
        var titles: [String] = []
        for m in measurements where !titles.contains(m.workload.title) {
            titles.append(m.workload.title)
        }
        return titles.flatMap { title in measurements.filter { $0.workload.title == title } }
    }

    /// How `subject` stands to each other server in the same workload of the same run.
    private func ratios(of subject: String) -> TextTable {
        var rows = [["workload", "ratio", "requests/s", "p50", "p99", "CPU/req", "RSS"]]
        for own in grouped where own.server == subject {
            for rival in grouped
            where rival.server != subject && rival.workload.title == own.workload.title {
                rows.append([
                    own.workload.title, "\(own.server) / \(rival.server)",
                    .ratio(own.requestsPerSecond, rival.requestsPerSecond),
                    .ratio(own.latencyMicroseconds.p50, rival.latencyMicroseconds.p50),
                    .ratio(own.latencyMicroseconds.p99, rival.latencyMicroseconds.p99),
                    .ratio(own.cpuMicroseconds, rival.cpuMicroseconds),
                    .ratio(
                        own.residentBytes.map(Double.init), rival.residentBytes.map(Double.init)),
                ])
            }
        }
        return TextTable(rows: rows)
    }

    private var idleTable: TextTable {
        let rows = idle.map {
            [$0.server, .mebibytes($0.residentBytes), .mebibytes($0.anonymousBytes)]
        }
        return TextTable(
            rows: [["at rest, before load", "RSS MiB", "of it not files"]] + rows, leading: 1)
    }

    private var failures: [String] {
        measurements.compactMap { m in
            m.firstFailure.map {
                "\(m.server), \(m.workload.title): \(m.failures) failed, the first: \($0)"
            }
        }
    }
}

extension Comparison {
    /// For each server and workload the pass with the median throughput.
    init(medianOf passes: [Comparison]) {
        guard let first = passes.first else { return }
        idle = first.idle
        for (place, _) in first.measurements.enumerated() {
            let ordered = passes.map { $0.measurements[place] }
                .sorted { $0.requestsPerSecond < $1.requestsPerSecond }
            measurements.append(ordered[ordered.count / 2])
        }
    }
}
