// The log on the real disk and on a real thread.

import API
import Foundation
import Glibc
import Testing

@testable import Storage

/// A thread with a queue, as an actor's executor.
final class ThreadExecutor: ActorExecutor, @unchecked Sendable {  // the queue is under its lock
    private let queue = NSCondition()
    private var work: [() -> Void] = []
    private var isStopped = false
    private let thread = Locked<pthread_t?>(nil)

    init() {
        let thread = Thread { [self] in
            self.thread.withLock { $0 = pthread_self() }
            while let next = next() { for item in next { item() } }
        }
        thread.start()
    }

    private func next() -> [() -> Void]? {
        queue.lock()
        defer { queue.unlock() }
        while work.isEmpty {
            if isStopped { return nil }
            queue.wait()
        }
        defer { work = [] }
        return work
    }

    private func add(_ item: @escaping () -> Void) {
        queue.lock()
        work.append(item)
        queue.signal()
        queue.unlock()
    }

    func stop() {
        queue.lock()
        isStopped = true
        queue.signal()
        queue.unlock()
    }

    var isCurrent: Bool { thread.withLock { $0 == pthread_self() } }
    func checkIsolated() { precondition(isCurrent) }
    func post(_ work: @escaping @Sendable () -> Void) { add(work) }
    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        add { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }
    func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        UnownedSerialExecutor(ordinary: self)
    }
    func atTurnEnd(_ phase: TurnPhase, _ work: @escaping () -> Void) { add(work) }
    var now: MonotonicTime { .systemClock() }
    func schedule(afterNanoseconds nanoseconds: UInt64, _ work: @escaping () -> Void)
        -> any TimerHandle
    { NoTimer() }
    private final class NoTimer: TimerHandle { func cancel() {} }
}

private final class Indices: Sendable {
    let next = Locked<UInt64>(1)
}

@Suite("WAL: on the real disk")
struct WALDiskTests {
    @Test("Written from several threads on a thread of its own, read back whole")
    func threads() async throws {
        let directory = try TemporaryDirectory()
        var configuration = WALConfiguration(directory: directory.path + "/wal")
        configuration.segmentBytes = 256 * 1024
        let executor = ThreadExecutor()
        defer { executor.stop() }
        let (log, _) = try WriteAheadLog.create(
            configuration, metadata: LogWriter.metadata, on: executor)
        let indices = Indices()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    for _ in 0..<250 {
                        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
                            indices.next.withLock { next in
                                let entry = Entry(
                                    term: Term(1), index: LogIndex(next),
                                    data: [UInt8](repeating: 1, count: 300))
                                next += 1
                                let batch = WALBatch(entries: [entry], hardState: nil)
                                do {
                                    try log.persist(batch) { result in
                                        #expect(throws: Never.self) { try result.get() }
                                        done.resume()
                                    }
                                } catch { Issue.record(error) }
                            }
                        }
                    }
                }
            }
        }
        #expect(log.metrics().batches == 1000)
        #expect(log.metrics().cuts >= 1)
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            do { try log.close { _ in done.resume() } } catch { Issue.record(error) }
        }
        let (store, recovery) = try WALStore.open(configuration, from: .snapshot(.zero, .zero))
        #expect(recovery.entries.map(\.index.rawValue) == Array(1...1000))
        try store.close()
    }

    @Test("A log that is open cannot be opened a second time")
    func locked() throws {
        let directory = try TemporaryDirectory()
        let configuration = WALConfiguration(directory: directory.path + "/wal")
        let (store, _) = try WALStore.create(configuration, LogWriter.metadata)
        #expect(throws: WALError.locked(path: directory.path + "/wal.lock")) {
            _ = try WALStore.open(configuration, from: .snapshot(.zero, .zero))
        }
        // Without our lock file there is the one that etcd takes on the segment.
        try FileManager.default.removeItem(atPath: directory.path + "/wal.lock")
        let segment = directory.path + "/wal/" + WALFixture.file
        #expect(throws: WALError.locked(path: segment)) {
            _ = try WALStore.open(configuration, from: .snapshot(.zero, .zero))
        }
        try store.close()
        let (again, _) = try WALStore.open(configuration, from: .snapshot(.zero, .zero))
        try again.close()
    }

    @Test("A lock goes with its file, although a child that was just forked has the descriptor too")
    func lockAndFork() throws {
        let directory = try TemporaryDirectory()
        let files = SystemFiles()
        let file = try files.open(directory.path + "/lock", .createOrKeep)
        #expect(try file.tryLock())
        let copies = Self.duplicates(of: file.path)
        defer { for copy in copies { close(copy) } }
        #expect(copies.count == 1)
        file.close()
        let again = try files.open(file.path, .createOrKeep)
        #expect(try again.tryLock())
    }

    /// A second descriptor for each that is open on `path`, as a fork makes them.
    private static func duplicates(of path: String) -> [Int32] {
        (0..<1024).filter { descriptor in
            (try? FileManager.default.destinationOfSymbolicLink(
                atPath: "/proc/self/fd/\(descriptor)")) == path
        }.map { fcntl($0, F_DUPFD_CLOEXEC, 0) }
    }

    @Test("A new segment is 64,000,000 bytes, private, and a second log is not made over it")
    func preallocation() throws {
        let directory = try TemporaryDirectory()
        let configuration = WALConfiguration(directory: directory.path + "/wal")
        #expect(throws: WALError.notFound(directory: configuration.directory)) {
            _ = try WALStore.open(configuration, from: .snapshot(.zero, .zero))
        }
        // An empty directory, as somebody may have prepared it, is no log.
        try SystemFiles().createDirectory(configuration.directory)
        #expect(try !WriteAheadLog.exists(configuration))
        let (store, recovery) = try WALStore.create(configuration, LogWriter.metadata)
        #expect(try WriteAheadLog.exists(configuration))
        #expect(recovery.metadata == LogWriter.metadata)
        #expect(recovery.snapshot == .empty)
        try store.close()
        var status = stat()
        #expect(stat(configuration.directory + "/" + WALFixture.file, &status) == 0)
        #expect(status.st_size == 64_000_000)
        #expect(status.st_mode & 0o777 == 0o600)
        #expect(stat(configuration.directory, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o700)
        #expect(throws: WALError.alreadyExists(directory: configuration.directory)) {
            _ = try WALStore.create(configuration, LogWriter.metadata)
        }
    }

    @Test("What the system refuses is said with the operation, the path and the name of the error")
    func systemErrors() {
        let files = SystemFiles()
        #expect(throws: FileError(.open, "/nowhere/file", code: ENOENT)) {
            _ = try files.open("/nowhere/file", .readOnly)
        }
        #expect(
            FileError(.rename, "/nowhere/file", code: ENOENT).description
                == "rename /nowhere/file: No such file or directory (ENOENT)")
        #expect(FileError(.write, "x", code: 12345).name == "errno 12345")
        #expect(throws: FileError(.list, "/nowhere", code: ENOENT)) {
            _ = try files.list("/nowhere")
        }
    }

    @Test(
        "On a disk that is really full, the log stops with ENOSPC and loses nothing",
        .enabled(if: geteuid() == 0, "mounting a small file system takes root"))
    func realDiskFull() throws {
        let directory = try TemporaryDirectory()
        guard Self.run("/bin/mount", "-t", "tmpfs", "-o", "size=1m", "none", directory.path) else {
            print("skipped: no file system can be mounted here")
            return
        }
        defer { _ = Self.run("/bin/umount", directory.path) }
        var configuration = WALConfiguration(directory: directory.path + "/wal")
        configuration.segmentBytes = 300 * 1024
        configuration.zeroSliceBytes = 32 * 1024
        let (store, _) = try WALStore.create(configuration, LogWriter.metadata)
        var written = 0
        var failure: WALError?
        while failure == nil && written < 10_000 {
            do throws(WALError) {
                let entry = Entry(
                    term: Term(1), index: LogIndex(UInt64(written + 1)),
                    data: [UInt8](repeating: 1, count: 1000))
                store.add(WALBatch(entries: [entry], hardState: nil))
                try store.commit()
                written += 1
                try store.maintain()
            } catch { failure = error }
        }
        let error = try #require(failure)
        #expect(error.isDiskFull, "\(error)")
        #expect(error.description.contains("ENOSPC"))
        try store.close()

        // Room is made; all that was acknowledged is there and the log goes on.
        #expect(Self.run("/bin/mount", "-o", "remount,size=8m", directory.path))
        let (again, recovery) = try WALStore.open(configuration, from: .snapshot(.zero, .zero))
        #expect(recovery.entries.count == written)
        again.add(
            WALBatch(entries: [Entry(term: Term(1), index: again.lastIndex.next)], hardState: nil))
        try again.commit()
        try again.close()
    }

    static func run(_ program: String, _ arguments: String...) -> Bool {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }
}
