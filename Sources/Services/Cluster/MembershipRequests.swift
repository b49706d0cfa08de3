// Changes of the membership, before they are proposed: whether they leave a cluster that works
// (-strict-reconfig-check; reference: semantics.md, Cluster).

import API
import Consensus

extension Applier {
    /// A connection counts when it has held for this long (etcd: HealthInterval).
    private static let healthNanoseconds: UInt64 = 5_000_000_000

    /// Checks a change and proposes it.
    /// - Parameter done: called once, with all members as they are then.
    func change(
        _ change: MembershipChange, id: RequestID,
        done: @escaping @Sendable (Result<Membership, Status>) -> Void
    ) {
        if let refusal = strictRefusal(of: change) { return done(.failure(refusal)) }
        propose(MembershipProposal(id: id, change, applier: self, done: done))
    }

    private func strictRefusal(of change: MembershipChange) -> Status? {
        guard settings.checksReconfiguration else { return nil }
        switch change {
        case .add(let member):
            if !member.isLearner, !membership.isReadyToAddVoter() {
                return .memberNotEnoughStarted
            }
            let voters = membership.voters
            let quorum = (voters.count + 1) / 2 + 1
            return voters.count > 1 && connected(of: voters) < quorum ? .unhealthy : nil
        case .remove(let id):
            return strictRefusal(ofRemoving: id)
        case .promote:
            return membership.isReadyToPromote() ? nil : .memberNotEnoughStarted
        case .update:
            return nil
        }
    }

    private func strictRefusal(ofRemoving id: MemberID) -> Status? {
        if membership.members[id]?.isLearner == true { return nil }
        guard membership.isReadyToRemoveVoter(id) else { return .memberNotEnoughStarted }
        // Who is down is no part of the quorum that works.
        if id != identity.member, others.connectedTime(of: id) == nil { return nil }
        let voters = membership.voters
        return connected(of: voters) - 1 < 1 + (voters.count - 1) / 2 ? .unhealthy : nil
    }

    /// How many of `members` have been connected for a while, this one included.
    private func connected(of members: [ClusterMember]) -> Int {
        members.count { member in
            member.id == identity.member
                || (others.connectedTime(of: member.id) ?? 0) > Self.healthNanoseconds
        }
    }

    /// Whether a learner holds enough of the log to vote; asked of the leader alone.
    /// - Returns: why not.
    func refusal(ofPromoting id: MemberID) -> Status? {
        guard let raft else { return .stopped }
        let (isLeader, progress, last) = raft.assumeIsolated {
            ($0.status.role == .leader, $0.peerProgress, $0.status.stored)
        }
        guard isLeader else { return .notLeader }
        if id == identity.member { return nil }
        guard let learner = progress.first(where: { $0.member == id }) else {
            return .memberNotFound
        }
        // etcd: 90 % of what the leader has itself.
        return learner.match.rawValue * 10 < last.rawValue * 9 ? .learnerNotReady : nil
    }

    /// Makes a learner a voter, as the leader.
    func promote(
        _ id: MemberID, requestID: RequestID,
        done: @escaping @Sendable (Result<Membership, Status>) -> Void
    ) {
        let counted: @Sendable (Result<Membership, Status>) -> Void = { [counters] result in
            switch result {
            case .success: counters.promotions.successes.increment()
            // Another member leads, and is asked.
            case .failure(.notLeader): break
            case .failure(let status): counters.promotions.failed(status.message)
            }
            done(result)
        }
        if let refusal = refusal(ofPromoting: id) { return counted(.failure(refusal)) }
        change(.promote(id), id: requestID, done: counted)
    }
}
