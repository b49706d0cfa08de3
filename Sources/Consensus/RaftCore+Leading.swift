// A leader's side of replication: Raft paper, section 5.3, and the commit rule of 5.4.2.

import API

// MARK: - Proposals

extension RaftCore {
    mutating func propose(_ proposed: [ProposedEntry]) -> ProposalOutcome {
        switch role {
        case .leader: return append(proposed)
        case .candidate, .preCandidate: return .refused(.noLeader)
        case .follower:
            guard leader != .none else { return .refused(.noLeader) }
            forward(proposed)
            return .forwarded(to: leader)
        }
    }

    /// As many messages as their size asks for: payloads are shared, but a link has its bounds.
    private mutating func forward(_ proposed: [ProposedEntry]) {
        var rest = proposed[...]
        while !rest.isEmpty {
            var size = 0
            var count = 0
            for entry in rest {
                size += entry.data.count + Entry.overhead
                if size > options.maxMessageBytes, count > 0 { break }
                count += 1
            }
            actions.send.append(
                Message(
                    from: id, to: leader, term: .zero, body: .proposal(Array(rest.prefix(count)))))
            rest = rest.dropFirst(count)
        }
    }

    private mutating func append(_ proposed: [ProposedEntry]) -> ProposalOutcome {
        // A leader that was removed may still lead for a moment, but takes nothing on.
        guard isVoter, !hasStorageFailed else { return .refused(.noLeader) }
        // The target's log could never come up to ours (thesis, section 3.10).
        guard transfer == nil else { return .refused(.leadershipTransfer) }
        if let refusal = refusal(of: proposed) { return .refused(refusal) }
        let first = LogPosition(index: log.last.next, term: term)
        for entry in proposed {
            if entry.kind != .normal { pendingChange = log.last.next }
            log.append(
                Entry(term: term, index: log.last.next, kind: entry.kind, data: entry.data))
        }
        broadcastAppend()
        return .appended(at: first)
    }
}

// MARK: - Sending

extension RaftCore {
    mutating func broadcastAppend() {
        for place in progress.indices where progress[place].member != id {
            sendAppend(place)
        }
    }

    mutating func broadcastHeartbeat() {
        for peer in progress where peer.member != id {
            // Not past what it has: its log may still differ there.
            send(
                .heartbeat(commit: min(peer.match, committed), round: reads.newest),
                to: peer.member)
        }
    }

    /// Sends what comes next, or an empty message that tells the commit index or probes.
    /// - Parameter evenIfEmpty: otherwise nothing is sent when there are no entries to send.
    /// - Returns: whether a message was sent.
    @discardableResult
    mutating func sendAppend(_ place: Int, evenIfEmpty: Bool = true) -> Bool {
        guard !progress[place].isPaused else { return false }
        let before = progress[place].next.previous
        guard let termBefore = log.term(at: before) else {
            orderSnapshot(place)
            return false
        }
        var entries: [Entry] = []
        if progress[place].state == .probing || !progress[place].isFull(options.window) {
            entries = log.slice(
                after: before, through: log.last, maxBytes: options.maxMessageBytes)
        }
        if entries.isEmpty, !evenIfEmpty { return false }
        send(
            .append(
                Message.Append(
                    previous: LogPosition(index: before, term: termBefore), entries: entries,
                    commit: committed)),
            to: progress[place].member)
        progress[place].sent(
            count: entries.count, bytes: entries.reduce(0) { $0 + $1.cost }, commit: committed,
            window: options.window)
        return true
    }

}

// MARK: - Answers

extension RaftCore {
    mutating func receive(_ response: Message.AppendResponse, from member: MemberID) {
        guard let place = position(of: member) else { return }
        progress[place].isActive = true
        switch response {
        case .rejected(let previous, let hint):
            // Its hint names the term it has there; we may know that term ends even earlier.
            let match = hint.term == .zero ? hint.index : log.possibleMatch(hint).index
            if progress[place].rejected(previous: previous, hint: match) { sendAppend(place) }
        case .accepted(let through):
            guard through <= log.last else {
                return ignore(.appendResponse(response), from: member, .acknowledgesPastEnd)
            }
            acknowledge(through: through, by: member)
        }
    }

    /// `member`, this one included, has the log on disk through `index`.
    mutating func acknowledge(through index: LogIndex, by member: MemberID) {
        guard let place = position(of: member) else { return }
        let neededSnapshot = progress[place].isSnapshotting
        guard progress[place].accepted(through: index, logStart: log.compacted.index) else {
            return
        }
        if neededSnapshot, !progress[place].isSnapshotting {
            actions.snapshots.append(.cancel(to: member))
        }
        if commitWhatQuorumHas() {
            releaseWaitingReads()
            broadcastAppend()
        } else if member != id, progress[place].canLearn(commit: committed) {
            sendAppend(place)
        }
        // An answer makes room in the window.
        while member != id, sendAppend(place, evenIfEmpty: false) {}
        continueTransfer(to: member)
    }

    /// Only an entry of the leader's own term is committed by counting; those before it follow
    /// (section 5.4.2, figure 8).
    mutating func commitWhatQuorumHas() -> Bool {
        let index = LogIndex(
            membership.quorum.highestReached { member in
                position(of: member).map { progress[$0].match.rawValue } ?? 0
            })
        #if CAIRN_BUGS
            if DeliberateBug.made == .commitWithoutQuorum, log.stored > committed {
                committed = log.stored
                return true
            }
        #endif
        #if CAIRN_BUGS
            if DeliberateBug.made == .commitEarlierTerm, index > committed {
                committed = index
                return true
            }
        #endif
        guard index > committed, log.term(at: index) == term else { return false }
        committed = index
        return true
    }

    mutating func receiveHeartbeatResponse(
        _ round: ReadRound, commit: LogIndex, _ promise: VotePromise, from member: MemberID
    ) {
        guard let place = position(of: member) else { return }
        progress[place].isActive = true
        progress[place].knownCommit = max(progress[place].knownCommit, commit)
        progress[place].unpause()
        if progress[place].match < log.last || progress[place].state == .probing {
            sendAppend(place)
        }
        continueTransfer(to: member)
        guard round <= reads.newest else { return }
        progress[place].confirmedRound = max(progress[place].confirmedRound, round)
        count(promise, of: place, since: round)
        answerConfirmedReads()
        leaveOfficeIfDue()
    }

    mutating func unreachable(_ member: MemberID) {
        guard role == .leader, let place = position(of: member) else { return }
        if progress[place].state == .replicating { progress[place].startProbing() }
    }
}
