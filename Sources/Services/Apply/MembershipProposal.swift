// A change of the membership on its way through the log.

import API
import Consensus

/// Waits for its entry to be applied, found again by its id: the entry may come from another leader.
///
/// `@unchecked Sendable`: handed over once to the executor of the applied state, and touched only
/// there.
final class MembershipProposal: Proposal, Expiring, @unchecked Sendable {
    let id: RequestID
    let change: MembershipChange
    private let applier: Applier
    private let done: @Sendable (Result<Membership, Status>) -> Void
    private(set) var isSettled = false

    /// - Parameter done: called once, on the executor of the applied state.
    init(
        id: RequestID, _ change: MembershipChange, applier: Applier,
        done: @escaping @Sendable (Result<Membership, Status>) -> Void
    ) {
        self.id = id
        self.change = change
        self.applier = applier
        self.done = done
    }

    func answer(_ result: Result<Membership, Status>) {
        guard !isSettled else { return }
        isSettled = true
        done(result)
    }

    func expire() { answer(.failure(.requestTimeout)) }

    func dropped(_ reason: ProposalDrop) {
        // Another change is on its way, as is usual right after one: it will not take long.
        if case .refused(.configurationChangePending) = reason {
            return applier.assumeIsolated { $0.proposeLater(self) }
        }
        answer(.failure(Status(reason)))
    }

    func forwarded() {}
}

extension Applier {
    /// Changes that may be under way by this member.
    private static let changesLimit = 1000
    private static let retryNanoseconds: UInt64 = 50_000_000

    /// Proposes a change of the membership.
    func propose(_ proposal: MembershipProposal) {
        guard changes.count < Self.changesLimit else {
            return proposal.answer(.failure(.tooManyRequests))
        }
        changes[proposal.id] = proposal
        deadlines.add(proposal, now: executor.now)
        submit(proposal)
    }

    /// What was refused only for now, as long as anybody waits for it.
    fileprivate func proposeLater(_ proposal: MembershipProposal) {
        executor.schedule(afterNanoseconds: Self.retryNanoseconds) { [weak self] in
            self?.assumeIsolated { applier in
                if !proposal.isSettled { applier.submit(proposal) }
            }
        }
    }

    private func submit(_ proposal: MembershipProposal) {
        guard let raft else { return proposal.answer(.failure(.stopped)) }
        do throws(ProposalRefusal) {
            try raft.enter { raft throws(ProposalRefusal) in
                try raft.proposeConfChange(
                    proposal.change.encoded(id: proposal.id), proposal: proposal)
            }
        } catch {
            proposal.answer(.failure(Status(.refused(error))))
        }
    }
}
