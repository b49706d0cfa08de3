// What a server logs, read as it comes so that the server never waits for a full pipe.

import Foundation

/// `@unchecked Sendable`: the lines are under `condition`.
final class ProcessLog: @unchecked Sendable {
    private let condition = NSCondition()
    private var lines: [(at: UInt64, text: String)] = []
    private var rest = Data()
    private var hasEnded = false

    /// Reads to the end, on a thread of the system's.
    func read(_ handle: FileHandle) {
        handle.readabilityHandler = { [self] in
            let more = $0.availableData
            if more.isEmpty { $0.readabilityHandler = nil }
            add(more)
        }
    }

    private func add(_ more: Data) {
        let now = monotonicNanoseconds()
        condition.withLock {
            hasEnded = more.isEmpty
            rest.append(more)
            while let end = rest.firstIndex(of: 0x0A) {
                lines.append((now, String(decoding: rest[..<end], as: UTF8.self)))
                rest = Data(rest[rest.index(after: end)...])
            }
            condition.broadcast()
        }
    }

    /// All of it so far.
    var text: String { condition.withLock { lines.map(\.text).joined(separator: "\n") } }

    /// Waits for the first line that contains `text`.
    /// - Returns: when it came, in monotonic nanoseconds; nil when it does not within `seconds`, or
    ///   the server ends.
    func wait(for text: String, seconds: Double) -> UInt64? {
        condition.lock()
        defer { condition.unlock() }
        let deadline = Date(timeIntervalSinceNow: seconds)
        while true {
            if let line = lines.first(where: { $0.text.contains(text) }) { return line.at }
            guard !hasEnded, condition.wait(until: deadline) else { return nil }
        }
    }
}
