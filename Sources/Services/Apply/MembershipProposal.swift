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

    func expire(_ status: Status) { answer(.failure(status)) }

    func dropped(_ reason: ProposalDrop) {
        // Another change is on its way, as is usual right after one: it will not take long.
        if case .refused(.configurationChangePending) = reason {
            return applier.assumeIsolated {
                $0.proposeLater(self, after: Applier.refusedNanoseconds)
            }
        }
        answer(.failure(Status(reason)))
    }

    /// A leader tells nobody that it refused another's change because of one under way: so it is
    /// proposed again until its answer is there. The second of two that come through is refused as
    /// they are applied, but for an update: that one would undo what came between.
    func forwarded() {
        if case .update = change { return }
        applier.assumeIsolated { $0.proposeLater(self, after: Applier.forwardedNanoseconds) }
    }
}

extension Applier {
    /// Changes that may be under way by this member.
    private static let changesLimit = 1000
    fileprivate static let refusedNanoseconds: UInt64 = 50_000_000
    fileprivate static let forwardedNanoseconds: UInt64 = 500_000_000

    /// Proposes a change of the membership.
    func propose(_ proposal: MembershipProposal) {
        guard changes.count < Self.changesLimit else {
            return proposal.answer(.failure(.tooManyRequests))
        }
        changes[proposal.id] = proposal
        deadlines.add(proposal, now: executor.now)
        submit(proposal)
    }

    /// What was refused only for now, or may be lost, as long as anybody waits for it.
    fileprivate func proposeLater(
        _ proposal: MembershipProposal, after nanoseconds: UInt64
    ) {
        executor.schedule(afterNanoseconds: nanoseconds) { [weak self] in
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
