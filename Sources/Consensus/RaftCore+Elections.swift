// Who leads: Raft paper, section 5.2 and 5.4.1; pre-vote and check-quorum after the thesis.

import API

extension RaftCore {
    mutating func tick(_ dice: UInt64) {
        actions.isTick = true
        if ticksSincePromise < options.electionTicks { ticksSincePromise += 1 }
        let timeout =
            electionTimeout ?? options.electionTicks + Int(dice % UInt64(options.electionTicks))
        electionTimeout = timeout
        electionElapsed += 1
        switch role {
        case .leader:
            tickLeader()
        case .follower, .preCandidate, .candidate:
            // Randomised, so that split votes are rare and soon over (section 5.2).
            // Who may not campaign goes on counting: its leader's lease must run out too.
            if electionElapsed >= timeout, campaignIfAllowed() { electionElapsed = 0 }
        }
    }

    /// Nobody leads for all that is known here, so nobody is disturbed sooner than is fair.
    mutating func advanceElection(to ticks: Int) {
        if role == .follower, leader == .none { electionElapsed = max(electionElapsed, ticks) }
    }

    private mutating func tickLeader() {
        heartbeatElapsed += 1
        tickTransfer()
        if electionElapsed >= options.electionTicks {
            electionElapsed = 0
            let hearsQuorum = hearsQuorum()
            if options.checkQuorum, !hearsQuorum {
                actions.changes.append(.steppedDownWithoutQuorum(term))
                becomeFollower(term, leader: .none)
                return
            }
        }
        if heartbeatElapsed >= options.heartbeatTicks {
            heartbeatElapsed = 0
            beginLeaseRound()
            broadcastHeartbeat()
        }
    }

    /// Whether a quorum was heard of since this was asked last (thesis, section 6.2). Without it,
    /// a leader cut off from the others would keep its clients waiting for ever.
    private mutating func hearsQuorum() -> Bool {
        let result = membership.quorum.result { member in
            member == id || progress.first { $0.member == member }?.isActive == true
        }
        for position in progress.indices {
            if !progress[position].isActive { progress[position].endCatchingUp() }
            progress[position].wasActive = progress[position].isActive
            progress[position].isActive = false
        }
        return result == .won
    }

    /// - Parameter isTransfer: the leader asks for it, so nobody need be asked beforehand.
    /// - Returns: whether it campaigns.
    @discardableResult
    mutating func campaignIfAllowed(isTransfer: Bool = false) -> Bool {
        guard role != .leader, isVoter || departure != nil, !hasStorageFailed, install == nil,
            isTransfer || !isBoundByPromise
        else { return false }
        // The outcome of a change that is committed already must count in this election.
        let floor = max(applied, log.compacted.index)
        guard !log.hasConfigurationChange(after: floor, through: committed) else { return false }
        actions.changes.append(.startedElection(term))
        if options.preVote, !isTransfer {
            askForPreVotes()
        } else {
            askForVotes(isTransfer: isTransfer)
        }
        return true
    }

    /// Nothing is promised: the term stays, and so does the vote (thesis, section 9.6).
    private mutating func askForPreVotes() {
        role = .preCandidate
        leader = .none
        ballots.removeAll()
        electionTimeout = nil
        actions.changes.append(.becamePreCandidate(term))
        for member in membership.quorum.members where member != id {
            actions.send.append(
                Message(from: id, to: member, term: term.next, body: .preVote(last: log.end)))
        }
        count(ballot: true, of: id)
    }

    private mutating func askForVotes(isTransfer: Bool = false) {
        reset(to: term.next)
        role = .candidate
        vote = id
        actions.changes.append(.becameCandidate(term))
        // The request speaks of this log and uses up this member's vote. If it left before both
        // are on disk, a crash could bring the member back in the same term with a shorter log,
        // and votes given for the longer one would elect it.
        for member in membership.quorum.members where member != id {
            promise(.vote(last: log.end, isTransfer: isTransfer), to: member)
        }
        actions.promises.append(.ownVote(term))
    }

    mutating func count(ballot: Bool, of member: MemberID) {
        if ballots[member] == nil { ballots[member] = ballot }
        switch membership.quorum.result({ ballots[$0] }) {
        case .won:
            if role == .preCandidate { askForVotes() } else { becomeLeader() }
        case .lost: becomeFollower(term, leader: .none)
        case .pending: break
        }
    }

    /// Answers MsgVote and MsgPreVote in the message's term (figure 2, RequestVote, 1 and 2).
    /// - Parameter mayElect: it has not promised otherwise.
    mutating func answerVote(
        _ message: Message, last: LogPosition, isPreVote: Bool, mayElect: Bool
    ) {
        let free =
            vote == message.from || (vote == .none && leader == .none)
            || (isPreVote && message.term > term)
        #if CAIRN_BUGS
            let isNotAhead = log.isNotAhead(of: last) || DeliberateBug.made == .voteForShorterLog
        #else
            let isNotAhead = log.isNotAhead(of: last)
        #endif
        let granted = free && isNotAhead && !hasStorageFailed && mayElect
        if isPreVote {
            // A grant carries the term that was asked for, a refusal our own.
            actions.send.append(
                Message(
                    from: id, to: message.from, term: granted ? message.term : term,
                    body: .preVoteResponse(granted: granted)))
        } else if granted {
            electionElapsed = 0
            vote = message.from
            promise(.voteResponse(granted: true), to: message.from)
        } else {
            send(.voteResponse(granted: false), to: message.from)
        }
        // Whoever asks takes this member for a voter, which it is not any more, and cannot win
        // without it: it must learn what this member knows.
        if !isVoter, !hearsLeader, !log.isNotAhead(of: last) { departure = committed }
    }

    /// While a leader is heard of, nobody else is given a vote, so that a member which was cut
    /// off or removed does not disturb (thesis, section 4.2.3).
    var hasLiveLeader: Bool { options.checkQuorum && (hearsLeader || isBoundByPromise) }

    private var hearsLeader: Bool {
        leader != .none && electionElapsed < options.electionTicks
    }

    mutating func becomeFollower(_ newTerm: Term, leader newLeader: MemberID) {
        reset(to: newTerm)
        role = .follower
        leader = newLeader
        actions.changes.append(.becameFollower(term))
    }

    private mutating func becomeLeader() {
        reset(to: term)
        role = .leader
        leader = id
        // There may be one in the log that is not committed: wait for all of it, and for an entry
        // of this term. Without the latter two leaders could each bring through a change that
        // knows nothing of the other's (Ongaro, "bug in single-server membership changes", 2015).
        pendingChange = log.last.next
        actions.changes.append(.becameLeader(term))
        // An entry of its own term lets the leader commit what came before (section 5.4.2) and
        // tells it what is committed (section 8).
        log.append(Entry(term: term, index: log.last.next))
        broadcastAppend()
    }

    private mutating func reset(to newTerm: Term) {
        if newTerm != term {
            term = newTerm
            vote = .none
        }
        leader = .none
        electionElapsed = 0
        heartbeatElapsed = 0
        electionTimeout = nil
        ballots.removeAll()
        pendingChange = .zero
        transfer = nil
        if role == .leader { cancelSnapshots() }
        reads = ReadRounds()
        lease = LeaderLease()
        resetProgress()
    }
}
