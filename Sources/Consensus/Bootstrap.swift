// How a new cluster is born: every first member starts with the same log, one configuration entry
// per member at 1...n, of term 1 and committed, as etcd writes them (reference: ondisk.md). No
// election is needed to agree on them, for all first members are given the same list.

import API

/// A member of a cluster that is being born.
public struct FirstMember: Hashable, Sendable {
    public var id: MemberID
    /// The raftpb.ConfChange that adds it.
    public var change: [UInt8]
    public init(id: MemberID, change: [UInt8]) {
        self.id = id
        self.change = change
    }
}

extension RestoredState {
    /// What a member of a new cluster starts from, on an empty disk.
    /// - Parameter members: the same, in the same order, at every one of them (etcd: by id).
    public static func newCluster(of members: [FirstMember]) -> RestoredState {
        let term = Term(1)
        var entries: [Entry] = []
        for (offset, member) in members.enumerated() {
            entries.append(
                Entry(
                    term: term, index: LogIndex.zero.next + offset, kind: .configurationChange,
                    data: member.change))
        }
        var state = RestoredState(
            hardState: HardState(term: term, commit: .zero + members.count),
            confState: ConfState(voters: members.map(\.id).sorted()), entries: entries)
        state.isWritten = false
        return state
    }
}
