// Who takes part, as far as Raft itself cares: voters and learners, by id.
//
// Changes are relative ("add voter 3") and idempotent. So the entries a new cluster is born with,
// which name its members one by one, are applied to a configuration that knows them all already,
// and no member ever takes itself for the only voter in between.

import API

/// What an applied configuration entry does, one member at a time (thesis, section 4.1).
public enum MembershipChange: Hashable, Sendable {
    case addVoter(MemberID)
    case addLearner(MemberID)
    case remove(MemberID)
}

/// The configuration Raft counts with.
struct Membership: Equatable, Sendable {
    private(set) var quorum: JointQuorum
    /// Ascending.
    private(set) var learners: [MemberID]
    private(set) var confState: ConfState

    init(_ confState: ConfState) {
        self.confState = confState
        quorum = JointQuorum(incoming: confState.voters, outgoing: confState.votersOutgoing)
        learners = Set(confState.learners).sorted()
    }

    /// Everyone who gets the log, ascending.
    var members: [MemberID] { MajorityQuorum(quorum.members + learners).voters }

    mutating func apply(_ change: MembershipChange) {
        var next = confState
        switch change {
        case .addVoter(let member):
            next.learners.removeAll { $0 == member }
            if !next.voters.contains(member) { next.voters = (next.voters + [member]).sorted() }
        case .addLearner(let member):
            next.voters.removeAll { $0 == member }
            if !next.learners.contains(member) {
                next.learners = (next.learners + [member]).sorted()
            }
        case .remove(let member):
            next.voters.removeAll { $0 == member }
            next.learners.removeAll { $0 == member }
        }
        self = Membership(next)
    }
}
