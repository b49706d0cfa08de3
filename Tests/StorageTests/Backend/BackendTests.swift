import API
import CLMDB
import Foundation
import Testing

@testable import Storage

@Suite("The backend commits a batch whole, or not at all and then nothing more")
struct BackendTests {
    let directory: TemporaryDirectory
    let thread = ManualExecutor()
    var path: String { directory.path + "/store.mdb" }

    init() throws { directory = try TemporaryDirectory() }

    private func batch(
        _ mains: ClosedRange<Int64>?, index: UInt64, changes: [TableChange] = [],
        bytes: Int = 10, confState: ConfState? = nil
    ) -> BackendBatch {
        var buffer = RevisionBuffer()
        for main in mains.map(Array.init) ?? [] {
            let value = [UInt8](repeating: UInt8(truncatingIfNeeded: main), count: bytes)
            buffer.append(RecordKey(RevisionPosition(main: Revision(main), sub: 0))) {
                $0.append(value)
            }
        }
        return BackendBatch(
            revisions: buffer.seal(), changes: changes, consistentIndex: LogIndex(index),
            term: Term(3), confState: confState)
    }

    /// Commits and answers at once: the thread is this one.
    private func commit(
        _ batch: BackendBatch, to backend: Backend
    ) -> Result<CommitReport, BackendError> {
        let answer = Answer<Result<CommitReport, BackendError>>()
        backend.commit(batch) { answer.values.append($0) }
        #expect(answer.values.isEmpty, "the caller must not wait for the disk")
        thread.run()
        #expect(answer.values.count == 1)
        return answer.values[0]
    }

    private func keys(of table: Table, in environment: Environment) throws -> [[UInt8]] {
        var keys: [[UInt8]] = []
        try ReadTransaction(environment).forEach(in: table) { key, _ in
            keys.append([UInt8](key))
            return true
        }
        return keys
    }

    private func meta(_ key: [UInt8], in environment: Environment) throws -> [UInt8]? {
        let reader = try ReadTransaction(environment)
        return try key.withUnsafeBytes { try reader.get(.meta, $0) }.map { [UInt8]($0) }
    }

    @Test("A commit holds the revisions, the other tables and how far they reach in the log")
    func commitIsWhole() throws {
        let environment = try Environment(path: path, quotaBytes: 0)
        let backend = Backend(environment, on: thread)
        let changes = [
            TableChange(table: .cluster, key: Array("clusterVersion".utf8), value: [1]),
            TableChange(table: .members, key: [7], value: [8]),
            TableChange(table: .members, key: [7], value: nil),
            TableChange(table: .alarm, key: [9], value: []),
        ]
        let conf = ConfState(voters: [MemberID(UInt64.max)], learners: [MemberID(2)])
        let report = try commit(
            batch(2...4, index: 77, changes: changes, confState: conf), to: backend
        ).get()

        #expect(report.consistentIndex == LogIndex(77))
        #expect(
            try keys(of: .key, in: environment)
                == (2...4).map { RecordKey(RevisionPosition(main: Revision($0), sub: 0)).encoded })
        #expect(try keys(of: .cluster, in: environment) == [Array("clusterVersion".utf8)])
        #expect(try keys(of: .members, in: environment).isEmpty)
        #expect(try keys(of: .alarm, in: environment) == [[9]])
        #expect(try meta(MetaKey.consistentIndex, in: environment) == [0, 0, 0, 0, 0, 0, 0, 77])
        #expect(try meta(MetaKey.term, in: environment) == [0, 0, 0, 0, 0, 0, 0, 3])
        #expect(
            try meta(MetaKey.confState, in: environment).map { String(decoding: $0, as: UTF8.self) }
                == #"{"voters":[18446744073709551615],"learners":[2],"auto_leave":false}"#)
    }

    @Test("A pinned view stands still until it is renewed")
    func pinnedView() throws {
        let environment = try Environment(path: path, quotaBytes: 0)
        let backend = Backend(environment, on: thread)
        var reader = try ReadTransaction(environment)
        _ = try commit(batch(2...2, index: 1), to: backend).get()
        #expect(try reader.lastKey(of: .key) == nil)
        try reader.renew()
        #expect(try reader.lastKey(of: .key) != nil)
    }

    @Test("A full map is an error, after which everything is refused until reopened")
    func fullMap() throws {
        do {
            let environment = try Environment(path: path, mapBytes: 1 << 20)
            let backend = Backend(environment, on: thread)
            _ = try commit(batch(2...9, index: 8), to: backend).get()

            let tooMuch = commit(batch(10...11, index: 10, bytes: 1 << 20), to: backend)
            #expect(throws: BackendError.self) { try tooMuch.get() }
            if case .failure(let error) = tooMuch {
                #expect(error.kind == .mapFull)
                #expect(error.operation == "append revisions")
            }
            let small = commit(batch(10...10, index: 9), to: backend)
            guard case .failure(let refused) = small else {
                Issue.record("a commit after a failed one was accepted")
                return
            }
            #expect(refused.kind == .failedBefore)
            #expect(
                refused.description.hasPrefix("store refused since it failed to append revisions"))
        }
        let environment = try Environment(path: path, quotaBytes: 0)
        #expect(try keys(of: .key, in: environment).count == 8)
        #expect(try meta(MetaKey.consistentIndex, in: environment)?.last == 8)
        let backend = Backend(environment, on: thread)
        _ = try commit(batch(10...11, index: 10), to: backend).get()
    }

    @Test("Revisions that are not younger than the stored ones are refused")
    func outOfOrder() throws {
        let environment = try Environment(path: path, quotaBytes: 0)
        let backend = Backend(environment, on: thread)
        _ = try commit(batch(2...5, index: 4), to: backend).get()
        guard case .failure(let error) = commit(batch(5...6, index: 6), to: backend) else {
            Issue.record("a revision was written twice")
            return
        }
        #expect(error.code == MDB_KEYEXIST)
        #expect(try meta(MetaKey.consistentIndex, in: environment)?.last == 4)
    }

    @Test("A batch without changes still moves the consistent index")
    func emptyBatch() throws {
        let environment = try Environment(path: path, quotaBytes: 0)
        let backend = Backend(environment, on: thread)
        let report = try commit(batch(nil, index: 5), to: backend).get()
        #expect(report.consistentIndex == LogIndex(5))
        #expect(try meta(MetaKey.consistentIndex, in: environment)?.last == 5)
    }

    @Test("Deleted records leave pages free: the file keeps its size, less of it is in use")
    func sizes() throws {
        let environment = try Environment(path: path, quotaBytes: 0)
        let backend = Backend(environment, on: thread)
        let full = try commit(batch(2...501, index: 1, bytes: 2000), to: backend).get()
        #expect(full.size.inUse >= 500 * 2000)
        #expect(full.size.total >= full.size.inUse)
        #expect(full.size.total <= 4 * 500 * 2000)

        let deletions = (Int64(2)...501).map {
            TableChange(
                table: .key, key: RecordKey(RevisionPosition(main: Revision($0), sub: 0)).encoded,
                value: nil)
        }
        let emptied = try commit(
            batch(nil, index: 2, changes: deletions), to: backend
        ).get()
        #expect(emptied.size.total >= full.size.total)
        #expect(emptied.size.inUse < 200_000)
    }

    @Test("What is no store is refused as damaged, by path")
    func noStore() throws {
        try Data(repeating: 0xa5, count: 8192).write(to: URL(fileURLWithPath: path))
        let error = #expect(throws: BackendError.self) {
            _ = try Environment(path: path, quotaBytes: 0)
        }
        #expect(error?.kind == .damaged)
        #expect(error?.operation == "open \(path)")
    }

    @Test("A directory that is not there is an error with the system's reason")
    func noDirectory() {
        let error = #expect(throws: BackendError.self) {
            _ = try Environment(path: directory.path + "/missing/store.mdb", quotaBytes: 0)
        }
        #expect(error?.code == ENOENT)
        #expect(error?.reason == "No such file or directory")
    }
}

/// What callbacks said. `@unchecked Sendable`: manual executors run on the test's own thread.
final class Answer<Value>: @unchecked Sendable {
    var values: [Value] = []
}

@Suite("Revision keys and confState are etcd's bytes")
struct FormatTests {
    @Test("A revision key is main, underscore, sub and the mark of a deletion")
    func revisionKey() {
        let put = RecordKey(
            RevisionPosition(main: Revision(0x0102_0304_0506_0708), sub: 0x090a))
        #expect(
            put.encoded == [1, 2, 3, 4, 5, 6, 7, 8, 0x5f, 0, 0, 0, 0, 0, 0, 9, 10])
        let deletion = RecordKey(
            RevisionPosition(main: Revision(2), sub: 1), isTombstone: true)
        #expect(
            deletion.encoded == [0, 0, 0, 0, 0, 0, 0, 2, 0x5f, 0, 0, 0, 0, 0, 0, 0, 1, 0x74])
        for key in [put, deletion] {
            #expect(key.encoded.withUnsafeBytes { RecordKey(decoding: $0) } == key)
        }
    }

    @Test(
        "Bytes that are no revision key are told",
        arguments: [
            [], Array(repeating: UInt8(0), count: 17),
            RecordKey(RevisionPosition(main: Revision(2), sub: 0)).encoded + [0],
            Array(RecordKey(RevisionPosition(main: Revision(2), sub: 0)).encoded.dropLast()),
            [0x80] + RecordKey(RevisionPosition(main: Revision(2), sub: 0)).encoded.dropFirst(),
        ])
    func noRevisionKey(_ bytes: [UInt8]) {
        #expect(bytes.withUnsafeBytes { RecordKey(decoding: $0) } == nil)
    }

    @Test("confState comes back as it was written, and lists may be absent")
    func confState() {
        let joint = ConfState(
            voters: [MemberID(1), MemberID(2)], learners: [MemberID(3)],
            votersOutgoing: [MemberID(4)], learnersNext: [MemberID(5)], autoLeave: true)
        #expect(ConfStateJSON.decode(ConfStateJSON.encode(joint)) == joint)
        #expect(ConfStateJSON.decode(#"{"voters":[1]}"#.utf8) == ConfState(voters: [MemberID(1)]))
        #expect(ConfStateJSON.decode(#"{"voters":["1"]}"#.utf8) == nil)
        #expect(ConfStateJSON.decode("[]".utf8) == nil)
    }
}
