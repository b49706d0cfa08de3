// Who must agree: plain majority arithmetic, apart from all else so that it can be raced against
// a dumb twin.
//
// A joint quorum needs both majorities while the membership changes (Raft paper, section 6). Out
// of a change the outgoing set is empty and has no say.

import API

/// How an election stands.
enum VoteResult: Equatable, Sendable {
    case won, lost, pending
}

/// A majority of one set of voters.
struct MajorityQuorum: Equatable, Sendable {
    /// Ascending, without duplicates.
    let voters: [MemberID]

    init(_ voters: some Sequence<MemberID>) {
        self.voters = Set(voters).sorted()
    }

    /// How many make a majority.
    var needed: Int { voters.count / 2 + 1 }

    /// The highest number that a majority has reached; `UInt64.max` of the empty set, which never
    /// holds anyone back.
    func highestReached(_ reached: (MemberID) -> UInt64) -> UInt64 {
        let count = voters.count
        if count == 1 { return reached(voters[0]) }
        guard count > 0 else { return .max }
        return withUnsafeTemporaryAllocation(of: UInt64.self, capacity: count) { sorted in
            for (position, voter) in voters.enumerated() {
                let value = reached(voter)
                var slot = position
                while slot > 0, sorted[slot - 1] > value {
                    sorted[slot] = sorted[slot - 1]
                    slot -= 1
                }
                sorted[slot] = value
            }
            return sorted[count - needed]
        }
    }

    /// - Parameter ballot: true or false once a voter has answered. The empty set is won.
    func result(_ ballot: (MemberID) -> Bool?) -> VoteResult {
        guard !voters.isEmpty else { return .won }
        var yes = 0
        var open = 0
        for voter in voters {
            switch ballot(voter) {
            case true: yes += 1
            case false: break
            case nil: open += 1
            }
        }
        if yes >= needed { return .won }
        return yes + open >= needed ? .pending : .lost
    }
}

/// The majority of each of two sets.
struct JointQuorum: Equatable, Sendable {
    let incoming: MajorityQuorum
    /// Empty unless a joint change is under way.
    let outgoing: MajorityQuorum

    init(incoming: some Sequence<MemberID>, outgoing: some Sequence<MemberID> = []) {
        self.incoming = MajorityQuorum(incoming)
        self.outgoing = MajorityQuorum(outgoing)
    }

    /// Everyone with a vote, ascending.
    var members: [MemberID] {
        outgoing.voters.isEmpty
            ? incoming.voters : MajorityQuorum(incoming.voters + outgoing.voters).voters
    }

    func contains(_ member: MemberID) -> Bool {
        incoming.voters.contains(member) || outgoing.voters.contains(member)
    }

    /// Whether `member` alone decides everything.
    func isOnly(_ member: MemberID) -> Bool {
        incoming.voters == [member] && outgoing.voters.isEmpty
    }

    func highestReached(_ reached: (MemberID) -> UInt64) -> UInt64 {
        min(incoming.highestReached(reached), outgoing.highestReached(reached))
    }

    func result(_ ballot: (MemberID) -> Bool?) -> VoteResult {
        switch (incoming.result(ballot), outgoing.result(ballot)) {
        case (.won, .won): .won
        case (.lost, _), (_, .lost): .lost
        case (.pending, _), (_, .pending): .pending
        }
    }
}
