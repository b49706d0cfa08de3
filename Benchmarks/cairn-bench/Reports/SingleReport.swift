// One measurement in full.

import Foundation

extension Measurement {
    var text: String {
        let l = latencyMicroseconds
        var rows = [
            ["requests", "\(requests) in \(String.hundredth(seconds)) s"],
            ["requests/s", .whole(requestsPerSecond)],
            ["failed", failures == 0 ? "0" : "\(failures), the first: \(firstFailure ?? "")"],
            ["p50", .tenth(l.p50) + " us"], ["p90", .tenth(l.p90) + " us"],
            ["p99", .tenth(l.p99) + " us"], ["p99.9", .tenth(l.p999) + " us"],
            ["max", .tenth(l.max) + " us"],
        ]
        if let cpuMicroseconds {
            rows.append(["server CPU", .hundredth(cpuMicroseconds) + " us/request"])
            for (name, spent) in (threadMicroseconds ?? [:]).sorted(by: { $0.value > $1.value })
            where spent >= 0.005 {
                rows.append(["  \(name)", .hundredth(spent) + " us/request"])
            }
        }
        rows.append(["generator CPU", .hundredth(clientCPUMicroseconds) + " us/request"])
        if let residentBytes, let anonymousBytes {
            rows.append([
                "server RSS",
                "\(String.mebibytes(residentBytes)) MiB, "
                    + "\(String.mebibytes(anonymousBytes)) MiB of it not files",
            ])
        }
        return "\(workload.title) on \(server)\n" + TextTable(rows: rows).text
    }
}

/// The JSON text of what was measured.
func json(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}
