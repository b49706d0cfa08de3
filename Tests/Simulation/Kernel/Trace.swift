// What happened, as text to read and as a number to compare.
//
// Every step goes into a running hash, and so do the lines of members and faults: two runs with the
// same hash did the same in the same order. What clients say of their calls is made into text only
// if somebody wants to read it, for that takes as long as the calls.

import Glibc

/// The record of a run.
public final class Trace: @unchecked Sendable {
    /// Whether somebody will read it: the lines of clients are there too.
    let isDetailed: Bool
    /// All lines go there, at once.
    private let file: UnsafeMutablePointer<FILE>?
    private let lastLines: Int
    public private(set) var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    /// The kernel's, which sets them: a reference to it, weak, would cost every step.
    var time: UInt64 = 1_000_000_000
    var step: UInt64 = 0
    let counts = RunCounts()
    /// Where this run keeps its files.
    var hidden: String?

    public struct Line: Sendable {
        let number: Int
        let time: UInt64
        let step: UInt64
        let source: String
        let text: String

        /// Milliseconds since the start, the step, who, what.
        public var description: String {
            let micros = (time - 1_000_000_000) / 1000
            let fraction = String(micros % 1_000_000)
            let padded = String(repeating: "0", count: 6 - fraction.count) + fraction
            return "\(micros / 1_000_000).\(padded) #\(step) \(source): \(text)"
        }
    }
    private var last: [String: [Line]] = [:]
    private var count = 0

    /// - Parameter path: of a file that takes all lines.
    public init(isDetailed: Bool = false, path: String? = nil, lastLines: Int = 40) {
        self.isDetailed = isDetailed || path != nil
        self.lastLines = lastLines
        file = path.flatMap { fopen($0, "w") }
        // What was written is there when the process ends of itself.
        if let file { setvbuf(file, nil, _IOLBF, 1 << 16) }
    }

    deinit { if let file { fclose(file) } }

    func stepped(_ executor: Int) { mix(UInt64(truncatingIfNeeded: executor)) }

    func mix(_ value: UInt64) {
        hash = (hash ^ value ^ time) &* 0x0000_0100_0000_01B3
        hash ^= hash >> 29
    }

    /// - Parameter text: without what differs from run to run, such as the name of a directory.
    func add(_ source: String, _ text: String) {
        let text = shown(text)
        for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        keep(source, text)
    }

    /// By bytes, as this is asked of every line.
    private func shown(_ text: String) -> String {
        guard let part = hidden else { return text }
        var shown: String?
        text.withCString { line in
            var rest = line
            while let found = strstr(rest, part) {
                let before = UnsafeRawBufferPointer(
                    start: rest, count: found - UnsafeMutablePointer(mutating: rest))
                shown = (shown ?? "") + String(decoding: before, as: UTF8.self) + "DATA"
                rest = UnsafePointer(found + part.utf8.count)
            }
            shown? += String(cString: rest)
        }
        return shown ?? text
    }

    /// As `add`, for what is said so often that it is made into text only to be read.
    func addDetail(_ source: String, _ text: () -> String) {
        mix(1)
        if isDetailed { keep(source, shown(text())) }
    }

    private func keep(_ source: String, _ text: String) {
        count += 1
        let line = Line(
            number: count, time: time, step: step, source: source,
            text: text)
        if let file { fputs(line.description + "\n", file) }
        last[source, default: []].append(line)
        if last[source, default: []].count >= 2 * lastLines {
            last[source]?.removeFirst(lastLines)
        }
    }

    /// The last lines of each source, in the order they came.
    public var lines: [Line] {
        last.values.flatMap { $0.suffix(lastLines) }.sorted { $0.number < $1.number }
    }
}
