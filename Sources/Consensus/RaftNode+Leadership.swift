// Who leads: how it is noticed, and how it is handed over.

import API

/// Why leadership was not handed over.
public enum TransferFailure: Error, Hashable, Sendable {
    case notLeader
    /// It has no vote, or is no member.
    case notVoter(MemberID)
    /// No other voter is heard of.
    case noHeir
    /// The target did not come to it in time; this member goes on leading, if it can.
    case timedOut
    /// Another member than the target leads now.
    case leaderChanged(to: MemberID)
    case stopped
}

/// Someone waits for a transfer.
struct AwaitedTransfer {
    let target: MemberID
    let completion: @Sendable (Result<Void, TransferFailure>) -> Void
    /// In ticks.
    let deadline: Int
}

extension RaftNode {
    /// Hands leadership to `target`, by way of TimeoutNow. Proposals wait meanwhile and go on to
    /// whoever leads then.
    ///
    /// - Parameter completion: called once, on the node's executor: when this member sees that
    ///   `target` leads, or with the reason why not.
    public func transferLeadership(
        to target: MemberID,
        completion: @escaping @Sendable (Result<Void, TransferFailure>) -> Void
    ) {
        guard !isStopped else { return completion(.failure(.stopped)) }
        guard core.role == .leader else { return completion(.failure(.notLeader)) }
        guard target != id else { return completion(.success(())) }
        guard core.membership.quorum.contains(target) else {
            return completion(.failure(.notVoter(target)))
        }
        transfers.append(
            AwaitedTransfer(
                target: target, completion: completion,
                deadline: ticks + 3 * options.raft.electionTicks))
        logger.info(
            "\(id.hex) [term \(core.term.rawValue)] starts to transfer leadership to \(target.hex)")
        handle(.transferLeadership(to: target))
    }

    /// Hands leadership to the voter that can best take it: before this member goes away.
    public func handOver(
        completion: @escaping @Sendable (Result<Void, TransferFailure>) -> Void
    ) {
        guard core.role == .leader else { return completion(.failure(.notLeader)) }
        // A leader that was removed is on its way out already (thesis, section 4.2.2).
        guard core.isVoter, let heir = core.heir else { return completion(.failure(.noHeir)) }
        transferLeadership(to: heir, completion: completion)
    }

    func noticeLeader() {
        let leader = core.leader
        // The same one may have been elected again while this member was not running, say.
        guard leader != knownLeader || (leader != .none && core.term != knownLeaderTerm)
        else { return }
        if leader != knownLeader { logLeader(from: knownLeader, to: leader) }
        knownLeader = leader
        knownLeaderTerm = core.term
        observer?.leaderChanged(to: leader, term: core.term)
        guard leader != .none else { return }
        if leader != id {
            endTransfers { $0 == leader ? .success(()) : .failure(.leaderChanged(to: leader)) }
        }
        if hadLeader {
            for waiter in reads.abandonRound() {
                counters.failedReads.increment()
                waiter.readFailed(.leaderChanged)
            }
            askForReads()
        } else if let context = reads.askAgain(tick: ticks, patience: 0) {
            handle(.read(context))
        }
        hadLeader = true
        flushAtTurnEnd()
    }

    func transferAborted(to target: MemberID) {
        endTransfers { $0 == target ? .failure(.timedOut) : nil }
        flushAtTurnEnd()
    }

    func tickTransfers() {
        guard !transfers.isEmpty else { return }
        let overdue = transfers.filter { $0.deadline < ticks }
        transfers.removeAll { $0.deadline < ticks }
        for transfer in overdue { transfer.completion(.failure(.timedOut)) }
    }

    /// - Parameter verdict: by target; nil if it goes on.
    func endTransfers(_ verdict: (MemberID) -> Result<Void, TransferFailure>?) {
        guard !transfers.isEmpty else { return }
        let awaited = transfers
        transfers = []
        for transfer in awaited {
            if let result = verdict(transfer.target) {
                transfer.completion(result)
            } else {
                transfers.append(transfer)
            }
        }
    }
}
