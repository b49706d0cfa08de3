// What a server process has spent, as its kernel counts it (proc(5)).

import Foundation

/// Figures of one process at one moment.
struct ProcessUsage {
    /// User and system time of all threads.
    var cpuSeconds: Double
    /// Pages in memory, of files too.
    var residentBytes: Int
    /// Pages in memory that no file backs.
    var anonymousBytes: Int

    /// - Returns: nil when there is no such process or no /proc.
    init?(of process: Int32) {
        guard let stat = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
            let status = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8),
            // The second field, the name in brackets, may hold blanks.
            let afterName = stat.lastIndex(of: ")")
        else { return nil }
        let fields = stat[afterName...].split(separator: " ")
        guard fields.count > 13, let user = Double(fields[12]), let system = Double(fields[13])
        else { return nil }
        cpuSeconds = (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
        residentBytes = Self.kibibytes("VmRSS", in: status) * 1024
        anonymousBytes = Self.kibibytes("RssAnon", in: status) * 1024
    }

    private static func kibibytes(_ name: String, in status: String) -> Int {
        for line in status.split(separator: "\n") where line.hasPrefix(name + ":") {
            return line.split(separator: " ").compactMap { Int($0) }.first ?? 0
        }
        return 0
    }
}
