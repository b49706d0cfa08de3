// Proposals: gathered during a turn, one step for all of them.

import API

/// Proposals that are with the core; it answers them in order.
struct Submission {
    let entries: [ProposedEntry]
    let proposals: [(any Proposal)?]
}

extension RaftNode {
    /// Proposes an entry, together with all others of this turn. While there is no leader it
    /// waits for one, as long as a request may take.
    ///
    /// - Parameter proposal: told what becomes of it, or handed back with the entry at apply.
    /// - Parameter onlyIn: proposed only if this member leads in that term when the turn ends, else
    ///   dropped: for what the leader decides, which another must not take up. Nil: any leader may.
    /// - Throws: if it is refused at once; `proposal` hears nothing then.
    public func propose(
        _ data: [UInt8], kind: Entry.Kind = .normal, proposal: (any Proposal)?,
        priority: ProposalPriority = .normal, onlyIn term: Term? = nil
    ) throws(ProposalRefusal) {
        try admit(cost: data.count + Entry.overhead, priority)
        if let term { gatheredOnlyIn.append((place: gathered.count, term: term)) }
        gather(ProposedEntry(kind: kind, data: data), for: proposal)
        flushAtTurnEnd()
    }

    /// Another member hands on what was proposed to it. While nobody takes it on, it waits
    /// like our own: whoever proposed it hears of it only through the log.
    func take(_ forwarded: [ProposedEntry], in message: Message) {
        guard !core.hasOpenLeader else {
            return handle(.received(message))
        }
        let cost = forwarded.reduce(0) { $0 + $1.data.count + Entry.overhead }
        guard ledger.bytes + gatheredBytes + cost <= options.maxProposalBytes else { return }
        for entry in forwarded { gather(entry, for: nil) }
        flushAtTurnEnd()
    }

    private func gather(_ entry: ProposedEntry, for proposal: (any Proposal)?) {
        if gathered.isEmpty { gatheredSince = ticks }
        gathered.append(entry)
        gatheredFor.append(proposal)
        gatheredBytes += entry.data.count + Entry.overhead
    }

    func flushAtTurnEnd() {
        guard !gathered.isEmpty, !isFlushComing else { return }
        isFlushComing = true
        executor.atTurnEnd(.gather) { [self] in flushProposals() }
    }

    func admit(cost: Int, _ priority: ProposalPriority) throws(ProposalRefusal) {
        if isStopped || isWithdrawn { throw .stopped }
        if let storageFailure { throw .storageFailed(storageFailure) }
        let lag = priority == .high ? options.maxPriorityApplyLag : options.maxApplyLag
        guard core.committed.distance(from: core.applied) <= lag,
            ledger.bytes + gatheredBytes + cost <= options.maxProposalBytes
        else { throw .tooManyRequests }
    }

    func flushProposals() {
        isFlushComing = false
        if !gatheredOnlyIn.isEmpty { dropOutdated() }
        guard !gathered.isEmpty, core.hasOpenLeader, !isStopped else { return }
        // A leader that is not reached is perhaps none any more: what is here is not lost yet.
        guard core.role == .leader || peers.reaches(core.leader) else { return }
        let entries = gathered
        let proposals = gatheredFor
        gathered = []
        gatheredFor = []
        gatheredOnlyIn = []
        gatheredBytes = 0
        gathered.reserveCapacity(entries.count)
        gatheredFor.reserveCapacity(entries.count)
        guard entries.contains(where: { $0.kind != .normal }) else {
            return submit(entries, proposals)
        }
        // A configuration change goes alone: it may be refused while others are not.
        for (entry, proposal) in zip(entries, proposals) { submit([entry], [proposal]) }
    }

    /// Drops what was decided in a term that this member does not lead in any more. What waits
    /// for a transfer to end keeps its condition: another may lead then.
    private func dropOutdated() {
        let conditions = gatheredOnlyIn
        gatheredOnlyIn = []
        var dropped: [any Proposal] = []
        var removed = 0
        for (oldPlace, term) in conditions {
            let place = oldPlace - removed
            guard core.role != .leader || core.term != term else {
                gatheredOnlyIn.append((place, term))
                continue
            }
            gatheredBytes -= gathered.remove(at: place).data.count + Entry.overhead
            if let proposal = gatheredFor.remove(at: place) { dropped.append(proposal) }
            removed += 1
        }
        for proposal in dropped { proposal.dropped(.refused(.noLeader)) }
    }

    func submit(_ entries: [ProposedEntry], _ proposals: [(any Proposal)?]) {
        submitted.append(Submission(entries: entries, proposals: proposals))
        handle(.propose(entries))
    }

    func settle(_ outcome: ProposalOutcome) {
        guard let submission = submitted.popFirst() else { return }
        switch outcome {
        case .appended(let first):
            var position = first
            for (entry, proposal) in zip(submission.entries, submission.proposals) {
                ledger.append(
                    proposal, at: position, cost: entry.data.count + Entry.overhead)
                position.index = position.index.next
            }
        case .forwarded:
            for proposal in submission.proposals { proposal?.forwarded() }
        case .refused(.leadershipTransfer) where !isStopped:
            for (entry, proposal) in zip(submission.entries, submission.proposals) {
                gather(entry, for: proposal)
            }
        case .refused(let refusal):
            for proposal in submission.proposals { proposal?.dropped(.refused(refusal)) }
        }
    }

    func dropGathered(_ refusal: ProposalRefusal) {
        let proposals = gatheredFor
        gathered = []
        gatheredFor = []
        gatheredOnlyIn = []
        gatheredBytes = 0
        for proposal in proposals { proposal?.dropped(.refused(refusal)) }
    }
}
