// What this member has promised, on disk.
//
// A vote or an append is acknowledged once it survives loss of power (Raft, figure 2). A sync
// costs a hundred microseconds or many milliseconds, a proposal a few microseconds: one sync
// serves all that came meanwhile. So there is a mailbox, and what waits in it when the disk is
// free again is written together.

import API

/// What is to be made durable together.
public struct WALBatch: Sendable {
    /// Each at most one past the one before; an index that is on disk already and not committed
    /// is replaced, with all after it.
    public var entries: [Entry]
    /// The newest state, if it changed.
    public var hardState: HardState?
    /// Sync even if the batch alone does not need it. Entries, a term or a vote always do.
    public var mustSync: Bool

    public init(entries: [Entry], hardState: HardState?, mustSync: Bool = false) {
        self.entries = entries
        self.hardState = hardState
        self.mustSync = mustSync
    }
}

/// The write-ahead log of one member, on an executor of its own: its calls to the disk block.
///
/// Messages are posted from any thread and done in order. Each is answered once, on the log's
/// executor. After a failed write or sync every answer is an error until the log is opened again.
public actor WriteAheadLog: ExecutorActor {
    /// Called on the log's executor; must not block.
    public typealias Completion<Value> = @Sendable (Result<Value, WALError>) -> Void

    private enum Message: Sendable {
        case persist(WALBatch, Completion<Void>)
        case save(WALSnapshot, Completion<Void>)
        case release(before: LogIndex, keeping: Int, Completion<Int>)
        case close(Completion<Void>)
    }

    private struct Mailbox: Sendable {
        var messages: [Message] = []
        /// Of entries that wait or are being written, in bytes.
        var bytes = 0
        var isScheduled = false
        var isClosed = false
        var metrics = WALMetrics()
    }

    public nonisolated let executor: any ActorExecutor
    private nonisolated let mailbox = Locked(Mailbox())
    private nonisolated let configuration: WALConfiguration
    private let store: WALStore
    /// Written together and not acknowledged yet.
    private var waiting: [Completion<Void>] = []
    private var acknowledged: UInt64 = 0

    public nonisolated var unownedExecutor: UnownedSerialExecutor {
        executor.asUnownedSerialExecutor()
    }

    private init(
        _ store: sending WALStore, _ configuration: WALConfiguration, on executor: any ActorExecutor
    ) {
        self.store = store
        self.configuration = configuration
        self.executor = executor
    }

    // MARK: - Opening; blocks the caller

    /// Whether there is a log in `configuration.directory`.
    public static func exists(_ configuration: WALConfiguration) throws(WALError) -> Bool {
        try WALDirectory(path: configuration.directory, files: configuration.files).exists()
    }

    /// Makes a new, empty log in one step: after a crash it is there whole or not at all.
    /// - Throws: `.alreadyExists`, `.locked`, `.file`.
    public static func create(
        _ configuration: WALConfiguration, metadata: WALMetadata, on executor: any ActorExecutor
    ) throws(WALError) -> (log: WriteAheadLog, recovery: WALRecovery) {
        let (store, recovery) = try WALStore.create(configuration, metadata)
        return (WriteAheadLog(store, configuration, on: executor), recovery)
    }

    /// Reads a log, cuts off a torn tail, and opens it for appending.
    /// - Throws: `.notFound`, `.locked`, `.damaged` with the file and the place, `.missingSegment`,
    ///   `.snapshotNotFound`, `.snapshotMismatch`, `.file`. Nothing on disk has changed then,
    ///   `.file` aside.
    public static func open(
        _ configuration: WALConfiguration, from start: WALStart, on executor: any ActorExecutor
    ) throws(WALError) -> (log: WriteAheadLog, recovery: WALRecovery) {
        let (store, recovery) = try WALStore.open(configuration, from: start)
        return (WriteAheadLog(store, configuration, on: executor), recovery)
    }

    // MARK: - Messages; from any thread

    /// Writes and syncs `batch`, together with others that wait.
    /// - Throws: `.mailboxFull` or `.closed`, and then `completion` is not called.
    public nonisolated func persist(
        _ batch: WALBatch, completion: @escaping Completion<Void>
    ) throws(WALError) {
        try post(.persist(batch, completion), bytes: batch.memory)
    }

    /// Records that the state applied through `snapshot` is durable elsewhere. Entries before it
    /// may be released after the answer.
    public nonisolated func save(
        _ snapshot: WALSnapshot, completion: @escaping Completion<Void>
    ) throws(WALError) {
        try post(.save(snapshot, completion), bytes: 0)
    }

    /// Deletes segments with nothing but entries before `index`, while more than `count` are
    /// left (etcd's --max-wals).
    /// - Parameter completion: Gets the number of segments deleted, or `.releasePastSnapshot`
    ///   when `index` is past the newest snapshot record.
    public nonisolated func release(
        before index: LogIndex, keeping count: Int, completion: @escaping Completion<Int>
    ) throws(WALError) {
        try post(.release(before: index, keeping: count, completion), bytes: 0)
    }

    /// Syncs what was posted before, closes the files and gives back the lock.
    public nonisolated func close(completion: @escaping Completion<Void>) throws(WALError) {
        try post(.close(completion), bytes: 0)
    }

    /// Counters; what was answered is in them. From any thread.
    public nonisolated func metrics() -> WALMetrics { mailbox.withLock { $0.metrics } }

    private nonisolated func post(_ message: Message, bytes: Int) throws(WALError) {
        let limit = configuration.mailboxBytes
        let isWakeDue = try mailbox.withLock { (mailbox) throws(WALError) -> Bool in
            if mailbox.isClosed { throw .closed }
            // A single batch over the limit must still be possible.
            if bytes > 0 && mailbox.bytes > 0 && mailbox.bytes + bytes > limit {
                throw .mailboxFull
            }
            if case .close = message { mailbox.isClosed = true }
            mailbox.messages.append(message)
            mailbox.bytes += bytes
            defer { mailbox.isScheduled = true }
            return !mailbox.isScheduled
        }
        if isWakeDue { executor.post { self.assumeIsolated { $0.drain() } } }
    }

    // MARK: - The log's own thread

    /// Does all that waits, and comes back while more does.
    private func drain() {
        let messages = mailbox.withLock { mailbox in
            let messages = mailbox.messages
            mailbox.messages = []
            return messages
        }
        var bytes = 0
        for message in messages {
            switch message {
            case .persist(let batch, let completion):
                store.add(batch)
                waiting.append(completion)
                bytes += batch.memory
                if store.pendingBytes >= configuration.mergedBytes { commit() }
            case .save(let snapshot, let completion):
                commit()
                completion(result { () throws(WALError) in try store.save(snapshot) })
            case .release(let index, let count, let completion):
                commit()
                completion(
                    result { () throws(WALError) in
                        try store.release(before: index, keeping: count)
                    })
            case .close(let completion):
                commit()
                completion(result { () throws(WALError) in try store.close() })
            }
        }
        commit()
        finishRound(bytes: bytes)
    }

    /// Makes durable what was added, tells those who wait, then does what could wait.
    private func commit() {
        if waiting.isEmpty { return }
        let result = result { () throws(WALError) in try store.commit() }
        if case .success = result { acknowledged += UInt64(waiting.count) }
        publishMetrics()
        for completion in waiting { completion(result) }
        waiting.removeAll(keepingCapacity: true)
        // A failure here concerns nothing that was acknowledged: the next write is told.
        do throws(WALError) { try store.maintain() } catch {}
    }

    private func finishRound(bytes: Int) {
        publishMetrics()
        let isMoreWaiting = mailbox.withLock { mailbox in
            mailbox.bytes -= bytes
            mailbox.isScheduled = !mailbox.messages.isEmpty
            return mailbox.isScheduled
        }
        // Posted, so that others on this executor have their turn.
        if isMoreWaiting { executor.post { self.assumeIsolated { $0.drain() } } }
    }

    private func publishMetrics() {
        var metrics = store.metrics
        metrics.batches = acknowledged
        mailbox.withLock { $0.metrics = metrics }
    }

    private func result<Value>(
        _ body: () throws(WALError) -> Value
    ) -> Result<Value, WALError> {
        do throws(WALError) { return .success(try body()) } catch { return .failure(error) }
    }
}

extension WALBatch {
    /// About what it holds in memory, in bytes.
    var memory: Int { entries.reduce(64) { $0 + $1.data.count + 64 } }
}
