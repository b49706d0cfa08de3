// One table of what was measured, and the ratios that matter.

import Foundation

/// The outcome of one workload on one server.
struct Measurement {
    let server: String
    let workload: String
    let requests: Int
    let failures: Int
    let seconds: Double
    let p50Microseconds: Double
    let p99Microseconds: Double
    /// CPU the server spent on all of it; nil when its process is not to be seen.
    let serverCPUSeconds: Double?
    let residentBytes: Int?

    var requestsPerSecond: Double { Double(requests) / seconds }
    var cpuMicroseconds: Double? { serverCPUSeconds.map { $0 * 1e6 / Double(requests) } }
}

/// Prints measurements as aligned columns, ratios against `baseline` servers behind them.
struct Report {
    var measurements: [Measurement] = []
    /// Resident bytes of each server at rest, before any load.
    var idle: [(server: String, bytes: Int)] = []

    func print(subject: String) {
        var rows = [
            [
                "workload", "server", "requests/s", "p50 us", "p99 us", "CPU us/req", "RSS MiB",
                "failed",
            ]
        ]
        for m in measurements {
            rows.append([
                m.workload, m.server, whole(m.requestsPerSecond), whole(m.p50Microseconds),
                whole(m.p99Microseconds), m.cpuMicroseconds.map(tenth) ?? "-",
                m.residentBytes.map(mebibytes) ?? "-", String(m.failures),
            ])
        }
        table(rows)
        printRatios(subject: subject)
        if !idle.isEmpty {
            Swift.print("\nresident memory at rest")
            table(idle.map { [$0.server, mebibytes($0.bytes) + " MiB"] })
        }
    }

    /// How `subject` stands to each other server in the same workload of the same run.
    private func printRatios(subject: String) {
        var rows = [["workload", "ratio", "requests/s", "p50", "p99", "CPU/req"]]
        for own in measurements where own.server == subject {
            for rival in measurements
            where rival.server != subject && rival.workload == own.workload {
                var cpu = "-"
                if let a = own.cpuMicroseconds, let b = rival.cpuMicroseconds, b > 0 {
                    cpu = hundredth(a / b)
                }
                rows.append([
                    own.workload, "\(own.server) / \(rival.server)",
                    hundredth(own.requestsPerSecond / rival.requestsPerSecond),
                    hundredth(own.p50Microseconds / rival.p50Microseconds),
                    hundredth(own.p99Microseconds / rival.p99Microseconds), cpu,
                ])
            }
        }
        guard rows.count > 1 else { return }
        Swift.print("")
        table(rows)
    }

    private func table(_ rows: [[String]]) {
        guard let columns = rows.map(\.count).max() else { return }
        let widths = (0..<columns).map { column in
            rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
        }
        for row in rows {
            let cells = row.enumerated().map { column, cell in
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                return column < 2 ? cell + padding : padding + cell
            }
            Swift.print(cells.joined(separator: "  "))
        }
    }

    private func whole(_ value: Double) -> String { String(format: "%.0f", value) }
    private func tenth(_ value: Double) -> String { String(format: "%.1f", value) }
    private func hundredth(_ value: Double) -> String { String(format: "%.2f", value) }
    private func mebibytes(_ bytes: Int) -> String { tenth(Double(bytes) / 1_048_576) }
}
