// What a process has spent, as its kernel counts it (proc(5)).

import Foundation

/// Figures of one process at one moment.
struct ProcessUsage {
    /// User and system time of all threads.
    var cpuSeconds: Double
    /// Pages in memory, of files too.
    var residentBytes: Int
    /// Pages in memory that no file backs.
    var anonymousBytes: Int
    /// CPU seconds of the threads that live, by thread name.
    var threads: [String: Double]

    /// - Returns: nil when there is no such process or no /proc.
    init?(of process: Int32) {
        guard let stat = Self.read("/proc/\(process)/stat"),
            let status = Self.read("/proc/\(process)/status"),
            // The second field, the name in brackets, may hold blanks.
            let afterName = stat.lastIndex(of: ")")
        else { return nil }
        let fields = stat[afterName...].split(separator: " ")
        guard fields.count > 13, let user = Double(fields[12]), let system = Double(fields[13])
        else { return nil }
        cpuSeconds = (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
        residentBytes = Self.kibibytes("VmRSS", in: status) * 1024
        anonymousBytes = Self.kibibytes("RssAnon", in: status) * 1024
        threads = Self.threads(of: process)
    }

    /// That of several processes together; nil when one of them is gone.
    init?(sumOf processes: [Int32]) {
        let usages = processes.compactMap { ProcessUsage(of: $0) }
        guard usages.count == processes.count, var sum = usages.first else { return nil }
        for usage in usages.dropFirst() {
            sum.cpuSeconds += usage.cpuSeconds
            sum.residentBytes += usage.residentBytes
            sum.anonymousBytes += usage.anonymousBytes
            sum.threads.merge(usage.threads, uniquingKeysWith: +)
        }
        self = sum
    }

    /// What was spent since `earlier`.
    func spent(since earlier: ProcessUsage) -> ProcessUsage {
        var spent = self
        spent.cpuSeconds -= earlier.cpuSeconds
        spent.threads = threads.reduce(into: [:]) { spent, thread in
            spent[thread.key] = thread.value - (earlier.threads[thread.key] ?? 0)
        }
        // Ticks of 10 ms are coarse for a short run; the scheduler's own figures are not. They
        // lack threads that have ended, which only makes the ticks the larger.
        let precise = spent.threads.values.reduce(0, +)
        if abs(precise - spent.cpuSeconds) < 0.05 { spent.cpuSeconds = precise }
        return spent
    }

    private static func threads(of process: Int32) -> [String: Double] {
        let folder = "/proc/\(process)/task"
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        var threads: [String: Double] = [:]
        for task in tasks {
            guard let name = read("\(folder)/\(task)/comm"),
                let time = read("\(folder)/\(task)/schedstat")?.split(separator: " ").first,
                let nanoseconds = Double(time)
            else { continue }
            threads[String(name.dropLast()), default: 0] += nanoseconds / 1e9
        }
        return threads
    }

    private static func read(_ path: String) -> String? {
        try? String(contentsOfFile: path, encoding: .utf8)
    }

    private static func kibibytes(_ name: String, in status: String) -> Int {
        for line in status.split(separator: "\n") where line.hasPrefix(name + ":") {
            return line.split(separator: " ").compactMap { Int($0) }.first ?? 0
        }
        return 0
    }
}
