// -force-new-cluster: a member whose cluster has lost its quorum for good goes on alone, with the data
// it has (etcd: restartAsStandaloneNode). Ids stay as they are; new members may join it.
//
// etcd cuts off what it does not know to be committed. Here it stays: the commit index reaches the
// disk behind its entries, so among them may be what was acknowledged. Only from a change of the
// membership on nothing is kept, for that would not have been proposed here.

import API
import Consensus
import Services

/// A log that ends with the removal of all other members.
struct ForcedCluster: Sendable {
    /// What Raft starts from.
    let state: RestoredState
    /// The last entries of `state`, not on disk yet. The first voids what stands at its place.
    let added: [Entry]
    let removed: [MemberID]
    /// Entries from a change of the membership on of which nobody knows whether it was committed.
    let discarded: Int

    /// - Parameter state: all that is on disk.
    /// - Throws: `RecoveryError` when the cluster goes on without this member by its own choice.
    init(of member: MemberID, from state: RestoredState) throws(RecoveryError) {
        let commit = Self.end(of: state)
        var (voters, learners) = (Set(state.confState.voters), Set(state.confState.learners))
        voters.formUnion(state.confState.votersOutgoing)
        learners.formUnion(state.confState.learnersNext)
        for entry in state.entries where entry.index > state.applied && entry.index <= commit {
            for change in ConfChangeV2(entry.kind, data: entry.data)?.changes ?? [] {
                if change.kind == .updateNode { continue }
                voters.remove(change.node)
                learners.remove(change.node)
                if change.kind == .addNode { voters.insert(change.node) }
                if change.kind == .addLearner { learners.insert(change.node) }
            }
        }
        guard voters.contains(member) || learners.contains(member) else {
            throw RecoveryError(
                description: "member \(member.hex) was removed from its cluster and cannot be one "
                    + "by itself")
        }
        var changes: [ConfChange] = []
        // There is a voter at any time.
        if !voters.contains(member) { changes.append(MembershipChange.promotion(of: member)) }
        removed = voters.union(learners).subtracting([member]).sorted()
        changes += removed.map { ConfChange(kind: .removeNode, node: $0) }
        added = changes.enumerated().map { offset, change in
            var bytes = ByteBuffer()
            change.encode(into: &bytes)
            return Entry(
                term: state.hardState.term, index: commit.next + offset,
                kind: .configurationChange, data: bytes.array)
        }
        let kept = state.entries.filter { $0.index <= commit }
        discarded = state.entries.count - kept.count
        var forced = state
        forced.entries = kept + added
        forced.hardState.commit = commit + added.count
        self.state = forced
    }

    /// The last entry that counts as committed.
    private static func end(of state: RestoredState) -> LogIndex {
        let commit = state.hardState.commit
        let change = state.entries.first { $0.index > commit && $0.kind != .normal }
        return change?.index.previous ?? max(commit, state.entries.last?.index ?? .zero)
    }
}
