// What happened, as text to read and as a number to compare.
//
// Every step goes into a running hash, and so does every line: two runs with the same hash did the
// same in the same order. Lines are kept as the last few of each member, or all of them.

/// The record of a run.
public final class Trace: @unchecked Sendable {
    /// Whether all lines are kept, or the last of each source only.
    public let keepsAll: Bool
    private let lastLines: Int
    public private(set) var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    weak var kernel: SimKernel?
    /// Where this run keeps its files.
    var hidden: String?

    public struct Line: Sendable {
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
    private var all: [Line] = []
    private var last: [String: [Line]] = [:]

    public init(keepsAll: Bool = false, lastLines: Int = 40) {
        self.keepsAll = keepsAll
        self.lastLines = lastLines
    }

    func stepped(_ executor: Int) { mix(UInt64(truncatingIfNeeded: executor)) }

    func mix(_ value: UInt64) {
        hash = (hash ^ value ^ (kernel?.time ?? 0)) &* 0x0000_0100_0000_01B3
        hash ^= hash >> 29
    }

    /// - Parameter text: without what differs from run to run, such as the name of a directory.
    func add(_ source: String, _ text: String) {
        var text = text
        if let hidden, text.utf8.count > hidden.utf8.count, text.contains(hidden) {
            text.replace(hidden, with: "DATA")
        }
        for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        let line = Line(
            time: kernel?.time ?? 0, step: kernel?.steps ?? 0, source: source, text: text)
        if keepsAll { return all.append(line) }
        last[source, default: []].append(line)
        if last[source, default: []].count >= 2 * lastLines {
            last[source]?.removeFirst(lastLines)
        }
    }

    /// In the order of time: all lines, or the last of each source.
    public var lines: [Line] {
        if keepsAll { return all }
        let kept = last.keys.sorted().flatMap { last[$0, default: []].suffix(lastLines) }
        return kept.enumerated()
            .sorted { ($0.element.time, $0.element.step, $0.offset)
                < ($1.element.time, $1.element.step, $1.offset) }
            .map(\.element)
    }
}
