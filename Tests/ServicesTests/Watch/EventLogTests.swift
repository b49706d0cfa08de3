import API
import Testing

@testable import Services

@Suite("Events in the shared log")
struct EventLogTests {
    private func append(
        _ log: EventLog, _ revision: Int64, _ value: String, previous: String? = nil
    ) -> Int {
        let record = pair("k", value)
        return record.withUnsafeBytes { record in
            (previous.map { $0.isEmpty ? [] : pair("k", $0) }).map { previous in
                previous.withUnsafeBytes {
                    log.append(
                        Revision(revision), isDelete: false, encoded: record, previous: $0)
                }
            } ?? log.append(Revision(revision), isDelete: false, encoded: record, previous: nil)
        }
    }

    private func pair(_ key: String, _ value: String) -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.appendField(1, string: key)
        buffer.appendField(5, string: value)
        return buffer.array
    }

    @Test("are numbered on, and keep their numbers when older ones go")
    func numbers() {
        let log = EventLog(limitBytes: 1000)
        var numbers: [Int] = []
        for revision in 2...40 { numbers.append(append(log, Int64(revision), "value")) }
        #expect(numbers == Array(0..<39))
        #expect(log.bytes <= 1000)
        #expect(log.first > 0 && log.end == 39)
        #expect(log.evictedThrough == Revision(Int64(log.first) + 1))
        #expect(log[38].revision == Revision(40))
        #expect(log[log.first].revision == Revision(Int64(log.first) + 2))
    }

    @Test("the newest stays, however large it is")
    func large() {
        let log = EventLog(limitBytes: 1000)
        _ = append(log, 2, "small")
        let number = append(log, 3, String(repeating: "x", count: 5000))
        #expect(log.count == 1 && log[number].revision == Revision(3))
        #expect(log.evictedThrough == Revision(2))
    }

    @Test("lie in the forms that were asked for")
    func forms() {
        let log = EventLog(limitBytes: 100_000)
        let plain = log[append(log, 2, "new")]
        let both = log[append(log, 3, "new", previous: "old")]
        let first = log[append(log, 4, "new", previous: "")]
        let bare = [UInt8](plain.encoded(withPrevious: false))
        #expect([UInt8](both.encoded(withPrevious: false)) == bare)
        #expect(both.encoded(withPrevious: true).count > bare.count)
        #expect([UInt8](first.encoded(withPrevious: true)) == bare, "there was none")
    }

    @Test("go all at once when nobody needs them, and numbers go on")
    func clear() {
        let log = EventLog(limitBytes: 100_000)
        for revision in 2...5 { _ = append(log, Int64(revision), "v") }
        log.removeAll()
        #expect(log.isEmpty && log.bytes == 0 && log.evictedThrough == Revision(0))
        #expect(append(log, 6, "v") == 4)
    }
}
