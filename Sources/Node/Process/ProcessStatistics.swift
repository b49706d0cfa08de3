// What the kernel knows of this process, from /proc.

import Glibc

/// Figures of the running process.
public struct ProcessStatistics: Sendable {
    /// User and system time.
    public let cpuSeconds: Double
    public let residentBytes: Int64
    public let virtualBytes: Int64
    /// Unix time.
    public let startSeconds: Double

    /// nil where /proc cannot be read.
    public static func current() -> Self? {
        guard let stat = readSmallFile("/proc/self/stat"),
            let boot = readSmallFile("/proc/stat"), let bootSeconds = bootTime(boot)
        else { return nil }
        return Self(
            stat: stat, bootSeconds: bootSeconds,
            ticksPerSecond: Double(sysconf(Int32(_SC_CLK_TCK))),
            pageBytes: Int64(sysconf(Int32(_SC_PAGESIZE))))
    }

    /// From the text of /proc/self/stat (proc(5)); nil if it is not of that form. The name in
    /// brackets may hold anything, brackets and spaces too.
    init?(stat: String, bootSeconds: Double, ticksPerSecond: Double, pageBytes: Int64) {
        guard let bracket = stat.lastIndex(of: ")") else { return nil }
        // The first field after the name is number 3, the state.
        let fields = stat[bracket...].dropFirst().split(separator: " ")
        func field(_ number: Int) -> Double? {
            fields.indices.contains(number - 3) ? Double(fields[number - 3]) : nil
        }
        guard let user = field(14), let system = field(15), let started = field(22),
            let virtual = field(23), let pages = field(24)
        else { return nil }
        cpuSeconds = (user + system) / ticksPerSecond
        startSeconds = bootSeconds + started / ticksPerSecond
        virtualBytes = Int64(virtual)
        residentBytes = Int64(pages) * pageBytes
    }

    private static func bootTime(_ text: String) -> Double? {
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix("btime ") })
        else { return nil }
        return Double(line.dropFirst(6))
    }
}

/// The text of a file that is made on reading, as those of /proc are; nil if it cannot be read.
func readSmallFile(_ path: String) -> String? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var text: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    while true {
        let count = read(file, &chunk, chunk.count)
        if count < 0, errno == EINTR { continue }
        guard count >= 0 else { return nil }
        if count == 0 { return String(decoding: text, as: UTF8.self) }
        text.append(contentsOf: chunk[..<count])
    }
}
