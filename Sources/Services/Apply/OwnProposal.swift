// What a member proposes for itself. Nobody waits for it, and it can be lost with a leader or refused
// when too much is under way: so it is proposed again until its effect shows.

import API

/// One proposal of the member's own, under way or not.
struct OwnProposal {
    private var proposedAt: MonotonicTime?

    var isUnderWay: Bool { proposedAt != nil }

    /// Whether to propose now, which is noted.
    /// - Parameter patience: nanoseconds after which an earlier proposal is taken for lost.
    mutating func isDue(now: MonotonicTime, patience: UInt64) -> Bool {
        if let proposedAt, now.nanoseconds(since: proposedAt) < patience { return false }
        proposedAt = now
        return true
    }
}

/// All of them.
struct OwnProposals {
    /// The alarm that this member is out of space.
    var noSpace = OwnProposal()
    /// Its name and client URLs.
    var attributes = OwnProposal()
    /// The question which versions the members run, and what follows from it.
    var versions = OwnProposal()
}
