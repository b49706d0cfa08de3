// What a process says on its standard error, line by line, for those who wait for a certain line.

import Foundation

/// Collects the lines of a pipe on a thread of its own, so that the writer never waits.
///
/// `@unchecked Sendable`: the state is touched under `condition` only.
final class LogCollector: @unchecked Sendable {
    private let condition = NSCondition()
    private var collected: [String] = []
    private var hasEnded = false

    init(_ handle: FileHandle) {
        Thread.detachNewThread { [self] in
            var rest = Data()
            while true {
                let more = handle.availableData
                if more.isEmpty { break }
                rest.append(more)
                while let end = rest.firstIndex(of: 0x0A) {
                    add(String(decoding: rest[rest.startIndex..<end], as: UTF8.self))
                    rest = Data(rest[rest.index(after: end)...])
                }
            }
            if !rest.isEmpty { add(String(decoding: rest, as: UTF8.self)) }
            condition.withLock {
                hasEnded = true
                condition.broadcast()
            }
        }
    }

    private func add(_ line: String) {
        condition.withLock {
            collected.append(line)
            condition.broadcast()
        }
    }

    /// The lines up to now.
    var lines: [String] { condition.withLock { collected } }

    /// Waits for the first line that contains `text`.
    /// - Returns: the lines up to and with it.
    /// - Throws: `ProcessFailure` when the pipe ends first, or after half a minute.
    @discardableResult
    func wait(for text: String) throws -> [String] {
        try wait(
            until: { lines in
                lines.firstIndex { $0.contains(text) }.map { Array(lines[...$0]) }
            }, otherwise: { "no \"\(text)\"" })
    }

    /// Waits until so many more lines contain `text`.
    func wait(for text: String, times count: Int) throws {
        let before = lines.count
        _ = try wait(
            until: { lines in
                lines.dropFirst(before).filter { $0.contains(text) }.count >= count ? lines : nil
            }, otherwise: { "not \(count) of \"\(text)\"" })
    }

    /// Waits for the end of the pipe.
    /// - Returns: all lines.
    func waitForEnd() throws -> [String] {
        condition.lock()
        defer { condition.unlock() }
        let deadline = Date(timeIntervalSinceNow: 30)
        while !hasEnded {
            guard condition.wait(until: deadline) else {
                throw ProcessFailure(description: "the log goes on:\n" + text(collected))
            }
        }
        return collected
    }

    private func wait(
        until find: ([String]) -> [String]?, otherwise complaint: () -> String
    ) throws -> [String] {
        condition.lock()
        defer { condition.unlock() }
        let deadline = Date(timeIntervalSinceNow: 30)
        while true {
            if let found = find(collected) { return found }
            guard !hasEnded, condition.wait(until: deadline) else {
                throw ProcessFailure(description: complaint() + " in:\n" + text(collected))
            }
        }
    }

    private func text(_ lines: [String]) -> String { lines.joined(separator: "\n") }
}

/// A line of the log, read.
struct LogEntry {
    let level: String
    let message: String
    let fields: [String: Any]

    /// Nil when the line is no JSON object with a level and a message.
    init?(_ line: String) {
        guard
            let fields = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any],
            let level = fields["level"] as? String, let message = fields["msg"] as? String
        else { return nil }
        self.level = level
        self.message = message
        self.fields = fields
    }

    func text(_ field: String) -> String { fields[field] as? String ?? "" }
}
