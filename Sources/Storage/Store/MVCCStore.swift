// The key space with its history: every change makes a revision, and any revision since the last
// compaction can be read.
//
// What belongs together is changed together. A log entry is applied between `beginApply` and
// `endApply`; all it changes, and that it was applied, reach the disk in one commit. Commits run
// on another thread and cover whole entries (Backend); until one is durable, what it holds is
// read from memory (RecordLayers). So an apply never waits for a disk, and after a crash the file
// is the state as of some entry, from which the log is replayed.
//
// Parts: what is here is state and the scope of an apply; changes, reads and commits are in the
// files beside.

import API

/// The store. Every method runs on its executor and never waits; callers there enter with
/// `assumeIsolated`.
package actor MVCCStore: ExecutorActor {
    package nonisolated let executor: any ActorExecutor
    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        executor.asUnownedSerialExecutor()
    }

    var index: KeyIndex
    var records: RecordLayers
    /// For what must be copied before the records move. Empty between calls.
    var scratch = ByteBuffer()

    /// The newest revision. Inside an apply: as it was before it.
    package internal(set) var revision: Revision
    /// The newest revision, that of the apply in progress included once it has changed a key.
    package var currentRevision: Revision {
        (applying?.changes ?? 0) > 0 ? revision.next : revision
    }
    /// The oldest revision that can be read; nil when nothing was ever compacted.
    package internal(set) var compacted: Revision?
    /// What is being read in slices.
    var pins = RevisionPins()
    var compactions = CompactionState()
    var hashes = HashQueue()
    var defragmentation = DefragmentationState()
    var replacement: StoreReplacement?
    /// What was pinned before a replacement and is older than this, the new state does not have.
    var replacedBefore: Revision?
    /// The last log entry that was applied.
    package private(set) var appliedIndex: LogIndex
    package private(set) var appliedTerm: Term

    /// Told of the changes of each apply; nil as long as nobody cares.
    weak var changeObserver: (any ChangeObserver)?
    /// The apply in progress.
    var applying: ApplyScope?
    var commits: CommitState

    struct ApplyScope {
        let index: LogIndex
        let term: Term
        /// How many changes it made so far: the sub revision of the next.
        var changes: Int64 = 0
        /// Writes of all kinds, by which commits are paced.
        var writes = 0
    }

    /// Opens the file, or creates it, and reads all of it: seconds for millions of keys, so this
    /// is done before anything is served. From any thread.
    ///
    /// - Parameter executor: where the store runs, with those who use it.
    /// - Parameter committer: where commits block; nothing else should run there.
    /// - Throws: `.backend` when the file cannot be opened or read, `.damaged` when it holds what
    ///   cannot be; it is never repaired by guessing.
    package static func open(
        _ configuration: StoreConfiguration, on executor: any ActorExecutor,
        committingOn committer: any ActorExecutor
    ) throws(StoreError) -> (store: MVCCStore, summary: StoreSummary) {
        Defragmentation.removeLeftovers(of: configuration.path)
        Conversion.removeLeftovers(of: configuration.path)
        let environment = try backend { () throws(BackendError) in
            let found = try Environment(
                path: configuration.path, quotaBytes: configuration.quotaBytes)
            guard !found.hasChecksums else { return found }
            return try Conversion(
                old: found, quotaBytes: configuration.quotaBytes,
                observe: configuration.observeConversion
            ).run()
        }
        return try open(environment, configuration, on: executor, committingOn: committer)
    }

    static func open(
        _ environment: Environment, _ configuration: StoreConfiguration,
        on executor: any ActorExecutor, committingOn committer: any ActorExecutor
    ) throws(StoreError) -> (store: MVCCStore, summary: StoreSummary) {
        let contents = try StoreContents(
            reading: backend { () throws(BackendError) in try ReadTransaction(environment) })
        let records = try backend { () throws(BackendError) in try RecordLayers(environment) }
        let size = try backend { () throws(BackendError) in try environment.size() }
        let summary = contents.summary
        let commits = CommitState(
            configuration, backend: Backend(environment, on: committer),
            durable: CommittedState(
                index: summary.consistentIndex, term: summary.term, size: size))
        return (MVCCStore(contents, records, commits, executor), summary)
    }

    private init(
        _ contents: consuming StoreContents, _ records: consuming RecordLayers,
        _ commits: consuming CommitState, _ executor: any ActorExecutor
    ) {
        self.executor = executor
        self.records = records
        self.commits = commits
        let summary = contents.summary
        revision = summary.revision
        compacted = summary.compacted
        appliedIndex = summary.consistentIndex
        appliedTerm = summary.term
        index = contents.index
        if let unfinished = summary.unfinishedCompaction {
            // No hash will come of it, so the one before does not matter.
            compactions.resume(unfinished)
        }
    }

    /// Another state took the place of this one.
    func becameAt(_ index: LogIndex, _ term: Term) {
        appliedIndex = index
        appliedTerm = term
    }

    /// Calls `observer` with all damage of the file that is found from now on, by whoever reads it
    /// and on the thread that does. The member must stop: none of its state can be trusted.
    package func observeDamage(_ observer: @escaping @Sendable (StoreError) -> Void) {
        records.environment.reports.observe(observer)
    }

    /// What the index knows is not in the file, or is not what the index says of it.
    func damaged(_ position: RevisionPosition, _ reason: String) -> StoreError {
        let error = StoreError.damaged(position, reason + "; " + Environment.advice)
        records.environment.reports.report(error)
        return error
    }

    /// Keys that exist now.
    package var liveKeys: Int { index.liveKeys }
}

// MARK: - Applying entries

extension MVCCStore {
    /// Begins to apply the log entry at `index`. Everything until `endApply` is one transaction:
    /// its changes share one revision and reach the disk together.
    ///
    /// If a change throws `.backend` or `.damaged` the entry can be neither applied nor undone: the
    /// member must stop. Other errors are the request's, and leave the scope as it was.
    ///
    /// - Returns: false when the entry's effects are here already, as happens in the replay after
    ///   a crash: then nothing is to be done, and no scope was begun.
    /// - Throws: `.backend` after a failed commit: nothing is applied until the store is opened
    ///   again.
    package func beginApply(at index: LogIndex, term: Term) throws(StoreError) -> Bool {
        precondition(applying == nil, "an apply within an apply")
        precondition(replacement == nil, "an apply to a state that is being replaced")
        if let failure = commits.failure { throw .backend(failure) }
        #if CAIRN_BUGS
            let isNew = index > appliedIndex || DeliberateBug.made == .applyTwice
        #else
            let isNew = index > appliedIndex
        #endif
        guard isNew else { return false }
        applying = ApplyScope(index: index, term: term)
        return true
    }

    /// The entry is applied. If it changed keys the revision is one higher now.
    /// - Returns: the newest revision.
    @discardableResult
    package func endApply() -> Revision {
        guard let scope = applying else { preconditionFailure("no apply to end") }
        applying = nil
        appliedIndex = scope.index
        appliedTerm = scope.term
        if scope.changes > 0 {
            revision = revision.next
            changeObserver?.changed(revision, count: Int(scope.changes))
        }
        commits.pendingWrites += max(1, scope.writes)
        paceCommits()
        return revision
    }

    /// The position of the next change of the apply in progress.
    func nextPosition() -> RevisionPosition {
        guard let scope = applying else { preconditionFailure("a change outside an apply") }
        return RevisionPosition(main: revision.next, sub: scope.changes)
    }

    @inline(__always)
    func noteChange() {
        applying?.changes += 1
        applying?.writes += 1
    }
}

// MARK: - The other tables

extension MVCCStore {
    /// Writes a record of another table than `key`, within the apply in progress.
    /// - Throws: `.keyTooLong` beyond `Table.maximumKeyLength`; nothing was written then.
    package func write(_ table: Table, key: [UInt8], value: [UInt8]) throws(StoreError) {
        try change(TableChange(table: table, key: key, value: value))
    }

    /// Deletes a record of another table than `key`, if it is there, within the apply in progress.
    package func remove(_ table: Table, key: [UInt8]) throws(StoreError) {
        try change(TableChange(table: table, key: key, value: nil))
    }

    private func change(_ change: TableChange) throws(StoreError) {
        precondition(applying != nil, "a change outside an apply")
        precondition(change.table != .key, "revisions are made by put and deleteRange")
        precondition(!change.key.isEmpty)
        guard change.key.count <= Table.maximumKeyLength else { throw .keyTooLong }
        commits.add(change)
        applying?.writes += 1
    }

    /// Who has a say after the entry being applied. Kept in table `meta` from its commit on.
    package func setConfState(_ state: ConfState) {
        precondition(applying != nil, "a change outside an apply")
        commits.confState = state
        applying?.writes += 1
    }

    /// Calls `visit` with the records of `table` in order of their keys, until it says false.
    ///
    /// As of the last finished commit: meant for the time between opening and the first apply.
    /// The bytes are valid during the call only.
    package func scan(
        _ table: Table,
        _ visit: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool
    ) throws(StoreError) {
        try backend { () throws(BackendError) in try records.scan(table, visit) }
    }
}
