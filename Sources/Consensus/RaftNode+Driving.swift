// Events into the core, and the work that follows out of it.

import API

extension RaftNode {
    func handle(_ event: RaftCore.Event) {
        guard !isHandling else { return events.append(event) }
        hasAppliedInTurn = false
        alone { perform(step(event)) }
    }

    /// Leases ask what time it is, whenever something happens: a process that was stopped in the
    /// middle of a turn must notice before it answers what came meanwhile.
    func step(_ event: RaftCore.Event) -> Actions {
        guard options.raft.votePromise > .none else { return core.step(event) }
        return core.step(event, at: executor.exactNow)
    }

    /// Does one thing, then what came up meanwhile, in order.
    func alone(_ body: () -> Void) {
        isHandling = true
        body()
        while !isStopped, let event = events.popFirst() { perform(step(event)) }
        isHandling = false
    }

    /// Applying comes last: the state machine may call back.
    func perform(_ actions: Actions) {
        for change in actions.changes { note(change) }
        if let outcome = actions.proposal { settle(outcome) }
        if let index = actions.truncatedAfter { ledger.drop(after: index, .overwritten) }
        if let write = actions.write, let now = gate.offer(write) { persist(now) }
        if !actions.send.isEmpty { peers.send(actions.send) }
        for order in actions.snapshots { carryOut(order) }
        if let mark = actions.discard { snapshotter?.discard(mark) }
        noticeLeader()
        if !actions.reads.isEmpty {
            for read in actions.reads { reads.confirmed(read) }
            releaseReads()
            askForReads()
        }
        noticeApplied()
        if !actions.apply.isEmpty { apply(actions.apply) }
        if let mark = actions.install { install(mark) }
    }

    private func note(_ change: RaftChange) {
        log(change)
        if case .transferAborted(let target) = change { transferAborted(to: target) }
    }

    /// The first batch at once, each further one in a turn of its own, so that a long replay
    /// leaves room for others.
    func apply(_ entries: [Entry]) {
        guard !hasAppliedInTurn else {
            postponed = entries
            executor.post { [self] in assumeIsolated { $0.applyPostponed() } }
            return
        }
        hasAppliedInTurn = true
        var batch: [CommittedEntry] = []
        batch.reserveCapacity(entries.count)
        for entry in entries {
            batch.append(CommittedEntry(entry: entry, proposal: ledger.claim(entry)))
        }
        let through = machine.apply(batch)
        guard through > core.applied, !isStopped else { return }
        perform(step(.applied(through)))
    }

    func applyPostponed() {
        guard !isStopped else { return }
        let entries = postponed
        postponed = []
        hasAppliedInTurn = false
        alone { apply(entries) }
    }

    /// Nobody else can win: waiting for an election timeout would only delay the start (etcd
    /// shortens it too, --initial-election-tick-advance).
    func campaignIfCaughtUp() {
        guard campaignsWhenCaughtUp, core.applied == core.committed else { return }
        campaignsWhenCaughtUp = false
        handle(.campaign)
    }

    func noticeApplied() {
        guard core.applied != knownApplied else { return }
        knownApplied = core.applied
        releaseReads()
        campaignIfCaughtUp()
    }
}
