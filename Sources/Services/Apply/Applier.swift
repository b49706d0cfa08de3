// The applied state: what the log's entries have made of store, membership and alarms so far.
//
// Entries are applied in order, each once. What they do depends on nothing but the state and the
// entry, so that all members agree at equal applied index (Raft paper, section 5.3).

import API
import Consensus
import Logging
import Storage

/// Applies committed entries and answers reads of the state.
///
/// Shares its executor with RaftNode and the store, and enters them by plain calls.
package actor Applier: ExecutorActor, StateMachine {
    package nonisolated let executor: any ActorExecutor
    package nonisolated let unownedExecutor: UnownedSerialExecutor

    let identity: Identity
    let store: MVCCStore
    nonisolated let settings: Settings
    nonisolated let ids: RequestIDSource
    let logger: Logger
    let events: any ApplierEvents
    let counters: ApplierCounters
    package nonisolated let lessor: Lessor
    package nonisolated let authority: Authority
    /// Set once, before anything is applied: Raft and the state it drives need each other.
    var raft: RaftNode?
    package nonisolated let others: any OtherMembers

    package internal(set) var membership: Membership
    package internal(set) var alarms: AlarmSet
    package internal(set) var storageVersion: String?
    var deadlines: RequestDeadlines
    /// Proposals that another leader was sent: their entries come back without them.
    var forwarded: [RequestID: ClientProposal] = [:]
    /// Of the newest entry that is applied in this life.
    var appliedTerm = Term.zero
    var appliedIndex = LogIndex.zero
    /// Calls with tokens of entries to come.
    var tokenWaits = TokenWaits()
    var leaseVerdicts = LeaseVerdicts()
    /// Of leases, as the leader.
    var renewals = PendingRenewals()
    /// Changes of the membership that this member proposed, wherever they are now.
    var changes: [RequestID: MembershipProposal] = [:]
    /// The rest of a batch that the store could not take yet.
    private(set) var postponed: ArraySlice<CommittedEntry> = []
    /// For entries that come without their proposal: after a restart, from another leader. With
    /// more room than a request had when it was taken, since it now lies within a proposal.
    private let arena = Arena(limitBytes: 2 * Limits.decodedMessageBytes)
    let response = ResponseBuffer()
    /// Stand behind their number in an answer, but are seen before it is known.
    let deletedPairs = ResponseBuffer()
    let largeAnswers = LargeAnswers()
    /// Of the transaction under way.
    var txnPlan = TxnPlan()
    /// What of its answer is still to be read.
    var laterRanges: [LaterRange] = []
    /// Whether somebody waits for the answer to the entry under way.
    private(set) var isHeard = false
    /// Of the answers of nested transactions.
    var nestedLengths = NestedLengths()
    var term = Term.zero {
        didSet { watches.assumeIsolated { [term] in $0.termChanged(to: term) } }
    }
    /// Nothing is applied or answered any more.
    private(set) var isDetached = false
    /// Told the term that its answers carry.
    nonisolated let watches: WatchHub
    /// Who has a say, and since which entry.
    var confState = (state: ConfState(), since: LogIndex.zero)
    var leader = MemberID.none {
        didSet {
            presence.hasLeader = leader != .none
            if leader != .none, leader != oldValue { electedAt = executor.now }
        }
    }
    /// When `leader` was seen to lead.
    var electedAt: MonotonicTime?
    /// What is asked of the leader for callers of this member.
    var questions = LeaderQuestions()
    /// Asked by every call on the threads of the connections.
    package nonisolated let presence = MemberPresence()
    nonisolated let health = ServingHealth()
    /// Whether this member has no vote yet.
    var isLearner = false {
        didSet { presence.isLearner = isLearner }
    }
    /// Whether name and client URLs of this start are applied.
    var hasPublished = false
    var own = OwnProposals()
    /// Calls of Lock and Election that wait.
    var observers = KeyObservers()
    /// The term that the lessor is the leader's in.
    var lessorTerm = Term.zero
    /// To those who wait for work in the background.
    var heldAnswers: [HeldAnswer] = []

    /// - Parameter leasedKeys: the keys that have a lease, as the store's file tells.
    /// - Throws: `MembershipError`, `WireError` or `StoreError` when the stored records are not
    ///   what they should be.
    package init(
        _ identity: Identity, settings: Settings, store: MVCCStore, watches: WatchHub,
        leasedKeys: [StoreSummary.LeasedKey], ids: RequestIDSource,
        on executor: any ActorExecutor, events: any ApplierEvents,
        others: any OtherMembers = NoOtherMembers(),
        counters: ApplierCounters = ApplierCounters(), logger: Logger
    ) throws {
        self.identity = identity
        self.others = others
        self.settings = settings
        self.store = store
        self.watches = watches
        self.ids = ids
        self.executor = executor
        unownedExecutor = executor.asUnownedSerialExecutor()
        self.events = events
        self.counters = counters
        self.logger = logger
        deadlines = RequestDeadlines(timeoutNanoseconds: settings.requestTimeoutNanoseconds)
        let stored = try store.assumeIsolated { store in
            try StoredState(reading: store, cluster: identity.cluster)
        }
        membership = stored.membership
        isLearner = membership.members[identity.member]?.isLearner ?? false
        presence.isLearner = isLearner
        alarms = stored.alarms
        storageVersion = stored.storageVersion
        appliedIndex = store.assumeIsolated { $0.durable.index }
        let authority = Authority(
            stored.auth, settings.auth, on: executor, random: watches.random)
        self.authority = authority
        lessor = Lessor(on: executor, settings: settings.leases, counters: counters.leases)
        let leases = StoredLeases(stored.leases, attached: leasedKeys)
        lessor.assumeIsolated { $0.restore(leases) }
    }

    /// Begins to serve; `raft` runs on the same executor.
    package func attach(_ raft: RaftNode) {
        precondition(raft.executor === executor, "Raft and its state share an executor")
        self.raft = raft
        let status = raft.assumeIsolated { raft in
            raft.observe(self)
            return raft.status
        }
        confState.state = status.confState
        term = status.term
        store.assumeIsolated { store in
            store.observeCommits { [weak self] event in
                self?.assumeIsolated { $0.committed(event) }
            }
            store.observeCompactions { [events] in events.storeCompacted($0) }
            store.resumeCompaction()
        }
        rightsChanged()
        lessor.assumeIsolated { $0.start(proposingTo: self) }
        scheduleSweep()
    }

    /// Ends what `attach` began, once Raft is stopped and has told those who wait for it: until
    /// then the two hold each other. What was postponed is in the log, for the next start.
    package func detach() {
        raft = nil
        isDetached = true
        lessor.assumeIsolated { $0.stop() }
        observers = KeyObservers()
        for entry in postponed { (entry.proposal as? ClientProposal)?.dropped(.stopped) }
        postponed = []
        for proposal in forwarded.inOrder { proposal.refuse(.stopped) }
        stopHeldAnswers()
        for question in questions.takeWaiting() { question.stop() }
        for giveUp in tokenWaits.takeAll() { giveUp() }
        for renewal in renewals.take() { renewal.fail(.stopped) }
        for change in changes.inOrder { change.answer(.failure(.stopped)) }
        changes = [:]
        forwarded = [:]
        deadlines.removeAll()
    }

    // MARK: Applying

    package nonisolated func apply(_ batch: [CommittedEntry]) -> LogIndex {
        assumeIsolated { $0.apply(batch[...]) }
    }

    /// Applies what the store takes. The rest is kept, and goes on when the store has committed.
    private func apply(_ batch: ArraySlice<CommittedEntry>) -> LogIndex {
        var last = LogIndex.zero
        var time = counters.times.stopwatch()
        for (place, committed) in zip(batch.indices, batch) {
            if store.assumeIsolated({ $0.isSaturated }) {
                postponed = batch[place...]
                return committed.entry.index.previous
            }
            let outcome = apply(committed)
            let now = counters.times.stopwatch()
            if let outcome, let kind = outcome.kind {
                counters.applies.applied(
                    kind, succeeded: outcome.succeeded, nanoseconds: now &- time)
            }
            time = now
            last = committed.entry.index
        }
        return last
    }

    /// A commit has finished: what was postponed may go on.
    private func committed(_ event: CommitEvent) {
        // Of the last commit hears who stops the member.
        if isDetached, case .failed = event { return }
        if case .committed(let durable, _) = event, durable.index >= confState.since {
            events.storeHolds(durable, confState: confState.state)
        }
        events.storeCommitted(event)
        guard !postponed.isEmpty else { return }
        let rest = postponed
        postponed = []
        let through = apply(rest)
        raft?.assumeIsolated { $0.applied(through: through) }
    }

    /// - Returns: nil of an entry that was applied before.
    private func apply(_ committed: CommittedEntry) -> Outcome? {
        let entry = committed.entry
        let proposal = committed.proposal as? ClientProposal
        do throws(ApplyFailure) {
            let isNew = try inStore { store throws(StoreError) in
                try store.beginApply(at: entry.index, term: entry.term)
            }
            guard isNew else {
                precondition(proposal == nil, "a new proposal at an index that was applied before")
                return nil
            }
            let outcome =
                switch entry.kind {
                case .normal: try applyNormal(entry, proposal)
                case .configurationChange, .configurationChangeV2: try applyConfChange(entry)
                }
            store.assumeIsolated { _ = $0.endApply() }
            if let waiting = outcome.waiting {
                answer(waiting, outcome.result)
            } else {
                response.clear()
            }
            appliedIndex = entry.index
            refuseOutdated(by: entry)
            promoteLessor(after: entry)
            callObservers()
            if !tokenWaits.isEmpty {
                for again in tokenWaits.take(through: appliedIndex) { executor.post(again) }
            }
            return outcome
        } catch {
            // Going on would apply later entries to a state that lacks this one.
            events.cannotApply(entry.index, error.description)
        }
    }

    /// What an entry came to, and who waits to hear it.
    struct Outcome {
        var result: Result<Void, Status> = .success(())
        var waiting: ClientProposal?
        /// Nil of what no client asks for.
        var kind: AppliedKind?

        var succeeded: Bool {
            if case .success = result { return true }
            return false
        }
    }

    private func applyNormal(
        _ entry: Entry, _ proposal: ClientProposal?
    ) throws(ApplyFailure) -> Outcome {
        if entry.data.isEmpty { return Outcome() }  // a new leader's first entry
        if let proposal {
            isHeard = !proposal.isSettled
            return Outcome(
                result: try performInSpace(
                    proposal.operation, by: proposal.caller, at: entry.index),
                waiting: proposal, kind: AppliedKind(proposal.operation))
        }
        defer { arena.reset() }
        let request: InternalRaftRequest
        do throws(WireError) {
            request = try InternalRaftRequest.decode(
                entry.data, in: arena, nesting: Limits.proposalNesting)
        } catch {
            if let old = OldRequest(entry.data) { return Outcome(result: try perform(old)) }
            throw ApplyFailure("entry \(entry.index.rawValue) is no request: \(error)")
        }
        guard let operation = request.operation else {
            throw ApplyFailure("entry \(entry.index.rawValue) asks for what is not known here")
        }
        let caller = Principal(user: request.username, revision: request.authRevision)
        let waiting = forwarded.isEmpty ? nil : forwarded.removeValue(forKey: request.id)
        isHeard = waiting.map { !$0.isSettled } ?? false
        return Outcome(
            result: try performInSpace(operation, by: caller, at: entry.index), waiting: waiting,
            kind: AppliedKind(operation))
    }

    private func answer(_ proposal: ClientProposal, _ result: Result<Void, Status>) {
        if waitsForSpace(proposal, result) { return answerOnceCompacted(proposal, result) }
        switch result {
        case .success where !laterRanges.isEmpty: answerInSlices(proposal)
        case .success: response.take { proposal.applied(.success($0)) }
        case .failure(let status):
            // Perhaps it was executed, beyond the quota.
            laterRanges.removeAll()
            response.clear()
            proposal.applied(.failure(status))
        }
    }

    /// Runs `work` here, at once where this is the current executor. From any thread.
    nonisolated func onExecutor(_ work: @escaping @Sendable (isolated Applier) -> Void) {
        if executor.isCurrent { return assumeIsolated(work) }
        executor.post { self.assumeIsolated(work) }
    }

    /// Calls the store, whose failures end the process.
    func inStore<Input, Output: Sendable>(
        with input: Input,
        _ body: @Sendable (isolated MVCCStore, Input) throws(StoreError) -> Output
    ) throws(ApplyFailure) -> Output {
        do throws(StoreError) { return try store.enter(with: input, body) } catch {
            throw ApplyFailure("the store failed: \(error)")
        }
    }

    /// As above, with nothing to take along.
    func inStore<Output: Sendable>(
        _ body: @Sendable (isolated MVCCStore) throws(StoreError) -> Output
    ) throws(ApplyFailure) -> Output {
        do throws(StoreError) { return try store.enter(body) } catch {
            throw ApplyFailure("the store failed: \(error)")
        }
    }

    private func performInSpace(
        _ operation: InternalRaftRequest.Operation, by caller: Principal, at index: LogIndex
    ) throws(ApplyFailure) -> Result<Void, Status> {
        let hadSpace = !exceedsQuota(operation)
        return answerForSpace(
            try perform(operation, by: caller, at: index), hadSpace: hadSpace)
    }

    /// Executes one operation.
    /// - Returns: success with the encoded answer in `response`, or what the caller is told.
    private func perform(
        _ operation: InternalRaftRequest.Operation, by caller: Principal, at index: LogIndex
    ) throws(ApplyFailure) -> Result<Void, Status> {
        precondition(response.bytes.isEmpty, "the answer before this one was not taken")
        if let refusal = refusal(of: operation, by: caller) { return .failure(refusal) }
        switch operation {
        case .put(let request): return try put(request)
        case .deleteRange(let request): return try deleteRange(request)
        case .txn(let request): return try txn(request)
        case .leaseGrant(let request): return try grantLease(request)
        case .leaseRevoke(let request): return try revokeLease(request)
        case .leaseCheckpoint(let request): return try checkpointLeases(request)
        case .alarm(let request): return try alarm(request)
        case .clusterMemberAttrSet(let request): return try setAttributes(request)
        case .clusterVersionSet(let request): return try setClusterVersion(request)
        case .compaction(let request): return try compact(request)
        case .downgradeInfoSet(let request): return try setDowngrade(request)
        case .auth(let operation): return try auth(operation, at: index)
        case .range:
            throw ApplyFailure("an entry asks for \(operation), which is not served yet")
        }
    }
}

extension Applier: RaftObserver {
    package nonisolated func leaderChanged(to leader: MemberID, term: Term) {
        let isOther = assumeIsolated { applier in
            defer { applier.leader = leader }
            applier.term = term
            return applier.leader != leader
        }
        assumeIsolated { applier in
            applier.demoteLessor()
            applier.publish()
        }
        if isOther { events.leaderChanged(to: leader, term: term) }
    }

    package nonisolated func storageFailed(_ failure: EntryStoreFailure) {
        events.logFailed(failure)
    }
}
