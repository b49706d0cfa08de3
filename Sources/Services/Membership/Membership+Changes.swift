// What a change needs to be carried out. Asked when its entry is applied, with the same outcome at
// every member, since it depends on the applied state alone (etcd: ValidateConfigurationChange).

import API

extension Membership {
    /// Why `change` cannot be carried out, as the client is told; nil if it can.
    public func refusal(of change: MembershipChange, maxLearners: Int) -> Status? {
        if removed.contains(change.member) { return .memberNotFound }
        switch change {
        case .add(let member):
            if members[member.id] != nil { return .memberExists }
            if isTaken(member.peerURLs) { return .peerURLExists }
            if member.isLearner, learners.count >= maxLearners { return .tooManyLearners }
        case .promote(let id):
            guard let member = members[id] else { return .memberNotFound }
            if !member.isLearner { return .memberNotLearner }
        case .update(let member):
            guard members[member.id] != nil else { return .memberNotFound }
            if isTaken(member.peerURLs, besides: member.id) { return .peerURLExists }
        case .remove(let id):
            if members[id] == nil { return .memberNotFound }
        }
        return nil
    }

    private func isTaken(_ urls: [String], besides id: MemberID = .none) -> Bool {
        members.values.contains { member in
            member.id != id && member.peerURLs.contains { urls.contains($0) }
        }
    }

    /// Carries out a change that is not refused.
    /// - Returns: the member as it is now; nil when it was removed.
    mutating func carryOut(_ change: MembershipChange) -> ClusterMember? {
        switch change {
        case .add(let member): add(member)
        case .promote(let id): promote(id)
        case .update(let member): setPeerURLs(of: member.id, member.peerURLs)
        case .remove(let id): remove(id)
        }
        return members[change.member]
    }
}

// MARK: - Counting

extension Membership {
    public var voters: [ClusterMember] { sorted.filter { !$0.isLearner } }
    public var learners: [ClusterMember] { sorted.filter(\.isLearner) }

    /// Whether a further voter, which may never start, leaves a quorum of started ones: so no
    /// mistyped address can stop the cluster (-strict-reconfig-check). A single member that has
    /// started may add a second: it could not grow otherwise.
    func isReadyToAddVoter() -> Bool {
        let started = voters.count(where: \.isStarted)
        if started == 1, voters.count == 1 { return true }
        return started >= (voters.count + 1) / 2 + 1
    }

    /// Whether the others are a quorum of started members by themselves.
    func isReadyToRemoveVoter(_ id: MemberID) -> Bool {
        let others = voters.filter { $0.id != id }
        return others.count(where: \.isStarted) >= others.count / 2 + 1
    }

    /// Whether there is a quorum of started voters when the learner is one, which counts as started.
    func isReadyToPromote() -> Bool {
        voters.count(where: \.isStarted) + 1 >= (voters.count + 1) / 2 + 1
    }
}

extension ClusterMember {
    /// It has run, and said its name.
    public var isStarted: Bool { !name.isEmpty }
}
