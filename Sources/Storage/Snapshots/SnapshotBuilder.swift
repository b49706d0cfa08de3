// The chunks of a snapshot, made into a store's file beside the one there is.
//
// The records of each chunk go straight to the file. A cut link costs nothing: the builder stays,
// and says which chunk is due. A crash costs all of it, and what it leaves goes at the next start.
// Only once everything was read, compared with what the snapshot said of itself, and synced, does
// the file get the name under which a start finds it.

import API

/// Builds a store's file of chunks. Blocks on the disk: on a thread of its own.
package actor SnapshotBuilder: ExecutorActor {
    package nonisolated let executor: any ActorExecutor
    package nonisolated let unownedExecutor: UnownedSerialExecutor
    package nonisolated let description: SnapshotDescription

    /// What became of a chunk.
    package enum Progress: Sendable {
        /// It is taken. The number of the next.
        case due(UInt32)
        /// It was the last, and all is well.
        case whole(IncomingStore)
    }

    private let path: String
    private let quotaBytes: Int64
    private let observe: @Sendable (IncomingFile.Step) -> Void
    private var reader: SnapshotReader
    private var file: IncomingFile?
    /// Begun and ended on this thread (LMDB), hence let go by `abandon` and not by whoever holds
    /// the builder last.
    private var transaction: WriteTransaction?
    private var pendingBytes = 0
    private var began: MonotonicTime?
    private var failure: SnapshotError?

    /// So much is written between two commits: what LMDB holds in memory until then, and what the
    /// disk has to write at a time, for others wait for the same disk with every write of theirs.
    private static let commitBytes = 512 << 10

    /// - Parameter path: of the store that may be replaced.
    package init(
        _ description: SnapshotDescription, replacing path: String, quotaBytes: Int64,
        on executor: any ActorExecutor
    ) {
        self.init(
            description, replacing: path, quotaBytes: quotaBytes, on: executor,
            observing: { _ in })
    }

    init(
        _ description: SnapshotDescription, replacing path: String, quotaBytes: Int64,
        on executor: any ActorExecutor,
        observing observe: @escaping @Sendable (IncomingFile.Step) -> Void
    ) {
        self.observe = observe
        self.description = description
        self.path = path
        self.quotaBytes = quotaBytes
        self.executor = executor
        unownedExecutor = executor.asUnownedSerialExecutor()
        reader = SnapshotReader(stream: description.stream)
    }

    /// Takes the chunk that is due, then calls `completion` once, on this executor. After a failure
    /// every chunk fails. From any thread.
    package nonisolated func add(
        _ chunk: [UInt8],
        _ completion: @escaping @Sendable (Result<Progress, SnapshotError>) -> Void
    ) {
        executor.post {
            let result = self.assumeIsolated { $0.take(chunk) }
            completion(result)
        }
    }

    /// It is not to be finished: what there is of it goes. From any thread.
    package nonisolated func abandon() {
        executor.post { self.assumeIsolated { $0.fail(.abandoned) } }
    }

    private func take(_ chunk: [UInt8]) -> Result<Progress, SnapshotError> {
        do throws(SnapshotError) {
            if let failure { throw failure }
            if file == nil { try begin() }
            try chunk.span.withUnsafeBytes { (chunk) throws(SnapshotError) in
                try reader.read(chunk) { (table, key, value) throws(SnapshotError) in
                    try append(table, key, value)
                }
            }
            guard reader.isFinished else { return .success(.due(reader.next)) }
            return .success(.whole(try finish()))
        } catch {
            fail(error)
            return .failure(error)
        }
    }

    private func begin() throws(SnapshotError) {
        began = executor.now
        file = try Self.store { () throws(BackendError) in
            try IncomingFile(replacing: path, quotaBytes: quotaBytes)
        }
        file?.observe = observe
    }

    private func append(
        _ table: Table, _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) throws(SnapshotError) {
        try Self.store { () throws(BackendError) in
            if transaction == nil, let file { transaction = try WriteTransaction(file.environment) }
            try transaction?.append(table, key, value)
            pendingBytes += key.count + value.count
            if pendingBytes >= Self.commitBytes { try commit() }
        }
    }

    private func commit() throws(BackendError) {
        var committing: WriteTransaction?
        swap(&committing, &transaction)
        pendingBytes = 0
        try committing.take()?.commit()
        file?.environment.trickle()
    }

    /// Everything was read: what does it come to?
    private func finish() throws(SnapshotError) -> IncomingStore {
        guard let file, let began else { preconditionFailure("a snapshot without a chunk") }
        let lastSync = executor.now
        let size = try Self.store { () throws(BackendError) in
            try commit()
            return try file.environment.size()
        }
        let contents: StoreContents
        do throws(StoreError) {
            contents = try StoreContents(
                reading: backend { () throws(BackendError) in
                    try ReadTransaction(file.environment)
                })
        } catch {
            throw .store(error)
        }
        let summary = contents.summary
        guard summary.consistentIndex == description.index, summary.term == description.term,
            summary.revision == description.revision, summary.confState == description.confState
        else { throw .damaged(chunk: nil, .otherState) }
        try Self.store { () throws(BackendError) in try file.keep() }
        self.file = nil
        failure = .abandoned  // nothing more is taken
        return IncomingStore(
            description, file, size: size, contents: contents,
            nanoseconds: (
                executor.now.nanoseconds(since: began), executor.now.nanoseconds(since: lastSync)
            ))
    }

    private func fail(_ error: SnapshotError) {
        guard failure == nil else { return }
        failure = error
        transaction = nil
        file?.removeReceiving()
        file = nil
    }

    private static func store<Result: ~Copyable>(
        _ body: () throws(BackendError) -> Result
    ) throws(SnapshotError) -> Result {
        do throws(BackendError) { return try body() } catch { throw .store(.backend(error)) }
    }
}
