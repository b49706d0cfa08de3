// A node as it is seen from outside: by the simulator, which checks Raft's promises after every step.

import API

/// Where a node stands.
package struct RaftInspection: Hashable, Sendable {
    package let role: RaftCore.Role
    package let term: Term
    package let leader: MemberID
    package let vote: MemberID
    /// The last place of the log that is not in memory any more.
    package let compacted: LogPosition
    package let end: LogPosition
    package let committed: LogIndex
    package let applied: LogIndex
}

extension RaftNode {
    package var inspection: RaftInspection {
        RaftInspection(
            role: core.role, term: core.term, leader: core.leader, vote: core.vote,
            compacted: core.log.compacted, end: core.log.end, committed: core.committed,
            applied: core.applied)
    }

    /// Of the log in memory; nil if the place is forgotten or past the end.
    package func term(at index: LogIndex) -> Term? { core.log.term(at: index) }

    /// Entries in `(after, through]`, which are in memory.
    package func entries(after: LogIndex, through: LogIndex) -> [Entry] {
        core.log.slice(after: after, through: through)
    }

    /// Who has a say, as far as this node has applied.
    package var members: ConfState { core.confState }
}
