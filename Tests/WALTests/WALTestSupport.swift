// An executor that runs when the test says so, and a log to write with a memory of what it holds.

import API
import Foundation
import Testing

@testable import Storage

/// Runs what was posted when the test calls `run`, on the test's thread.
final class ManualExecutor: ActorExecutor, @unchecked Sendable {  // one thread by each test
    private var work: [() -> Void] = []

    var isCurrent: Bool { true }
    func checkIsolated() {}
    func post(_ work: @escaping @Sendable () -> Void) { self.work.append(work) }
    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        work.append { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }
    func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        UnownedSerialExecutor(ordinary: self)
    }
    func atTurnEnd(_ phase: TurnPhase, _ work: @escaping () -> Void) { self.work.append(work) }
    var now: MonotonicTime { MonotonicTime(nanoseconds: 0) }
    func schedule(afterNanoseconds nanoseconds: UInt64, _ work: @escaping () -> Void)
        -> any TimerHandle
    { NoTimer() }
    private final class NoTimer: TimerHandle { func cancel() {} }

    /// Runs all that is posted, and what that posts.
    func run() {
        while !work.isEmpty {
            let now = work
            work = []
            for item in now { item() }
        }
    }
}

/// What a log holds, as Raft sees it.
struct LogContent: Hashable {
    var entries: [Entry] = []
    var state = HardState()
}

/// Writes a log and remembers every content it has gone through, record by record.
struct LogWriter {
    static let member = MemberID(1_991_473_312_055_241_453)
    static let metadata = WALMetadata(member: member, cluster: ClusterID(0x613d_05ac_3321_63c7))

    /// The content after each record; the first is that of the empty log.
    private(set) var history = [LogContent()]
    /// How many of `history` were acknowledged.
    private(set) var acknowledged = 1
    private(set) var snapshot = WALSnapshot.empty

    var content: LogContent { history[history.count - 1] }

    mutating func append(_ sizes: [Int], commit: UInt64? = nil, term: UInt64? = nil) -> WALBatch {
        var content = content
        let next = term.map(Term.init) ?? max(content.state.term, Term(1))
        var entries: [Entry] = []
        for size in sizes {
            let index = (content.entries.last?.index ?? snapshot.index).next
            // Different in every byte and never zero, so that no part of it looks unwritten.
            let data = (0..<size).map {
                UInt8(truncatingIfNeeded: $0 &* 7 &+ Int(index.rawValue)) | 1
            }
            let entry = Entry(term: next, index: index, data: data)
            entries.append(entry)
            content.entries.append(entry)
            history.append(content)
        }
        return finish(entries, &content, term: next, commit: commit)
    }

    /// A new leader's entries take the place of those from `index` on.
    mutating func replace(from index: UInt64, _ sizes: [Int], term: UInt64) -> WALBatch {
        var content = content
        var entries: [Entry] = []
        for (place, size) in sizes.enumerated() {
            let index = LogIndex(index) + place
            let entry = Entry(
                term: Term(term), index: index, data: [UInt8](repeating: 0x52, count: size))
            entries.append(entry)
            content.entries.removeAll { $0.index >= index }
            content.entries.append(entry)
            history.append(content)
        }
        return finish(entries, &content, term: Term(term), commit: nil)
    }

    private mutating func finish(
        _ entries: [Entry], _ content: inout LogContent, term: Term, commit: UInt64?
    ) -> WALBatch {
        let state = HardState(
            term: term, vote: Self.member, commit: commit.map(LogIndex.init) ?? content.state.commit
        )
        if state == content.state { return WALBatch(entries: entries, hardState: nil) }
        content.state = state
        history.append(content)
        return WALBatch(entries: entries, hardState: state)
    }

    mutating func acknowledge() { acknowledged = history.count }
    mutating func took(_ snapshot: WALSnapshot) { self.snapshot = snapshot }

    /// Which content of the history a recovery is, if any.
    func place(of recovery: WALRecovery) -> Int? {
        history.lastIndex { content in
            let entries = content.entries.filter { $0.index > recovery.snapshot.index }
            guard recovery.entries == entries else { return false }
            // A term without its state is raised to the entries' own, without a vote.
            return recovery.hardState == content.state
                || recovery.hardState.term > content.state.term
                    && recovery.hardState.commit == content.state.commit
                    && recovery.hardState.term == entries.last?.term
        }
    }
}

extension WALConfiguration {
    /// A small log on a simulated disk.
    static func small(_ disk: SimulatedDisk, segment: Int = 8192) -> WALConfiguration {
        var configuration = WALConfiguration(directory: "data/wal", files: disk)
        configuration.segmentBytes = segment
        configuration.zeroSliceBytes = 1024
        return configuration
    }
}

/// A directory of its own on the real disk, removed when dropped.
final class TemporaryDirectory {
    let path: String
    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/cairn-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }
}

func wal(_ error: (any Error)?) -> WALError? { error as? WALError }

/// What an answer of the log was, once it came.
final class Answers<Value: Sendable>: Sendable {
    private let results = Locked<[Result<Value, WALError>]>([])
    var all: [Result<Value, WALError>] { results.withLock { $0 } }
    var completion: WriteAheadLog.Completion<Value> {
        { result in self.results.withLock { $0.append(result) } }
    }
    var successes: Int {
        all.count { if case .success = $0 { true } else { false } }
    }
    var errors: [WALError] {
        all.compactMap { if case .failure(let error) = $0 { error } else { nil } }
    }
}
