// What a compaction leaves, on disk and to read, and when.

import API
import Testing

@testable import Storage

extension StoreHarness {
    /// The records on disk as of the last commit: `2.0 a`, and `3.0t a` for a deletion.
    func recordsOnDisk() throws -> [String] {
        try read { store in
            var records: [String] = []
            try store.forEachRecord(from: RevisionPosition(main: Revision(0), sub: 0)) { record in
                let place = record.key.position
                let kind = record.key.isTombstone ? "t" : ""
                let key = String(decoding: record.userKey, as: UTF8.self)
                records.append("\(place.main.rawValue).\(place.sub)\(kind) \(key)")
                return true
            }
            return records
        }
    }

    func compact(_ revision: Int64) throws {
        try apply { try $0.compact(to: Revision(revision)) }
    }

    func meta(_ name: [UInt8]) throws -> Int64? {
        try read { store in
            var found: Int64?
            try store.scan(.meta) { key, value in
                if key.elementsEqual(name) {
                    found = RecordKey(decoding: value)?.position.main.rawValue
                }
                return true
            }
            return found
        }
    }
}

@Suite("A compaction")
struct StoreCompactionTests {
    /// a is put at 2 and 3, b at 4 and deleted at 5, c put at 6 and deleted at 7, a put at 8.
    private func filled() throws -> StoreHarness {
        let harness = try StoreHarness()
        for (key, value) in [("a", "1"), ("a", "2"), ("b", "1")] {
            try harness.apply { _ = try $0.put(key, value) }
        }
        try harness.apply { _ = try $0.delete(KeyRange("b")) }
        try harness.apply { _ = try $0.put("c", "1") }
        try harness.apply { _ = try $0.delete(KeyRange("c")) }
        try harness.apply { _ = try $0.put("a", "3") }
        return harness
    }

    @Test("leaves the newest put of each key, and a deletion at its own revision")
    func leaves() throws {
        let harness = try filled()
        try harness.compact(7)
        harness.finishCommits()
        #expect(try harness.recordsOnDisk() == ["3.0 a", "7.0t c", "8.0 a"])
        #expect(try harness.meta(MetaKey.scheduledCompaction) == 7)
        #expect(try harness.meta(MetaKey.finishedCompaction) == 7)

        try harness.compact(8)
        harness.finishCommits()
        #expect(try harness.recordsOnDisk() == ["8.0 a"])
    }

    @Test("refuses what was compacted, and what is still to come; the first may be at 0")
    func refuses() throws {
        let harness = try filled()
        #expect(throws: StoreError.compacted(oldest: Revision(-1))) { try harness.compact(-1) }
        #expect(throws: StoreError.futureRevision(newest: Revision(8))) { try harness.compact(9) }
        try harness.compact(0)
        #expect(throws: StoreError.compacted(oldest: Revision(0))) { try harness.compact(0) }
        try harness.compact(8)
        #expect(throws: StoreError.compacted(oldest: Revision(8))) { try harness.compact(8) }
        harness.finishCommits()
        #expect(try harness.recordsOnDisk() == ["8.0 a"])
    }

    @Test("refuses older revisions from its entry on, before anything is deleted")
    func refusesAtOnce() throws {
        let harness = try filled()
        harness.commit()
        try harness.compact(6)
        #expect(throws: StoreError.compacted(oldest: Revision(6))) {
            try harness.read { try $0.pairs(KeyRange("a"), RangeQuery(revision: Revision(5))) }
        }
        let pairs = try harness.read {
            try $0.pairs(KeyRange("a.."), RangeQuery(revision: Revision(6))).pairs
        }
        #expect(pairs.map(\.description) == ["a=2 2 3 2", "c=1 6 6 1"])
        #expect(try harness.recordsOnDisk().count == 7)
    }
}
