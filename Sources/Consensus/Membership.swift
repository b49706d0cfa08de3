// Who takes part, as far as Raft itself cares: voters and learners, by id, and how an applied
// change makes the next configuration of the present one (etcd raft, confchange).
//
// A change of one voter is applied at once: the old and the new majorities overlap (thesis,
// section 4.1). More go by way of a joint configuration, in which both majorities must agree
// (Raft paper, section 6; thesis, section 4.3); it is left by another entry.
//
// Changes are relative ("add voter 3") and idempotent. So the entries a new cluster is born with,
// which name its members one by one, are applied to a configuration that knows them all already,
// and no member ever takes itself for the only voter in between.

import API

/// Why a configuration cannot be changed like this. Every member comes to the same verdict.
public enum MembershipViolation: String, Error, Hashable, Sendable {
    case alreadyJoint = "a joint configuration must be left first"
    case notJoint = "there is no joint configuration to leave"
    case noVoters = "it would leave no voter"
    case needsJoint = "more than one voter changes without a joint configuration"
    case malformed = "it cannot be decoded"
}

/// The configuration Raft counts with.
struct Membership: Equatable, Sendable {
    private(set) var quorum: JointQuorum
    /// They get the log and have no say. Ascending.
    private(set) var learners: [MemberID]
    private(set) var confState: ConfState

    init(_ confState: ConfState) {
        self.confState = confState
        quorum = JointQuorum(incoming: confState.voters, outgoing: confState.votersOutgoing)
        learners = Set(confState.learners).sorted()
    }

    /// Everyone who gets the log, ascending.
    var members: [MemberID] { MajorityQuorum(quorum.members + learners).voters }

    var isJoint: Bool { !confState.votersOutgoing.isEmpty }

    func contains(_ member: MemberID) -> Bool {
        quorum.contains(member) || learners.contains(member)
    }

    /// The configuration after `change`.
    func applying(_ change: ConfChangeV2) throws(MembershipViolation) -> Membership {
        var next = confState
        if change.leavesJoint {
            guard isJoint else { throw .notJoint }
            next.leaveJoint()
            return Membership(next)
        }
        guard !isJoint else { throw .alreadyJoint }
        if let autoLeave = change.entersJoint {
            guard !next.voters.isEmpty else { throw .noVoters }
            next.votersOutgoing = next.voters
            next.autoLeave = autoLeave
        }
        for single in change.changes { next.apply(single) }
        guard !next.voters.isEmpty else { throw .noVoters }
        if next.votersOutgoing.isEmpty {
            let changed = Set(next.voters).symmetricDifference(confState.voters)
            guard changed.count <= 1 else { throw .needsJoint }
        }
        return Membership(next)
    }
}

// MARK: - What a change asks for

extension ConfChangeV2 {
    /// A change as etcd's older entries carry it.
    public init(_ change: ConfChange) {
        self.init(
            changes: [Single(kind: change.kind, node: change.node)], context: change.context)
    }

    /// Whether it only leaves the joint configuration (etcd raft, ConfChangeV2.LeaveJoint).
    public var leavesJoint: Bool { transition == .auto && changes.isEmpty }

    /// nil if it is applied at once; else whether the joint configuration is left by itself
    /// (etcd raft, ConfChangeV2.EnterJoint).
    var entersJoint: Bool? {
        guard transition != .auto || changes.count > 1 else { return nil }
        return transition != .jointExplicit
    }

    /// What a configuration entry holds; nil if it cannot be decoded.
    public init?(_ kind: Entry.Kind, data: [UInt8]) {
        let decoded: ConfChangeV2? = data.withUnsafeBytes { bytes in
            switch kind {
            case .configurationChange: (try? ConfChange(decoding: bytes)).map(ConfChangeV2.init)
            case .configurationChangeV2: try? ConfChangeV2(decoding: bytes)
            case .normal: nil
            }
        }
        guard let decoded else { return nil }
        self = decoded
    }
}

// MARK: - One member

extension ConfState {
    fileprivate mutating func apply(_ single: ConfChangeV2.Single) {
        // Nobody: a change that turned out to be invalid is applied as none (etcd raft, Changer).
        guard single.node != .none else { return }
        switch single.kind {
        case .addNode: addVoter(single.node)
        case .addLearner: addLearner(single.node)
        case .removeNode: remove(single.node)
        case .updateNode: break
        }
    }

    private mutating func addVoter(_ member: MemberID) {
        learners.removeAll { $0 == member }
        learnersNext.removeAll { $0 == member }
        voters.insert(member)
    }

    /// A voter of the outgoing set keeps its vote until the joint configuration is left: nobody
    /// is voter and learner at once.
    private mutating func addLearner(_ member: MemberID) {
        voters.removeAll { $0 == member }
        if votersOutgoing.contains(member) {
            learnersNext.insert(member)
        } else {
            learners.insert(member)
        }
    }

    private mutating func remove(_ member: MemberID) {
        voters.removeAll { $0 == member }
        learners.removeAll { $0 == member }
        learnersNext.removeAll { $0 == member }
    }

    fileprivate mutating func leaveJoint() {
        for member in learnersNext { learners.insert(member) }
        learnersNext = []
        votersOutgoing = []
        autoLeave = false
    }
}

extension [MemberID] {
    /// Keeps the list ascending and without duplicates.
    fileprivate mutating func insert(_ member: MemberID) {
        guard !contains(member) else { return }
        insert(member, at: firstIndex { $0 > member } ?? count)
    }
}
