// Requests under way: those that another leader was sent, and how long each may take.

import API
import Consensus

extension Applier {
    /// Proposals that may wait for another leader. Raft bounds those it has itself.
    private static let forwardedLimit = 10_000

    /// Weighs a request before it is proposed.
    /// - Returns: why not; nil lets it pass.
    func refusal(of proposal: ClientProposal) -> Status? {
        if forwarded.count >= Self.forwardedLimit { return .tooManyRequests }
        if !largeAnswers.hasRoom, proposal.operation.readsRanges { return .tooManyRequests }
        return refusalForSpace(proposal.operation)
    }

    /// The proposal is under way: its caller is told when it takes too long.
    func limitTime(of proposal: ClientProposal) { deadlines.add(proposal, now: executor.now) }

    /// Proposals that another leader was sent.
    package var forwardedProposals: Int { forwarded.count }

    /// Requests whose time is limited, those that were answered behind an older one included.
    var timedRequests: Int { deadlines.count }

    /// Another leader was sent `proposal`: its entry will come without it.
    func await(_ proposal: ClientProposal) {
        proposal.forwardedIn = term
        forwarded[proposal.id] = proposal
    }

    /// Behind the first entry of a leader's term nothing comes any more that only its predecessors
    /// had in their logs. What they were sent is lost, or on its way by another member: nobody
    /// knows, and a client that hears so can turn to the new leader.
    func refuseOutdated(by entry: Entry) {
        guard entry.term != appliedTerm else { return }
        appliedTerm = entry.term
        for proposal in forwarded.inOrder where proposal.forwardedIn < appliedTerm {
            forwarded[proposal.id] = nil
            proposal.refuse(.timeoutDueToLeaderFail)
        }
    }

    /// What a caller is told whose time is over: as far as can be seen, why (etcd:
    /// parseProposeCtxErr).
    private func timeoutStatus(of begun: MonotonicTime) -> Status {
        let electionNanoseconds = settings.leases.extensionNanoseconds
        if let electedAt, begun < electedAt,
            electedAt.nanoseconds(since: begun) < 2 * electionNanoseconds
        {
            return .timeoutDueToLeaderFail
        }
        let age = executor.now.nanoseconds(since: begun)
        func isConnected(_ member: MemberID) -> Bool {
            member == identity.member || (others.connectedTime(of: member) ?? 0) >= age
        }
        switch leader {
        case .none: return .requestTimeout
        case identity.member:
            let members = membership.sorted
            let count = members.count { isConnected($0.id) }
            return count > members.count / 2 ? .requestTimeout : .timeoutDueToConnectionLost
        default: return isConnected(leader) ? .requestTimeout : .timeoutDueToConnectionLost
        }
    }

    private static let sweepNanoseconds: UInt64 = 500_000_000

    func scheduleSweep() {
        guard raft != nil else { return }
        executor.schedule(afterNanoseconds: Self.sweepNanoseconds) { [weak self] in
            guard let self else { return }
            assumeIsolated { applier in
                applier.deadlines.expire(now: applier.executor.now) {
                    applier.timeoutStatus(of: $0)
                }
                applier.forwarded = applier.forwarded.filter { !$0.value.isSettled }
                applier.changes = applier.changes.filter { !$0.value.isSettled }
                for giveUp in applier.tokenWaits.takeOutdated() { giveUp() }
                applier.publish()
                applier.scheduleSweep()
            }
        }
    }
}
