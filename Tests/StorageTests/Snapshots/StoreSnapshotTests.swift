// A store's state, made into chunks, made into another store's state.

import API
import Foundation
import Testing

@testable import Storage

/// What a test asks another thread for, and gets at once, since it is all one thread.
final class Answers<Value>: @unchecked Sendable {
    var all: [Value] = []
    var last: Value? { all.last }
}

extension StoreHarness {
    /// Spools the state of now.
    /// - Parameter body: done when the state is fixed, and not a chunk is made.
    func spooled(
        stream: UInt64 = 99, at path: String? = nil, while body: () throws -> Void = {}
    ) throws -> (spool: SnapshotSpool, events: [SnapshotSpool.Event]) {
        let source = Answers<SnapshotSource>()
        read { $0.source { if let it = try? $0.get() { source.all.append(it) } } }
        finishCommits()
        let events = Answers<SnapshotSpool.Event>()
        let thread = ManualExecutor()
        let spool = SnapshotSpool(
            of: try #require(source.last), cluster: ClusterID(5), stream: stream,
            at: path ?? directory.path + "/snapshot.tmp", on: thread
        ) { events.all.append($0) }
        spool.start()
        thread.runOne()
        try body()
        thread.run()
        return (spool, events.all)
    }

    /// The state of now, as a snapshot.
    func snapshot(
        stream: UInt64 = 99, while body: () throws -> Void = {}
    ) throws -> (description: SnapshotDescription, chunks: [[UInt8]]) {
        let (spool, events) = try spooled(stream: stream, while: body)
        guard case .began(let description)? = events.first,
            case .grew(let count, isWhole: true)? = events.last
        else { throw Failure(description: "\(events)") }
        let chunks = Answers<[UInt8]>()
        for number in 0..<count {
            spool.read(chunk: number) { if let chunk = try? $0.get() { chunks.all.append(chunk) } }
        }
        (spool.executor as? ManualExecutor)?.run()
        #expect(chunks.all.count == count)
        return (description, chunks.all)
    }

    struct Failure: Error {
        let description: String
    }

    /// Takes a snapshot in, up to where it would become the state.
    func receive(
        _ snapshot: (description: SnapshotDescription, chunks: [[UInt8]])
    ) throws -> IncomingStore {
        let thread = ManualExecutor()
        let builder = SnapshotBuilder(
            snapshot.description, replacing: configuration.path, quotaBytes: 1 << 28, on: thread)
        let answers = Answers<Result<SnapshotBuilder.Progress, SnapshotError>>()
        for chunk in snapshot.chunks { builder.add(chunk) { answers.all.append($0) } }
        thread.run()
        guard case .whole(let incoming)? = try answers.last?.get() else {
            throw Failure(description: "\(answers.all)")
        }
        return incoming
    }

    func install(_ incoming: IncomingStore) -> StoreError? {
        let end = Answers<StoreError?>()
        read { $0.replace(with: incoming) { end.all.append($0) } }
        finishCommits()
        #expect(end.all.count == 1)
        if end.last == .some(nil) { lastIndex = incoming.description.index }
        return end.last ?? nil
    }

    /// All that a client could find out.
    func everything() throws -> [String] {
        let oldest = read { $0.compacted?.rawValue ?? 1 }
        let newest = read { $0.revision.rawValue }
        var lines = ["\(oldest)...\(newest)"]
        for revision in oldest...newest {
            let query = RangeQuery(revision: Revision(revision))
            let pairs = try read { try $0.pairs(KeyRange("\0.."), query).pairs }
            lines.append("\(revision): \(pairs)")
        }
        let index = LogIndex(lastIndex.rawValue)
        #expect(read { $0.appliedIndex } == index)
        return lines + [try table(.members), try table(.lease)]
    }

    func table(_ table: Table) throws -> String {
        var lines: [String] = []
        try read { store in
            try store.scan(table) { key, value in
                lines.append(
                    String(decoding: key, as: UTF8.self) + "="
                        + String(decoding: value, as: UTF8.self))
                return true
            }
        }
        return "\(table.name): \(lines)"
    }

    func hashNow() throws -> KeyValueHash {
        let answer = Answers<Result<KeyValueHash, StoreError>>()
        try read { try $0.hash(at: nil) { answer.all.append($0) } }
        finishCommits()
        return try #require(try answer.last?.get())
    }

    var files: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted() }
    }
}

@Suite("A snapshot of a store")
struct StoreSnapshotTests {
    static let confState = ConfState(voters: [MemberID(1), MemberID(2)], learners: [MemberID(3)])

    /// Some of everything: history, deletions, a compaction, a lease, a member.
    static func leader(puts: Int = 40, valueBytes: Int = 10) throws -> StoreHarness {
        let harness = try StoreHarness()
        try harness.apply { store in
            store.setConfState(confState)
            try store.write(.members, key: Array("a1".utf8), value: Array("{}".utf8))
        }
        for number in 0..<puts {
            let value = String(repeating: "\(number)", count: valueBytes)
            try harness.apply { _ = try $0.put("k\(number % 17)", value, lease: Int64(number % 3)) }
            if number % 5 == 4 {
                try harness.apply { _ = try $0.delete(KeyRange("k\(number % 4)..k5")) }
            }
        }
        try harness.compact(20)
        harness.finishCommits()
        try harness.apply { _ = try $0.put("last", "1") }
        return harness
    }

    @Test("is the whole state, in another store and after its restart")
    func whole() throws {
        let leader = try Self.leader()
        let expected = try leader.everything()
        let follower = try StoreHarness()
        try follower.apply { _ = try $0.put("old", "1") }
        let snapshot = try leader.snapshot()
        #expect(snapshot.description.index == leader.lastIndex)
        #expect(snapshot.description.term == Term(7))
        #expect(snapshot.description.confState == Self.confState)
        #expect(snapshot.description.revision == leader.read { $0.revision })

        let incoming = try follower.receive(snapshot)
        #expect(try follower.read { try $0.pairs(KeyRange("old")).pairs.count } == 1)
        #expect(follower.install(incoming) == nil)
        #expect(try follower.everything() == expected)
        #expect(try follower.hashNow() == leader.hashNow())
        #expect(follower.read { $0.durable.index } == leader.lastIndex)

        try follower.apply { _ = try $0.put("new", "1") }
        try leader.apply { _ = try $0.put("new", "1") }
        try follower.finishAndReopen()
        #expect(follower.summary.confState == Self.confState)
        #expect(try follower.everything() == leader.everything())
        #expect(try follower.hashNow() == leader.hashNow())
        #expect(try follower.files == ["cairn.mdb", "cairn.mdb-lock"])
    }

    @Test("of many chunks is that of one commit, whatever is applied and compacted meanwhile")
    func oneCommit() throws {
        let leader = try Self.leader(puts: 300, valueBytes: 3000)
        let expected = try leader.everything()
        let hash = try leader.hashNow()
        let snapshot = try leader.snapshot {
            for number in 0..<50 {
                try leader.apply { _ = try $0.put("k\(number)", "meanwhile") }
            }
            try leader.compact(100)
            leader.finishCommits()
            leader.commit()
        }
        #expect(snapshot.chunks.count > 1)
        let follower = try StoreHarness()
        #expect(follower.install(try follower.receive(snapshot)) == nil)
        #expect(try follower.everything() == expected)
        #expect(try follower.hashNow() == hash)
    }

    @Test("leaves no file behind while it is made, and lets the store's pages go")
    func noName() throws {
        let leader = try Self.leader()
        let (spool, _) = try leader.spooled { () throws in
            #expect(try leader.files == ["cairn.mdb", "cairn.mdb-lock"])
        }
        spool.close()
        (spool.executor as? ManualExecutor)?.run()
        let answers = Answers<Result<[UInt8], SnapshotError>>()
        spool.read(chunk: 0) { answers.all.append($0) }
        (spool.executor as? ManualExecutor)?.run()
        #expect(throws: SnapshotError.abandoned) { try answers.last?.get() }
    }

    @Test("that cannot be written to its file says so")
    func noFile() throws {
        let leader = try Self.leader()
        let (_, events) = try leader.spooled(at: "/nowhere/snapshot.tmp")
        guard case .failed(.file(let error))? = events.last else {
            Issue.record("\(events)")
            return
        }
        #expect(error.operation == .open && events.count == 1)
    }

    @Test("with a compaction under way is compacted to the end by its receiver")
    func compaction() throws {
        let leader = try Self.leader()
        try leader.compact(30)
        leader.commit()
        let follower = try StoreHarness()
        let incoming = try follower.receive(try leader.snapshot())
        #expect(follower.install(incoming) == nil)
        follower.finishCommits()
        leader.finishCommits()
        #expect(try follower.meta(MetaKey.finishedCompaction) == 30)
        #expect(try follower.recordsOnDisk() == leader.recordsOnDisk())
        #expect(try follower.hashNow() == leader.hashNow())
    }

    @Test("that is damaged or abandoned leaves nothing, and what is there stays")
    func damaged() throws {
        let leader = try Self.leader(puts: 300, valueBytes: 3000)
        var snapshot = try leader.snapshot()
        let follower = try StoreHarness()
        try follower.apply { _ = try $0.put("old", "1") }
        follower.commit()
        snapshot.chunks[1][100] ^= 1
        #expect(throws: SnapshotError.damaged(chunk: 1, .checksum)) {
            try follower.receive(snapshot)
        }
        #expect(try follower.files == ["cairn.mdb", "cairn.mdb-lock"])

        let thread = ManualExecutor()
        let builder = SnapshotBuilder(
            snapshot.description, replacing: follower.configuration.path, quotaBytes: 1 << 28,
            on: thread)
        builder.add(snapshot.chunks[0]) { _ in }
        thread.run()
        #expect(try follower.files.count == 4)
        builder.abandon()
        let answers = Answers<Result<SnapshotBuilder.Progress, SnapshotError>>()
        builder.add(snapshot.chunks[1]) { answers.all.append($0) }
        thread.run()
        #expect(throws: SnapshotError.abandoned) { try answers.last?.get() }
        #expect(try follower.files == ["cairn.mdb", "cairn.mdb-lock"])
        try follower.finishAndReopen()
        #expect(try follower.read { try $0.pairs(KeyRange("old")).pairs.count } == 1)
    }

    @Test("is not taken for another state than its own")
    func otherState() throws {
        let leader = try Self.leader()
        let snapshot = try leader.snapshot()
        for change: (inout SnapshotDescription) -> Void in [
            { $0.index = $0.index.next }, { $0.term = Term(6) },
            { $0.revision = $0.revision.next }, { $0.confState.voters = [MemberID(1)] },
        ] {
            var lie = snapshot
            change(&lie.description)
            let follower = try StoreHarness()
            #expect(throws: SnapshotError.damaged(chunk: nil, .otherState)) {
                try follower.receive(lie)
            }
            #expect(try follower.files == ["cairn.mdb", "cairn.mdb-lock"])
        }
    }
}
