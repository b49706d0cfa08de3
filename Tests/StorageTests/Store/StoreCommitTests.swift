import API
import Testing

@testable import Storage

@Suite("Commits gather, run one at a time, and never hold up an apply or a read")
struct StoreCommitTests {
    @Test("What was applied is committed once the batch interval is over, in one transaction")
    func interval() throws {
        let harness = try StoreHarness()
        for value in ["1", "2", "3"] { try harness.apply { _ = try $0.put("a", value) } }
        harness.core.advance(milliseconds: 99)
        #expect(harness.disk.backlog == 0)
        harness.core.advance(milliseconds: 1)
        #expect(harness.disk.backlog == 1)
        harness.finishCommits()
        #expect(harness.read { $0.durable.index } == LogIndex(3))
        harness.core.advance(milliseconds: 1000)
        #expect(harness.disk.backlog == 0, "nothing new, nothing to commit")
    }

    @Test("So many writes start a commit at once; the next waits until it is done")
    func batchLimit() throws {
        let harness = try StoreHarness { $0.batchLimit = 3 }
        for _ in 1...3 { try harness.apply { _ = try $0.put("a", "1") } }
        #expect(harness.disk.backlog == 1)
        for _ in 4...9 { try harness.apply { _ = try $0.put("a", "1") } }
        harness.core.advance(milliseconds: 500)
        #expect(harness.disk.backlog == 1, "one commit in flight")
        harness.disk.run()
        harness.core.run()
        #expect(harness.read { $0.durable.index } == LogIndex(3))
        #expect(harness.disk.backlog == 1, "enough gathered meanwhile for the next")
        harness.finishCommits()
        #expect(harness.read { $0.durable.index } == LogIndex(9))
    }

    @Test("So many bytes start a commit; so many more behind it make the store saturated")
    func saturation() throws {
        let harness = try StoreHarness {
            $0.batchBytes = 1000
            $0.saturationBytes = 3000
        }
        let value = String(repeating: "x", count: 1000)
        try harness.apply { _ = try $0.put("a", value) }
        #expect(harness.disk.backlog == 1)
        for key in ["b", "c"] { try harness.apply { _ = try $0.put(key, value) } }
        #expect(!harness.read { $0.isSaturated })
        try harness.apply { _ = try $0.put("d", value) }
        #expect(harness.read { $0.isSaturated })
        harness.disk.run()
        harness.core.run()
        #expect(!harness.read { $0.isSaturated }, "the next commit has taken what gathered")
    }

    @Test("Bytes of other tables count like those of revisions")
    func bytesOfOtherTables() throws {
        let harness = try StoreHarness { $0.batchBytes = 1000 }
        try harness.apply {
            try $0.write(.lease, key: [1], value: [UInt8](repeating: 0, count: 1000))
        }
        #expect(harness.disk.backlog == 1)
    }

    @Test("An entry without changes moves the consistent index, and no revision")
    func emptyEntry() throws {
        let harness = try StoreHarness()
        try harness.apply { _ in }
        harness.commit()
        #expect(harness.read { $0.durable.index } == LogIndex(1))
        #expect(harness.read { $0.revision } == .initial)
    }

    @Test("A flush calls back once all that was applied before it is durable, not earlier")
    func flush() throws {
        let harness = try StoreHarness()
        let told = Answer<BackendError?>()
        harness.read { $0.flush { told.values.append($0) } }
        #expect(told.values == [nil], "nothing to wait for")
        try harness.apply { _ = try $0.put("a", "1") }
        harness.core.advance(milliseconds: 100)  // this commit is on its way
        try harness.apply { _ = try $0.put("a", "2") }
        harness.read { $0.flush { told.values.append($0) } }
        harness.disk.run()
        harness.core.run()
        #expect(harness.read { $0.durable.index } == LogIndex(1))
        #expect(told.values.count == 1, "the second entry is still in memory")
        harness.disk.run()
        harness.core.run()
        #expect(told.values == [nil, nil])
    }

    @Test("The observer hears how far the file reaches and how long it took")
    func observer() throws {
        let harness = try StoreHarness()
        let heard = Answer<CommitEvent>()
        harness.read { $0.observeCommits { heard.values.append($0) } }
        try harness.apply { _ = try $0.put("a", "1") }
        harness.startCommit()
        harness.core.advance(milliseconds: 7)
        harness.finishCommits()
        guard case .committed(let state, let nanoseconds) = try #require(heard.values.first) else {
            Issue.record("\(heard.values)")
            return
        }
        #expect(state.index == LogIndex(1))
        #expect(state.size.inUse > 0)
        #expect(nanoseconds == 7_000_000)
    }

    @Test("After a failed commit nothing is applied, reads go on, and the file is as before it")
    func failedCommit() throws {
        let harness = try StoreHarness(mapBytes: 1 << 20)
        let heard = Answer<CommitEvent>()
        let flushed = Answer<BackendError?>()
        try harness.apply { _ = try $0.put("a", "1") }
        harness.commit()
        harness.read { $0.observeCommits { heard.values.append($0) } }
        let large = String(repeating: "x", count: 1 << 20)
        try harness.apply { _ = try $0.put("a", large) }
        harness.read { $0.flush { flushed.values.append($0) } }
        harness.finishCommits()

        guard case .failed(let error) = try #require(heard.values.first) else {
            Issue.record("\(heard.values)")
            return
        }
        #expect(error.kind == .mapFull)
        #expect(flushed.values == [error])
        #expect(harness.read { $0.failure } == error)
        let refused = #expect(throws: StoreError.self) {
            try harness.read { try $0.beginApply(at: LogIndex(3), term: Term(7)) }
        }
        #expect(refused == .backend(error))
        let values = try harness.read { try $0.pairs(KeyRange("a")).pairs.map(\.value.count) }
        #expect(values == [1 << 20])

        try harness.crash()
        #expect(harness.summary.consistentIndex == LogIndex(1))
        #expect(try harness.read { "\(try $0.pairs(KeyRange("a")).pairs)" } == "[a=1 2 2 1]")
    }
}
