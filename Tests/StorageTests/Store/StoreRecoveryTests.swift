import API
import Testing

@testable import Storage

@Suite("An opened store is the state as of its consistent index, or refuses to open")
struct StoreRecoveryTests {
    /// Writes to the file behind the store's back.
    private func edit(
        _ path: String, _ changes: (borrowing WriteTransaction) throws -> Void
    ) throws {
        let environment = try Environment(path: path, mapBytes: 1 << 30)
        let transaction = try WriteTransaction(environment)
        try changes(transaction)
        try transaction.commit()
    }

    private func put(
        _ transaction: borrowing WriteTransaction, _ table: Table, _ key: [UInt8], _ value: [UInt8]
    ) throws {
        try key.withUnsafeBytes { key in
            try value.withUnsafeBytes { try transaction.put(table, key, $0) }
        }
    }

    private func position(_ main: Int64, _ sub: Int64 = 0) -> RevisionPosition {
        RevisionPosition(main: Revision(main), sub: sub)
    }

    private func encoded(
        _ key: String, created: Int64, modified: Int64, version: Int64
    ) -> [UInt8] {
        var buffer = ByteBuffer()
        Array(key.utf8).withUnsafeBytes {
            buffer.appendKeyValue(
                KeyValueView(
                    key: $0, createRevision: Revision(created), modRevision: Revision(modified),
                    version: version, value: UnsafeRawBufferPointer(start: nil, count: 0),
                    lease: .none))
        }
        return buffer.array
    }

    @Test("A crash loses exactly what was not committed, and the log's replay brings it back")
    func crash() throws {
        let harness = try StoreHarness()
        for value in ["1", "2"] { try harness.apply { _ = try $0.put("a", value) } }
        harness.commit()
        for value in ["3", "4"] { try harness.apply { _ = try $0.put("a", value) } }
        harness.startCommit()  // and the disk never does it
        try harness.crash()

        #expect(harness.summary.consistentIndex == LogIndex(2))
        #expect(harness.summary.term == Term(7))
        #expect(harness.summary.revision == Revision(3))
        #expect(try harness.read { "\(try $0.pairs(KeyRange("a")).pairs)" } == "[a=2 2 3 2]")
        for index in [LogIndex(1), LogIndex(2)] {
            #expect(try !harness.read { try $0.beginApply(at: index, term: Term(7)) })
        }
        for value in ["3", "4"] { try harness.apply { _ = try $0.put("a", value) } }
        #expect(try harness.read { "\(try $0.pairs(KeyRange("a")).pairs)" } == "[a=4 2 5 4]")
    }

    @Test("Several changes of one entry share a revision and survive together")
    func transaction() throws {
        let harness = try StoreHarness()
        try harness.apply { _ = try $0.put("a", "1") }
        let seen = try harness.apply { store in
            _ = try store.put("b", "2")
            let inside = try store.pairs(KeyRange("a..")).pairs
            let before = try store.pairs(KeyRange("a.."), RangeQuery(revision: Revision(2))).pairs
            _ = try store.delete(KeyRange("a.."))
            _ = try store.put("a", "3")
            return "\(inside) \(before) \(store.revision.rawValue)"
        }
        #expect(seen == "[a=1 2 2 1, b=2 3 3 1] [a=1 2 2 1] 2", "its own effects, not as history")
        try harness.finishAndReopen()
        #expect(harness.summary.revision == Revision(3))
        #expect(try harness.read { "\(try $0.pairs(KeyRange("a..")).pairs)" } == "[a=3 3 3 1]")

        var keys: [RecordKey] = []
        try harness.crash { path in
            let view = try ReadTransaction(Environment(path: path, mapBytes: 1 << 30))
            try view.forEach(in: .key) { key, _ in
                if let key = RecordKey(decoding: key) { keys.append(key) }
                return true
            }
        }
        #expect(
            keys == [
                RecordKey(position(2)), RecordKey(position(3)),
                RecordKey(position(3, 1), isTombstone: true),
                RecordKey(position(3, 2), isTombstone: true), RecordKey(position(3, 3)),
            ])
    }

    @Test("Records on disk are etcd's: a put whole, a deletion with the key alone")
    func records() throws {
        let harness = try StoreHarness()
        try harness.apply { _ = try $0.put("k", "v", lease: 3) }
        try harness.apply { _ = try $0.delete(KeyRange("k")) }
        harness.commit()
        var values: [[UInt8]] = []
        try harness.read { store in
            var read: [[UInt8]] = []
            try store.scan(.key) { _, value in
                read.append([UInt8](value))
                return true
            }
            return read
        }.forEach { values.append($0) }
        #expect(
            values == [
                [10, 1, 0x6b, 16, 2, 24, 2, 32, 1, 42, 1, 0x76, 48, 3],
                [10, 1, 0x6b],
            ])
    }

    @Test("Other tables and confState come back")
    func otherTables() throws {
        let harness = try StoreHarness()
        let conf = ConfState(voters: [MemberID(5)])
        try harness.apply { store in
            try store.write(.members, key: Array("a1".utf8), value: Array("{}".utf8))
            try store.write(.members, key: Array("b2".utf8), value: Array("{}".utf8))
            store.setConfState(conf)
        }
        try harness.apply { try $0.remove(.members, key: Array("a1".utf8)) }
        try harness.finishAndReopen()
        #expect(harness.summary.confState == conf)
        let names = try harness.read { store in
            var names: [String] = []
            try store.scan(.members) { key, _ in
                names.append(String(decoding: key, as: UTF8.self))
                return true
            }
            return names
        }
        #expect(names == ["b2"])
    }

    @Test("A key that LMDB could not hold is refused before it can spoil a commit")
    func longKey() throws {
        let harness = try StoreHarness()
        let longest = [UInt8](repeating: 1, count: Table.maximumKeyLength)
        try harness.apply { try $0.write(.authUsers, key: longest, value: [1]) }
        let error = #expect(throws: StoreError.self) {
            try harness.apply { try $0.write(.authUsers, key: longest + [1], value: [1]) }
        }
        #expect(error == .keyTooLong)
        harness.commit()
        #expect(harness.read { $0.durable.index } == LogIndex(2))
    }

    @Test("Leases are those of the newest pairs")
    func leases() throws {
        let harness = try StoreHarness()
        try harness.apply { _ = try $0.put("b", "1", lease: 5) }
        try harness.apply { _ = try $0.put("a", "1", lease: 5) }
        try harness.apply { _ = try $0.put("moved", "1", lease: 5) }
        try harness.apply { _ = try $0.put("moved", "1", lease: 6) }
        try harness.apply { _ = try $0.put("detached", "1", lease: 5) }
        try harness.apply { _ = try $0.put("detached", "1") }
        try harness.apply { _ = try $0.put("gone", "1", lease: 5) }
        try harness.apply { _ = try $0.delete(KeyRange("gone")) }
        try harness.finishAndReopen()
        let leases = harness.summary.leases.map {
            "\(String(decoding: $0.key, as: UTF8.self)) \($0.lease.rawValue)"
        }
        #expect(leases == ["a 5", "b 5", "moved 6"])
    }

    @Test("What a compaction left behind is read; below its revision nothing is")
    func compacted() throws {
        let harness = try StoreHarness()
        try harness.crash { path in
            try edit(path) { file in
                try put(
                    file, .key, RecordKey(position(7)).encoded,
                    encoded("a", created: 3, modified: 7, version: 4))
                try put(
                    file, .key, RecordKey(position(8), isTombstone: true).encoded,
                    [10, 1, 0x62])
                try put(
                    file, .meta, MetaKey.scheduledCompaction, RecordKey(position(8)).encoded)
                try put(
                    file, .meta, MetaKey.finishedCompaction, RecordKey(position(5)).encoded)
            }
        }
        #expect(harness.summary.compacted == Revision(8))
        #expect(harness.summary.revision == Revision(8))
        let now = try harness.read { store in
            try store.pairs(KeyRange("a.."), RangeQuery(revision: Revision(8))).pairs
        }
        #expect("\(now)" == "[a= 3 7 4]")
        let error = #expect(throws: StoreError.self) {
            try harness.read { store in
                try store.pairs(KeyRange("a"), RangeQuery(revision: Revision(7))).pairs
            }
        }
        #expect(error == .compacted(oldest: Revision(8)))
        try harness.apply { _ = try $0.put("a", "x") }
        #expect(try harness.read { "\(try $0.pairs(KeyRange("a")).pairs)" } == "[a=x 3 9 5]")
    }

    @Test("The revision is the largest of the records and the compactions")
    func largestRevision() throws {
        let harness = try StoreHarness()
        try harness.apply { _ = try $0.put("a", "1") }
        harness.commit()
        try harness.crash { path in
            try edit(path) {
                try put($0, .meta, MetaKey.scheduledCompaction, RecordKey(position(40)).encoded)
            }
        }
        #expect(harness.summary.revision == Revision(40))
    }

    @Test("A restored snapshot's bump, a record without content, only lifts the revision")
    func bumpedRevision() throws {
        let harness = try StoreHarness()
        try harness.apply { _ = try $0.put("a", "1") }
        harness.commit()
        try harness.crash { path in
            try edit(path) { try put($0, .key, RecordKey(position(1000)).encoded, []) }
        }
        #expect(harness.summary.revision == Revision(1000))
        #expect(try harness.read { "\(try $0.pairs(KeyRange("a..")).pairs)" } == "[a=1 2 2 1]")
        let next = try harness.apply { try $0.put("a", "2").revision }
        #expect(next == Revision(1001))
    }

    struct Damage: Sendable, CustomTestStringConvertible {
        let table: Table
        let key: [UInt8]
        let value: [UInt8]
        let place: String
        let reason: String
        var testDescription: String { "\(table.name): \(reason)" }
    }

    private static let revision9 = RecordKey(
        RevisionPosition(main: Revision(9), sub: 0)
    ).encoded

    static let damages: [Damage] = [
        Damage(
            table: .key, key: Array("nonsense".utf8), value: [1],
            place: "key \(Array("nonsense".utf8))", reason: "not a revision key"),
        Damage(
            table: .key, key: revision9, value: [10, 9, 1], place: "revision 9.0",
            reason: "not a KeyValue"),
        Damage(  // a put of the key at version 1 that created nothing, for it exists
            table: .key, key: revision9, value: [10, 1, 0x61, 16, 9, 24, 9, 32, 1],
            place: "revision 9.0", reason: "contradicts"),
        Damage(
            table: .key, key: revision9, value: [10, 1, 0x7a, 16, 8, 24, 8, 32, 1],
            place: "revision 9.0", reason: "contradicts"),
        Damage(
            table: .meta, key: MetaKey.consistentIndex, value: [1, 2],
            place: "meta/consistent_index",
            reason: "not 8 bytes but 2"),
        Damage(
            table: .meta, key: MetaKey.confState, value: [1], place: "meta/confState",
            reason: "not the JSON of a confState"),
        Damage(
            table: .meta, key: MetaKey.scheduledCompaction, value: [1],
            place: "meta/scheduledCompactRev", reason: "not a revision key"),
    ]

    @Test("A file that holds what cannot be is refused, with place and reason", arguments: damages)
    func damaged(_ damage: Damage) throws {
        let harness = try StoreHarness()
        try harness.apply { _ = try $0.put("a", "1") }
        harness.commit()
        let error = #expect(throws: StoreError.self) {
            try harness.crash { path in
                try edit(path) { try put($0, damage.table, damage.key, damage.value) }
            }
        }
        guard case .damaged(let place, let reason) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(place == damage.place)
        #expect(reason.hasPrefix(damage.reason))
    }
}
