// Compaction: forgetting what was before a revision.
//
// Applying one is a promise, kept in table `meta` in the transaction of its entry: from then on
// older revisions are refused. The deletions follow behind in slices, with other requests in
// between, as fast as commits take them, and are finished after a restart if need be. First the
// records go, in the order of the file, then the index; the index tells the same before, during
// and after which records stay (KeyIndex.keeps). Which ones: reference: ondisk.md, "Compaction at
// R".
//
// Nothing is deleted while someone reads a revision below the compaction's (RevisionPins). Such
// readers came before it, so they end.

import API

extension MVCCStore {
    /// Forgets all revisions before `revision`, within the apply in progress. Deletions follow;
    /// `whenCompacted` tells when they are done.
    ///
    /// - Throws: `.compacted` when a compaction was there or further already, `.futureRevision`;
    ///   nothing was changed then.
    package func compact(to revision: Revision) throws(StoreError) {
        precondition(applying != nil, "a change outside an apply")
        let last = compacted ?? .neverCompacted
        guard revision > last else { throw .compacted(oldest: last) }
        guard revision <= self.revision else { throw .futureRevision(newest: self.revision) }
        write(MetaKey.scheduledCompaction, revision)
        applying?.writes += 1
        compactions.add(revision, previous: compacted)
        compacted = revision
        continueCompaction()
    }

    /// Takes up the compaction that the store's last life did not finish. Before anything is
    /// applied.
    package func resumeCompaction() { continueCompaction() }

    /// Calls `then` on the store's executor once all compactions applied so far are finished on
    /// disk, with nil, or can no longer become so.
    package func whenCompacted(_ then: @escaping @Sendable (StoreError?) -> Void) {
        guard compactions.job != nil, let compacted else { return then(nil) }
        if let failure = compactions.failure { return then(failure) }
        compactions.waiting.append((through: compacted, then: then))
    }

    /// Calls `observer` on the store's executor when a compaction has gone on or come to its end.
    package func observeCompactions(_ observer: @escaping @Sendable (CompactionEvent) -> Void) {
        compactions.observer = observer
    }

    private func write(_ name: [UInt8], _ revision: Revision) {
        let place = RecordKey(RevisionPosition(main: revision, sub: 0))
        commits.add(TableChange(table: .meta, key: name, value: place.encoded))
    }

    // MARK: Slices

    /// Called when something may have ended that the deletions wait for.
    @inline(__always)
    func continueCompaction() {
        if compactions.job != nil { postSlice() }
    }

    private func postSlice() {
        guard !compactions.isPosted, compactions.failure == nil else { return }
        compactions.isPosted = true
        executor.postSlice { [weak self] in self?.assumeIsolated { $0.compactSlice() } }
    }

    private func compactSlice() {
        compactions.isPosted = false
        guard replacement == nil,
            let job = compactions.job, compactions.failure == nil, commits.failure == nil,
            commits.deletions.count < commits.configuration.deletionLimit,
            pins.oldest.map({ $0 >= job.revision }) ?? true
        else { return }
        let began = executor.exactNow
        do throws(StoreError) {
            switch job.step {
            case .recording: recordCompaction(job)
            case .search(let key): try searchCurrent(job, from: key)
            case .records(let position):
                try compactRecords(job, from: position)
                sliceTook(since: began, isOfIndex: false)
            case .index(let key):
                compactIndex(job, from: key)
                sliceTook(since: began, isOfIndex: true)
            case .finishing: break
            }
        } catch {
            compactionFailed(error)
        }
    }

    private func sliceTook(since began: MonotonicTime, isOfIndex: Bool) {
        compactions.observer?(
            .slice(nanoseconds: executor.exactNow.nanoseconds(since: began), isOfIndex: isOfIndex))
    }

    /// The next slice comes after a pause: a thread that always has work loses its precedence over
    /// those that wait for work, and with it the requests lose theirs.
    private func go(to step: CompactionJob.Step) {
        compactions.job?.step = step
        let pause = commits.configuration.slicePauseNanoseconds
        guard pause > 0 else { return continueCompaction() }
        guard !compactions.isPosted else { return }
        compactions.isPosted = true
        executor.schedule(afterNanoseconds: pause) { [weak self] in
            self?.assumeIsolated { $0.compactSlice() }
        }
    }

    /// Deletions begin once a crash would not forget why.
    private func recordCompaction(_ job: CompactionJob) {
        guard job.began == nil else { return }
        compactions.job?.began = executor.now
        whenCommitted { [weak self] error in
            guard error == nil else { return }
            self?.assumeIsolated { $0.go(to: job.wantsHash ? .search(from: []) : .firstRecord) }
        }
    }

    /// Whether any key is current decides which records the hash takes.
    private func searchCurrent(_ job: CompactionJob, from key: [UInt8]) throws(StoreError) {
        let budget = commits.configuration.sliceRecords
        switch index.hasAny(at: job.revision, from: key, budget: budget) {
        case .paused(let next): return go(to: .search(from: next))
        case .stopped: begin(takesAll: false)
        case .complete:
            // A key that was deleted at the revision itself counts: its deletion stays.
            begin(takesAll: try !hasRecord(at: job.revision))
        }
        func begin(takesAll: Bool) {
            compactions.job?.hasher = KeyValueHasher(
                revision: job.revision, compacted: job.previous, takesAll: takesAll)
            go(to: .firstRecord)
        }
    }

    private func hasRecord(at revision: Revision) throws(StoreError) -> Bool {
        var found = false
        try forEachRecord(from: RevisionPosition(main: revision, sub: 0)) { record in
            found = record.key.position.main == revision
            return false
        }
        return found
    }

    private func compactRecords(
        _ job: CompactionJob, from position: RevisionPosition
    ) throws(StoreError) {
        var hasher = job.hasher
        var deletions: [RecordKey] = []
        var cost = 0
        var next: RevisionPosition?
        try forEachRecord(from: position) { record in
            let place = record.key.position
            if place.main > job.revision { return false }
            if cost >= commits.configuration.sliceRecords {
                next = place
                return false
            }
            // What a put of no key left (`snapshot restore --bump-revision`) is nobody's record.
            let stays =
                !record.userKey.isEmpty
                && index.keeps(record.userKey, place, compactingAt: job.revision)
            if !stays { deletions.append(record.key) }
            if hasher?.wants(record.key) == true {
                if stays || hasher?.mustBeCurrent(record.key) == false {
                    hasher?.add(record.rawKey, record.encoded)
                    cost += record.encoded.count / Self.bytesPerRecordCost
                }
            }
            cost += 1
            return true
        }
        commits.add(deletions)
        compactions.job?.hasher = hasher
        compactions.job?.deletedRecords += deletions.count
        paceCommits()
        go(to: next.map { .records(from: $0) } ?? .index(from: nil))
    }

    /// So many bytes are hashed in the time that a record takes without.
    static var bytesPerRecordCost: Int { 4096 }

    private func compactIndex(_ job: CompactionJob, from key: [UInt8]?) {
        let next = index.compact(
            to: job.revision, from: key, budget: commits.configuration.sliceRecords)
        if let next { return go(to: .index(from: next)) }
        write(MetaKey.finishedCompaction, job.revision)
        commits.pendingWrites += 1
        go(to: .finishing)
        whenCommitted { [weak self] error in
            guard error == nil else { return }
            self?.assumeIsolated { $0.finishCompaction() }
        }
    }

    // MARK: Ends

    private func finishCompaction() {
        guard let job = compactions.job, let began = job.began else {
            preconditionFailure("no compaction to finish")
        }
        let hash = job.hasher?.result
        if let hash { compactions.keep(hash) }
        let reached = compactions.finish()
        continueCompaction()
        compactions.observer?(
            .finished(
                CompactionReport(
                    revision: job.revision, hash: hash, deletedRecords: job.deletedRecords,
                    nanoseconds: executor.now.nanoseconds(since: began))))
        for then in reached { then(nil) }
    }

    /// No commit succeeds any more, or the file is damaged.
    func compactionFailed(_ error: StoreError) {
        guard compactions.job != nil, compactions.failure == nil else { return }
        compactions.failure = error
        let waiting = compactions.waiting
        compactions.waiting = []
        compactions.observer?(.failed(error))
        for waiter in waiting { waiter.then(error) }
    }
}

extension CompactionJob.Step {
    static var firstRecord: Self {
        .records(from: RevisionPosition(main: Revision(0), sub: 0))
    }
}

extension KeyIndex {
    /// Looks for a key that exists at `revision`, from `key` on.
    /// - Returns: `.stopped` when there is one, `.complete` when there is none.
    func hasAny(at revision: Revision, from key: [UInt8], budget: Int) -> VisitEnd {
        key.withUnsafeBytes { lower in
            visit(KeyBounds(lower: lower, upper: .open), at: revision, budget: budget) { _, _ in
                false
            }
        }
    }
}
