// When to commit, and what follows.
//
// A commit starts when enough has gathered, in writes or bytes, or when the oldest of it has waited
// for the batch interval; one at a time. If the disk is slower than the applies, what gathers
// meanwhile grows, up to a bound at which the store says that it is saturated: then whoever applies
// must wait for the next commit, and memory stays bounded.

import API

extension MVCCStore {
    /// What is on disk, as of the last finished commit.
    package var durable: CommittedState { commits.durable }

    /// Why nothing is applied any more; nil while all is well.
    package var failure: BackendError? { commits.failure }

    /// Whether so much waits for the commit in flight that nothing more should be applied before
    /// it has finished: the observer hears of that.
    package var isSaturated: Bool {
        commits.isInFlight && pendingBytes >= commits.configuration.saturationBytes
    }

    /// Calls `observer` on the store's executor after every commit.
    package func observeCommits(_ observer: @escaping @Sendable (CommitEvent) -> Void) {
        commits.observer = observer
    }

    /// Commits without delay, and calls `then` on the store's executor once all that is applied
    /// now is durable, with nil, or can no longer become so.
    package func flush(_ then: @escaping @Sendable (BackendError?) -> Void) {
        precondition(applying == nil, "a flush within an apply")
        whenCommitted(then)
    }

    /// Calls `then` once all that was written so far is durable, that by the apply in progress
    /// included, or can no longer become so. What is pending is committed without delay.
    func whenCommitted(_ then: @escaping @Sendable (BackendError?) -> Void) {
        if let failure = commits.failure { return then(failure) }
        let isPending = commits.pendingWrites > 0 || applying != nil
        let through = isPending ? commits.started + 1 : commits.started
        if through <= commits.finished { return then(nil) }
        commits.waiting.append((through: through, then: then))
        if applying == nil { paceCommits() }
    }

    /// Bytes that pairs take: in the file as of the last finished commit, and those that wait for
    /// theirs or are being committed. A batch can be large against what a quota leaves.
    package var bytesInUse: Int64 {
        commits.durable.size.inUse + Int64(records.byteCount + commits.changesBytes)
    }

    private var pendingBytes: Int { records.active.byteCount + commits.changesBytes }

    private var isCommitDue: Bool {
        commits.pendingWrites >= commits.configuration.batchLimit
            || pendingBytes >= commits.configuration.batchBytes
            || commits.deletions.count >= commits.configuration.deletionLimit
            || !commits.waiting.isEmpty
    }

    /// Called when something was applied and when a commit has finished.
    @inline(__always)
    func paceCommits() {
        guard !commits.isInFlight, commits.pendingWrites > 0, replacement == nil else { return }
        if isCommitDue {
            startCommit()
        } else if commits.timer == nil {
            startTimer()
        }
    }

    private func startTimer() {
        let interval = commits.configuration.batchIntervalNanoseconds
        commits.timer = executor.schedule(afterNanoseconds: interval) { [weak self] in
            self?.assumeIsolated { $0.intervalIsOver() }
        }
    }

    private func intervalIsOver() {
        commits.timer = nil
        if !commits.isInFlight && commits.pendingWrites > 0 && replacement == nil {
            startCommit()
        }
    }

    private func startCommit() {
        precondition(!commits.isInFlight && applying == nil)
        guard commits.failure == nil else { return }
        commits.timer?.cancel()
        commits.timer = nil
        commits.isInFlight = true
        commits.started += 1
        commits.inFlightSince = executor.now
        let (changes, deletions, confState) = commits.takeChanges()
        let batch = BackendBatch(
            revisions: records.seal(), changes: changes, deletions: deletions,
            consistentIndex: appliedIndex, term: appliedTerm, confState: confState)
        commits.backend.commit(batch) { result in
            self.executor.post { self.assumeIsolated { $0.finishCommit(result) } }
        }
    }

    private func finishCommit(_ result: Result<CommitReport, BackendError>) {
        commits.isInFlight = false
        do throws(BackendError) {
            let report = try result.get()
            try records.finishCommit()
            succeed(report)
        } catch {
            fail(error)
        }
    }

    private func succeed(_ report: CommitReport) {
        commits.durable = CommittedState(
            index: report.consistentIndex, term: report.term, size: report.size)
        commits.finished += 1
        let finished = commits.finished
        let reached = commits.waiting.filter { $0.through <= finished }
        commits.waiting.removeAll { $0.through <= finished }
        startReplacement()
        startDefragmentation()
        paceCommits()
        continueCompaction()
        let took = executor.now.nanoseconds(since: commits.inFlightSince)
        commits.observer?(.committed(commits.durable, nanoseconds: took))
        for waiter in reached { waiter.then(nil) }
    }

    /// Reads go on: the buffers and the view of the file are as they were.
    func fail(_ error: BackendError) {
        commits.failure = error
        let waiting = commits.waiting
        commits.waiting = []
        commits.observer?(.failed(error))
        for waiter in waiting { waiter.then(error) }
        compactionFailed(.backend(error))
        startReplacement()
        startDefragmentation()
    }
}
