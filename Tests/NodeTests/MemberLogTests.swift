import API
import Consensus
import Storage
import TestSupport
import Testing

@testable import Node
@testable import Storage

/// A log on a small disk of its own that works when it is let.
private final class SmallLog {
    let directory: TemporaryDirectory
    let thread = DeterministicExecutor()
    let book = LogBook.Lines()
    let log: WriteAheadLog
    let configuration: WALConfiguration

    init() throws {
        directory = try TemporaryDirectory()
        var configuration = WALConfiguration(directory: directory.path + "/wal")
        configuration.segmentBytes = 4096
        configuration.zeroSliceBytes = 1024
        self.configuration = configuration
        let metadata = WALMetadata(member: MemberID(1), cluster: ClusterID(2))
        log = try WriteAheadLog.create(configuration, metadata: metadata, on: thread).log
    }

    func keeper(
        newest: UInt64 = 0, snapshotCount: UInt64 = 10, maxSegments: Int = 2
    ) -> LogKeeper {
        LogKeeper(
            log, newest: LogIndex(newest), snapshotCount: snapshotCount, maxSegments: maxSegments,
            logger: book.logger())
    }

    func write(_ indices: ClosedRange<UInt64>) throws {
        for index in indices {
            let entry = Entry(
                term: Term(1), index: LogIndex(index), data: [UInt8](repeating: 1, count: 500))
            let state = HardState(term: Term(1), vote: MemberID(1), commit: LogIndex(index))
            try log.persist(WALBatch(entries: [entry], hardState: state)) { _ in }
            thread.runUntilIdle()
        }
    }

    var segments: Int {
        get throws { try directory.names(in: "wal").filter { $0.hasSuffix(".wal") }.count }
    }

    /// Where recovery of a store that holds all would start.
    func newestSnapshot() throws -> WALSnapshot {
        try log.close { _ in }
        thread.runUntilIdle()
        let start = WALStart.newestSnapshot(notAfter: LogIndex(.max >> 1))
        return try WriteAheadLog.open(configuration, from: start, on: thread).recovery.snapshot
    }
}

private func durable(_ index: UInt64) -> CommittedState {
    CommittedState(
        index: LogIndex(index), term: Term(1), size: BackendSize(total: 1, inUse: 1))
}

@Suite("The log is shortened behind the store, never before it")
struct MemberLogKeeperTests {
    private let alone = ConfState(voters: [MemberID(1)])

    @Test("A snapshot record follows the store's commit, every snapshot-count entries")
    func records() throws {
        let small = try SmallLog()
        let keeper = small.keeper()
        try small.write(1...30)
        let before = try small.segments
        for index in [UInt64(3), 9] { keeper.committed(durable(index), confState: alone) }
        small.thread.runUntilIdle()
        #expect(try small.segments == before, "not due")
        keeper.committed(durable(12), confState: alone)
        keeper.committed(durable(21), confState: alone)  // 9 after the last
        small.thread.runUntilIdle()
        #expect(try small.segments < before)
        #expect(
            try small.newestSnapshot()
                == WALSnapshot(index: LogIndex(12), term: Term(1), confState: alone))
        #expect(small.book.all.allSatisfy { $0 == "info: released log segments" })
        #expect(small.book.all.count == 1)
    }

    @Test("So many segments are kept as --max-wals says; 0 keeps all")
    func kept() throws {
        for (maxSegments, left) in [(2, 2), (5, 5), (0, 11)] {
            let small = try SmallLog()
            let keeper = small.keeper(maxSegments: maxSegments)
            try small.write(1...60)
            let all = try small.segments
            keeper.committed(durable(59), confState: alone)
            small.thread.runUntilIdle()
            #expect(try small.segments == min(all, left))
        }
    }

    @Test("After a restart it counts from the snapshot record that recovery found")
    func restarted() throws {
        let small = try SmallLog()
        let keeper = small.keeper(newest: 20)
        try small.write(1...30)
        keeper.committed(durable(29), confState: alone)
        small.thread.runUntilIdle()
        #expect(try small.newestSnapshot() == .empty)
    }

    @Test("A failure is logged; nothing is lost by it")
    func failure() throws {
        let small = try SmallLog()
        let keeper = small.keeper()
        try small.write(1...30)
        try small.log.close { _ in }
        small.thread.runUntilIdle()
        keeper.committed(durable(20), confState: alone)
        small.thread.runUntilIdle()
        #expect(small.book.all == ["warning: failed to shorten the log"])
    }
}

@Suite("Raft's writes go to the log")
struct MemberLogDiskTests {
    @Test("Entries and state are on disk when the write is answered")
    func persist() throws {
        let small = try SmallLog()
        let disk = LogDisk(small.log)
        let told = Told<Result<Void, EntryStoreFailure>>()
        let entries = [Entry(term: Term(1), index: LogIndex(1), data: [1, 2, 3])]
        let state = HardState(term: Term(1), vote: MemberID(1), commit: .zero)
        disk.persist(
            LogWrite(
                number: WriteNumber(1), hardState: state, entries: entries, mustSync: true)
        ) { told.tell($0) }
        #expect(told.all.isEmpty)
        small.thread.runUntilIdle()
        #expect(told.all.count == 1)
        try small.log.close { _ in }
        small.thread.runUntilIdle()
        let recovery = try WriteAheadLog.open(
            small.configuration, from: .snapshot(.zero, .zero), on: small.thread
        ).recovery
        #expect(recovery.entries == entries && recovery.hardState == state)
    }

    @Test("A log that is closed fails the write, once")
    func closed() throws {
        let small = try SmallLog()
        try small.log.close { _ in }
        small.thread.runUntilIdle()
        let told = Told<Result<Void, EntryStoreFailure>>()
        LogDisk(small.log).persist(
            LogWrite(number: WriteNumber(1), hardState: nil, entries: [], mustSync: true)
        ) { told.tell($0) }
        small.thread.runUntilIdle()
        #expect(told.all.count == 1)
        guard case .failure(let failure) = told.all.first else {
            Issue.record("a write to a closed log was acknowledged")
            return
        }
        #expect(failure.cause == .other && !failure.description.isEmpty)
    }
}
