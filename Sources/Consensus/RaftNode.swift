// The actor that drives a RaftCore: it ticks, keeps the disk busy, carries messages, applies, and
// lets proposals and reads of one turn share one step.
//
// Everything happens on the executor it is given. Whoever shares that executor enters with
// `assumeIsolated`, at the cost of a function call. The state machine may call back while it
// applies: an event that comes while one is handled waits its turn.

import API
import DequeModule
import Logging

public actor RaftNode: ExecutorActor {
    public nonisolated let id: MemberID
    public nonisolated let executor: any ActorExecutor
    public nonisolated let unownedExecutor: UnownedSerialExecutor

    var core: RaftCore
    let options: RaftNodeOptions
    let store: any EntryStore
    let peers: any PeerSender
    let machine: any StateMachine
    let snapshotter: (any Snapshotter)?
    let random: any RandomSource
    let logger: Logger
    weak var observer: (any RaftObserver)?

    // Events that came while one was handled.
    var events: Deque<RaftCore.Event> = []
    var isHandling = false

    // Proposals: of this turn, or while there is no leader; in the log; with the core.
    var gathered: [ProposedEntry] = []
    var gatheredFor: [(any Proposal)?] = []
    /// Which of them count in one term only.
    var gatheredOnlyIn: [(place: Int, term: Term)] = []
    var gatheredBytes = 0
    var gatheredSince = 0
    var isFlushComing = false
    var submitted: Deque<Submission> = []
    var ledger = ProposalLedger()
    var transfers: [AwaitedTransfer] = []

    var gate: WriteGate
    var reads: ReadBarriers

    // Applying.
    var postponed: [Entry] = []
    var hasAppliedInTurn = false
    var campaignsWhenCaughtUp = false
    /// Whether the first election timeout is still to be shortened.
    var isFirstElection = false

    var ticks = 0
    var timer: (any TimerHandle)?
    private var tickedAt: MonotonicTime?
    let counters: RaftCounters
    var knownApplied = LogIndex.zero
    var knownLeader = MemberID.none
    /// The one it was noticed in.
    var knownLeaderTerm = Term.zero
    var hadLeader = false
    var storageFailure: EntryStoreFailure?
    var isStopped = false
    /// Whether it still takes part and takes nothing on.
    var isWithdrawn = false

    /// - Parameter snapshotter: without one, members that need more than the log holds stay behind,
    ///   and snapshots that come are refused: for a cluster of one.
    /// - Throws: if what was restored contradicts itself.
    public init(
        id: MemberID, options: RaftNodeOptions = RaftNodeOptions(),
        restoring state: RestoredState, on executor: any ActorExecutor, store: any EntryStore,
        peers: any PeerSender, machine: any StateMachine, snapshotter: (any Snapshotter)? = nil,
        random: any RandomSource, counters: RaftCounters = RaftCounters(), logger: Logger
    ) throws(RestoreError) {
        core = try RaftCore(id: id, options: options.raft, restoring: state)
        self.id = id
        self.options = options
        self.executor = executor
        unownedExecutor = executor.asUnownedSerialExecutor()
        self.store = store
        self.peers = peers
        self.machine = machine
        self.snapshotter = snapshotter
        self.random = random
        self.counters = counters
        self.logger = logger
        gate = WriteGate(limit: options.maxWrites)
        reads = ReadBarriers(firstContext: random.next())
    }

    /// Replays what is committed, begins to tick and, as the only voter, campaigns at once.
    public func start() {
        logStart()
        campaignsWhenCaughtUp = core.isOnlyVoter
        isFirstElection = options.shortensFirstElection && !core.isOnlyVoter
        hasAppliedInTurn = false
        alone {
            perform(core.start())
            campaignIfCaughtUp()
        }
        scheduleTick()
    }

    /// Stops ticking, writing and answering. What waits is told so.
    public func stop() {
        guard !isStopped else { return }
        isStopped = true
        timer?.cancel()
        timer = nil
        dismissAll()
        while submitted.first != nil { settle(.refused(.stopped)) }
        endTransfers { _ in .failure(.stopped) }
    }

    /// Takes no more proposals and reads, and tells those that wait, as when it stops; but goes on to
    /// vote and to answer: for a member that was removed, which others may still need.
    public func withdraw() {
        guard !isStopped, !isWithdrawn else { return }
        isWithdrawn = true
        dismissAll()
    }

    /// Who waits for a proposal or a read is told that it will not come. What is being written is
    /// answered when it is, or by `stop`.
    private func dismissAll() {
        dropGathered(.stopped)
        ledger.drop(after: .zero, .stopped)
        for waiter in reads.expire(before: .max) { waiter.readFailed(.stopped) }
    }

    public func observe(_ observer: (any RaftObserver)?) { self.observer = observer }

    public var status: RaftStatus {
        RaftStatus(
            id: core.id, role: core.role, term: core.term, vote: core.vote, leader: core.leader,
            last: core.last, stored: core.stored, committed: core.committed, applied: core.applied,
            confState: core.confState, isLearner: core.isLearner,
            transferTarget: core.transferTarget, storageFailure: storageFailure,
            pendingProposals: gathered.count + ledger.count)
    }
}

// MARK: - The world's answers

extension RaftNode {
    /// Messages of other members, in the order they came.
    public func receive(_ messages: [Message]) {
        guard !isStopped else { return }
        for message in messages {
            switch message.body {
            case .proposal(let entries): take(entries, in: message)
            case .snapshot where snapshotter == nil: break
            case _: handle(.received(message))
            }
        }
    }

    /// A message to `member` was lost for sure.
    public func unreachable(_ member: MemberID) {
        guard !isStopped else { return }
        handle(.unreachable(member))
    }

    /// The state machine has finished what `apply` left open, through here.
    public func applied(through index: LogIndex) {
        guard !isStopped else { return }
        handle(.applied(index))
    }

    private func scheduleTick() {
        guard !isStopped else { return }
        timer = executor.schedule(afterNanoseconds: options.tickNanoseconds) { [self] in tick() }
    }

    private func tick() {
        guard !isStopped else { return }
        scheduleTick()
        ticks += 1
        countLateHeartbeat()
        advanceFirstElection()
        handle(.tick(dice: random.next()))
        tickReads()
        tickTransfers()
        guard !gathered.isEmpty else { return }
        if ticks - gatheredSince > options.requestTicks {
            dropGathered(.noLeader)
        } else {
            flushAtTurnEnd()
        }
    }

    private func countLateHeartbeat() {
        let now = executor.now
        if core.role == .leader, let tickedAt,
            now.nanoseconds(since: tickedAt) > 2 * options.tickNanoseconds
        {
            counters.lateHeartbeats.increment()
        }
        tickedAt = now
    }

    /// Who has just started and reaches a quorum would have heard of a leader by now: two ticks
    /// more are enough to wait.
    private func advanceFirstElection() {
        guard isFirstElection else { return }
        guard ticks > 1, core.leader == .none, ticks <= options.firstTicks else {
            isFirstElection = core.leader == .none && ticks <= options.firstTicks
            return
        }
        let reached = core.membership.quorum.result { $0 == id || peers.reaches($0) ? true : nil }
        guard reached == .won else { return }
        isFirstElection = false
        handle(.advanceElection(to: options.raft.electionTicks - 2))
    }

    func persist(_ write: LogWrite) {
        let executor = executor
        #if CAIRN_BUGS
            if DeliberateBug.made == .acknowledgeBeforeSync {
                store.persist(write) { _ in }
                return executor.post {
                    self.assumeIsolated { $0.persisted(write.number, .success(())) }
                }
            }
        #endif
        store.persist(write) { [self] result in
            executor.post { self.assumeIsolated { $0.persisted(write.number, result) } }
        }
    }

    private func persisted(_ number: WriteNumber, _ result: Result<Void, EntryStoreFailure>) {
        guard !isStopped, storageFailure == nil else { return }
        switch result {
        case .success:
            if let next = gate.completed() { persist(next) }
            handle(.stored(number))
        case .failure(let failure):
            fail(failure)
        }
    }

    /// Nothing more is accepted or acknowledged until the process starts again.
    private func fail(_ failure: EntryStoreFailure) {
        storageFailure = failure
        logger.critical(
            "failed to save Raft hard state and entries", metadata: ["error": "\(failure)"])
        handle(.storageFailed)
        dropGathered(.storageFailed(failure))
        ledger.drop(after: core.stored, .storageFailed(failure))
        observer?.storageFailed(failure)
    }
}
