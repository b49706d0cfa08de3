import API
import Foundation
import Glibc
import Synchronization
import Testing

@testable import Storage

@Suite("WAL: the actor")
struct WALActorTests {
    let disk = SimulatedDisk()
    let executor = ManualExecutor()

    func created(
        segment: Int = 8192, _ change: (inout WALConfiguration) -> Void = { _ in }
    ) throws -> WriteAheadLog {
        var configuration = WALConfiguration.small(disk, segment: segment)
        change(&configuration)
        return try WriteAheadLog.create(configuration, metadata: LogWriter.metadata, on: executor)
            .log
    }

    func reopened() throws -> WALRecovery {
        let (store, recovery) = try WALStore.open(.small(disk), from: .snapshot(.zero, .zero))
        try store.close()
        return recovery
    }

    @Test("Batches that wait together are one write and one sync, each answered once, in order")
    func groupCommit() throws {
        let log = try created()
        var writer = LogWriter()
        let order = Locked<[Int]>([])
        let (writes, syncs) = (disk.writes, disk.syncs)
        for number in 0..<10 {
            try log.persist(writer.append([20], term: 1)) { result in
                #expect(throws: Never.self) { try result.get() }
                order.withLock { $0.append(number) }
            }
        }
        #expect(order.withLock { $0 }.isEmpty, "nothing is said before the disk was asked")
        executor.run()
        #expect(order.withLock { $0 } == Array(0..<10))
        #expect(log.metrics().writes == 1)
        #expect(log.metrics().batches == 10)
        #expect(disk.syncs - syncs == 1)
        #expect(disk.writes - writes <= 2, "one write, and perhaps zeros ahead")
        disk.crash()
        #expect(try reopened().entries == writer.content.entries)
    }

    @Test("A commit index alone is written without a sync; a term or a vote is synced")
    func whatIsSynced() throws {
        let log = try created()
        let answers = Answers<Void>()
        func syncs(_ batch: WALBatch) throws -> UInt64 {
            let before = log.metrics().syncs
            try log.persist(batch, completion: answers.completion)
            executor.run()
            return log.metrics().syncs - before
        }
        var state = HardState(term: Term(1), vote: MemberID(7))
        #expect(try syncs(WALBatch(entries: [], hardState: state)) == 1)
        let entry = Entry(term: Term(1), index: LogIndex(1), data: [1])
        #expect(try syncs(WALBatch(entries: [entry], hardState: nil)) == 1)
        state.commit = LogIndex(1)
        #expect(try syncs(WALBatch(entries: [], hardState: state)) == 0)
        #expect(try syncs(WALBatch(entries: [], hardState: state, mustSync: true)) == 1)
        #expect(try syncs(WALBatch(entries: [], hardState: state)) == 0)
        state.term = Term(2)
        #expect(try syncs(WALBatch(entries: [], hardState: state)) == 1)
        state.vote = MemberID(9)
        #expect(try syncs(WALBatch(entries: [], hardState: state)) == 1)
        #expect(answers.successes == 7)
        disk.kill()
        #expect(try reopened().hardState == state)
    }

    @Test("After a failed sync everything is refused, though the disk works again, until reopened")
    func failedSync() throws {
        let log = try created()
        var writer = LogWriter()
        let answers = Answers<Void>()
        try log.persist(writer.append([30], term: 1), completion: answers.completion)
        executor.run()
        writer.acknowledge()

        disk.fault = { operation, _ in operation == .sync ? EIO : nil }
        try log.persist(writer.append([30]), completion: answers.completion)
        try log.persist(writer.append([30]), completion: answers.completion)
        executor.run()
        disk.fault = nil
        try log.persist(writer.append([30]), completion: answers.completion)
        executor.run()

        let failure = FileError(.sync, SmallLog.path, code: EIO)
        #expect(answers.successes == 1)
        #expect(answers.errors == [.file(failure), .file(failure), .failedBefore(failure)])
        #expect(
            answers.errors[0].description
                == "write-ahead log: sync \(SmallLog.path): Input/output error (EIO)")
        let saved = Answers<Void>()
        try log.save(
            WALSnapshot(index: LogIndex(1), term: Term(1), confState: nil),
            completion: saved.completion)
        executor.run()
        #expect(saved.errors == [.failedBefore(failure)])

        disk.crash()
        let recovery = try reopened()
        #expect(try #require(writer.place(of: recovery)) >= writer.acknowledged - 1)
    }

    @Test(
        "A write that fails half-way leaves a log that opens with all that was acknowledged",
        arguments: 1...20)
    func failedWrite(seed: UInt64) throws {
        disk.random = SplitMix(state: seed)
        let log = try created()
        var writer = LogWriter()
        let answers = Answers<Void>()
        try log.persist(writer.append([30, 800], term: 1), completion: answers.completion)
        executor.run()
        writer.acknowledge()
        disk.fault = { operation, _ in operation == .write ? ENOSPC : nil }
        try log.persist(writer.append([900, 300]), completion: answers.completion)
        executor.run()
        #expect(answers.successes == 1)
        #expect(answers.errors.first?.isDiskFull == true)
        disk.kill()
        #expect(writer.place(of: try reopened()) == writer.acknowledged - 1)
    }

    @Test("A full disk is met when a segment is begun: said clearly, nothing acknowledged is lost")
    func diskFull() throws {
        disk.capacity = 3 * 2048
        let log = try created(segment: 2048)
        var writer = LogWriter()
        let answers = Answers<Void>()
        while answers.errors.isEmpty {
            try #require(answers.all.count < 50)
            let batch = writer.append([400], term: 1)
            try log.persist(batch, completion: answers.completion)
            executor.run()
            if answers.errors.isEmpty { writer.acknowledge() }
        }
        let error = answers.errors[0]
        #expect(error.isDiskFull)
        #expect(error.description.contains("No space left on device (ENOSPC)"), "\(error)")
        #expect(answers.successes > 8)

        // With room it goes on, with all that was acknowledged.
        let configuration = WALConfiguration.small(disk, segment: 2048)
        disk.crash()
        disk.capacity = 1 << 20
        let (store, recovery) = try WALStore.open(configuration, from: .snapshot(.zero, .zero))
        #expect(try #require(writer.place(of: recovery)) >= writer.acknowledged - 1)
        store.add(
            WALBatch(entries: [Entry(term: Term(1), index: store.lastIndex.next)], hardState: nil))
        try store.commit()
        try store.close()
    }

    @Test("The mailbox is bounded in bytes; one batch alone may be of any size")
    func boundedMailbox() throws {
        let log = try created { $0.mailboxBytes = 3000 }
        var writer = LogWriter()
        let answers = Answers<Void>()
        try log.persist(writer.append([5000], term: 1), completion: answers.completion)
        let refused = writer
        #expect(throws: WALError.mailboxFull) {
            try log.persist(writer.append([1]), completion: answers.completion)
        }
        writer = refused
        executor.run()
        for _ in 0..<3 {
            try log.persist(writer.append([500]), completion: answers.completion)
        }
        executor.run()
        #expect(answers.successes == 4)
        #expect(answers.errors.isEmpty)
    }

    @Test("Batches beyond the merge limit are several writes, and cuts happen between them")
    func manyBatches() throws {
        let log = try created(segment: 2048) { $0.mergedBytes = 1000 }
        var writer = LogWriter()
        let answers = Answers<Void>()
        for _ in 0..<30 {
            try log.persist(
                writer.append([300], commit: UInt64(writer.content.entries.count), term: 1),
                completion: answers.completion)
        }
        executor.run()
        #expect(answers.successes == 30)
        let metrics = log.metrics()
        #expect(metrics.writes > 5 && metrics.writes < 20)
        #expect(metrics.cuts >= 3)
        #expect(metrics.bytesWritten > 30 * 300)
        disk.crash()
        #expect(writer.place(of: try reopened()) == writer.history.count - 1)
    }

    @Test("A snapshot and a release are done in their turn")
    func snapshotAndRelease() throws {
        let log = try created(segment: 1024)
        var writer = LogWriter()
        let answers = Answers<Void>()
        for _ in 0..<6 {
            try log.persist(
                writer.append([500, 600], commit: UInt64(writer.content.entries.count), term: 1),
                completion: answers.completion)
            executor.run()
        }
        let released = Answers<Int>()
        try log.release(before: LogIndex(9), keeping: 2, completion: released.completion)
        try log.save(
            WALSnapshot(index: LogIndex(9), term: Term(1), confState: nil),
            completion: answers.completion)
        try log.release(before: LogIndex(9), keeping: 2, completion: released.completion)
        executor.run()
        #expect(released.errors == [.releasePastSnapshot(LogIndex(9), newest: .zero)])
        #expect(released.successes == 1)
        #expect(answers.successes == 7)
        disk.crash()
        let (store, recovery) = try WALStore.open(
            .small(disk), from: .newestSnapshot(notAfter: LogIndex(10)))
        #expect(recovery.snapshot.index == LogIndex(9))
        #expect(recovery.entries.map(\.index) == [10, 11, 12].map(LogIndex.init))
        try store.close()
    }

    @Test("Closed, the log says so, gives back its lock, and has synced even a commit index")
    func closing() throws {
        let log = try created()
        var writer = LogWriter()
        let answers = Answers<Void>()
        try log.persist(writer.append([10], term: 1), completion: answers.completion)
        try log.persist(writer.append([], commit: 1), completion: answers.completion)
        #expect(throws: WALError.locked(path: "data/wal.lock")) { _ = try reopened() }
        try log.close(completion: answers.completion)
        executor.run()
        #expect(answers.successes == 3)
        #expect(throws: WALError.closed) {
            try log.persist(writer.append([10]), completion: answers.completion)
        }
        disk.crash()
        #expect(try reopened().hardState.commit == LogIndex(1))
    }

    @Test("Each sync is measured with the clock that was given")
    func measured() throws {
        let time = Atomic<UInt64>(0)
        let observed = Locked<[UInt64]>([])
        let log = try created {
            $0.clock = {
                MonotonicTime(nanoseconds: time.add(250, ordering: .relaxed).newValue)
            }
            $0.observeSync = { nanoseconds in observed.withLock { $0.append(nanoseconds) } }
        }
        var writer = LogWriter()
        let answers = Answers<Void>()
        for _ in 0..<3 {
            try log.persist(writer.append([10], term: 1), completion: answers.completion)
            executor.run()
        }
        #expect(observed.withLock { $0 } == [250, 250, 250])
        #expect(log.metrics().syncNanoseconds == 750)
    }
}
