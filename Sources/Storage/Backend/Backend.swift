// The thread that commits.
//
// A commit blocks on the disk for milliseconds, so it has an actor and an executor of its own. It
// is handed one batch at a time: all changes of some applied entries and how far they reach in the
// log, in one LMDB transaction. Hence after a crash the file says exactly which entries it holds,
// and the log is replayed from there (reference: ondisk.md, consistent_index).
//
// Why refuse everything after one failed commit? The kernel may have dropped the dirty pages it
// failed to write; a later sync can succeed without them. Only reading the file again tells.

import API

/// The changes of a run of applied entries.
struct BackendBatch: Sendable {
    /// Records for table `key`, younger than all it holds.
    var revisions: SealedRevisions
    /// Writes to other tables, in order.
    var changes: [TableChange]
    /// Records of table `key` to delete, in ascending order.
    var deletions: [RecordKey] = []
    /// The last entry whose changes are in the batch.
    var consistentIndex: LogIndex
    var term: Term
    /// Who had a say as of that entry; nil when unchanged.
    var confState: ConfState?
}

/// What a commit made durable.
struct CommitReport: Sendable {
    let consistentIndex: LogIndex
    let term: Term
    let size: BackendSize
}

/// Commits batches to the store's file.
actor Backend: ExecutorActor {
    nonisolated let executor: any ActorExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor {
        executor.asUnownedSerialExecutor()
    }

    private var environment: Environment
    private var failure: BackendError?

    /// - Parameter executor: blocks for as long as a commit takes, so nothing else should run on
    ///   it.
    init(_ environment: Environment, on executor: any ActorExecutor) {
        self.environment = environment
        self.executor = executor
    }

    /// Commits `batch`, then calls `completion` once, on this actor's executor. From any thread.
    nonisolated func commit(
        _ batch: BackendBatch,
        _ completion: @escaping @Sendable (Result<CommitReport, BackendError>) -> Void
    ) {
        executor.post {
            let result = self.assumeIsolated { backend in backend.write(batch) }
            completion(result)
        }
    }

    private func write(_ batch: BackendBatch) -> Result<CommitReport, BackendError> {
        if let failure { return .failure(failure.asEarlierFailure) }
        do throws(BackendError) {
            var transaction = try WriteTransaction(environment)
            try Self.fill(&transaction, with: batch)
            try transaction.commit()
            return .success(
                CommitReport(
                    consistentIndex: batch.consistentIndex, term: batch.term,
                    size: try environment.size()))
        } catch {
            let explained = environment.explain(error)
            failure = explained
            return .failure(explained)
        }
    }

    /// Writes the file anew without its free pages, then calls `completion` once, on this actor's
    /// executor, with the environment that is to be read from then on. From any thread.
    nonisolated func defragment(
        _ completion: @escaping @Sendable (Result<Environment, DefragmentationFailure>) -> Void
    ) {
        executor.post {
            let result = self.assumeIsolated { backend in backend.replaceFile() }
            completion(result)
        }
    }

    private func replaceFile() -> Result<Environment, DefragmentationFailure> {
        if let failure {
            return .failure(
                DefragmentationFailure(error: failure.asEarlierFailure, isFatal: false))
        }
        do throws(DefragmentationFailure) {
            environment = try Defragmentation(environment: environment).run()
            return .success(environment)
        } catch {
            if error.isFatal { failure = error.error }
            return .failure(error)
        }
    }

    /// Puts `incoming` in the place of the store's file, then calls `completion` once, on this
    /// actor's executor. After a failure nothing is committed any more. From any thread.
    nonisolated func install(
        _ incoming: IncomingFile,
        _ completion: @escaping @Sendable (Result<Void, BackendError>) -> Void
    ) {
        executor.post {
            let result = self.assumeIsolated { backend in backend.replaceFile(by: incoming) }
            completion(result)
        }
    }

    private func replaceFile(by incoming: IncomingFile) -> Result<Void, BackendError> {
        do throws(BackendError) {
            try incoming.install()
            environment = incoming.environment
            failure = nil
            return .success(())
        } catch {
            failure = error
            return .failure(error)
        }
    }

    /// Lets go of what is large here: unmapping a file takes a while.
    nonisolated func release(_ last: any Sendable) {
        executor.post { _ = last }
    }

    /// Lets go of an environment here: unmapping a large file takes a while.
    nonisolated func close(_ environment: consuming Environment) {
        let last = environment
        executor.post { _ = last }
    }

    private static func fill(
        _ transaction: inout WriteTransaction, with batch: BackendBatch
    ) throws(BackendError) {
        try transaction.append(batch.revisions.buffer)
        try transaction.delete(batch.deletions)
        for change in batch.changes {
            try transaction.apply(change)
        }
        #if CAIRN_BUGS
            let isLost =
                DeliberateBug.made == .loseConsistentIndex
                && batch.consistentIndex.rawValue.isMultiple(of: 4)
        #else
            let isLost = false
        #endif
        if !isLost {
            try transaction.putMeta(
                MetaKey.consistentIndex, bigEndian: batch.consistentIndex.rawValue)
        }
        if batch.term > .zero {  // reference: ondisk.md, absent when 0
            try transaction.putMeta(MetaKey.term, bigEndian: batch.term.rawValue)
        }
        if let confState = batch.confState {
            let json = ConfStateJSON.encode(confState)
            try transaction.apply(TableChange(table: .meta, key: MetaKey.confState, value: json))
        }
    }
}

extension WriteTransaction {
    fileprivate func apply(_ change: TableChange) throws(BackendError) {
        let table = change.table
        // Through spans, for the closures of arrays do not pass typed errors on.
        try change.key.span.withUnsafeBytes { (key) throws(BackendError) in
            guard let value = change.value else { return try delete(table, key) }
            try value.span.withUnsafeBytes { (value) throws(BackendError) in
                try put(table, key, value)
            }
        }
    }

    fileprivate func putMeta(_ key: [UInt8], bigEndian value: UInt64) throws(BackendError) {
        let bytes = withUnsafeBytes(of: value.bigEndian) { [UInt8]($0) }
        try apply(TableChange(table: .meta, key: key, value: bytes))
    }
}
