// Who belongs to the cluster, and what the members say of themselves, as entries decide it
// (reference: ondisk.md, Raft entries; semantics.md, Cluster version).

import API
import Storage

extension Applier {
    /// A change that turns out to be impossible changes nothing, and who asked for it is told why.
    func applyConfChange(_ entry: Entry) throws(ApplyFailure) -> Outcome {
        guard entry.kind == .configurationChange else { return try applyJointChange(entry) }
        let encoded: ConfChange
        let change: MembershipChange
        do {
            encoded = try entry.data.withUnsafeBytes { try ConfChange(decoding: $0) }
            change = try MembershipChange(encoded)
        } catch {
            throw ApplyFailure("entry \(entry.index.rawValue) is no configuration change: \(error)")
        }
        let waiting = changes.removeValue(forKey: RequestID(encoded.id))
        if let refusal = membership.refusal(of: change, maxLearners: settings.maxLearners) {
            waiting?.answer(.failure(refusal))
            return Outcome()
        }
        let member = membership.carryOut(change)
        try changeConfState(ConfChangeV2(encoded), by: entry)
        if let member { try keep(member) } else { try keepRemoval(of: change.member) }
        isLearner = membership.members[identity.member]?.isLearner ?? false
        events.membershipChanged(change, to: membership)
        waiting?.answer(.success(membership))
        return Outcome()
    }

    /// Raft's own: the members of such a change are in the records already, or it leaves a joint
    /// configuration.
    private func applyJointChange(_ entry: Entry) throws(ApplyFailure) -> Outcome {
        guard let change = ConfChangeV2(entry.kind, data: entry.data), change.leavesJoint else {
            throw ApplyFailure(
                "entry \(entry.index.rawValue) changes several members at once, which no client can "
                    + "ask for")
        }
        try changeConfState(change, by: entry)
        return Outcome()
    }

    private func changeConfState(
        _ change: ConfChangeV2, by entry: Entry
    ) throws(ApplyFailure) {
        guard let raft else { preconditionFailure("applied before Raft was attached") }
        let confState = raft.assumeIsolated { $0.membershipChanged(change) }
        self.confState = (confState, since: entry.index)
        store.assumeIsolated { $0.setConfState(confState) }
    }

    private func keepRemoval(of member: MemberID) throws(ApplyFailure) {
        let key = Array(member.hex.utf8)
        try inStore { store throws(StoreError) in
            try store.remove(.members, key: key)
            try store.write(.membersRemoved, key: key, value: Array("removed".utf8))
        }
    }

    private func keep(_ member: ClusterMember) throws(ApplyFailure) {
        try inStore { store throws(StoreError) in
            try store.write(
                .members, key: Array(member.id.hex.utf8),
                value: Array(member.json.description.utf8))
        }
    }

    func setAttributes(
        _ request: ClusterMemberAttrSetRequest
    ) throws(ApplyFailure) -> Result<Void, Status> {
        guard let attributes = request.attributes else { return .success(()) }
        return try setAttributes(
            of: request.member, name: attributes.name, clientURLs: attributes.clientURLs)
    }

    private func setAttributes(
        of id: MemberID, name: String, clientURLs: [String]
    ) throws(ApplyFailure) -> Result<Void, Status> {
        let changed = membership.setAttributes(of: id, name: name, clientURLs: clientURLs)
        guard let member = changed else { return .success(()) }
        try keep(member)
        guard member.id == identity.member else {
            events.attributesPublished(member)
            return .success(())
        }
        // An earlier start's, replayed, comes before this start has proposed, or says otherwise.
        let isOwn = member.name == settings.name && member.clientURLs == settings.clientURLs
        if own.attributes.isUnderWay, isOwn, !hasPublished {
            hasPublished = true
            events.attributesPublished(member)
        }
        return .success(())
    }

    /// Attributes and the cluster's version, as logs have them that were begun by an etcd up to 3.5.
    func perform(_ request: OldRequest) throws(ApplyFailure) -> Result<Void, Status> {
        switch request {
        case .setClusterVersion(let version): return try setClusterVersion(version)
        case .setAttributes(let id, let json):
            guard let attributes = try? JSONValue(parsing: json) else {
                throw ApplyFailure("the attributes of member \(id.hex) are no JSON")
            }
            return try setAttributes(
                of: id, name: attributes["name"]?.asString ?? "",
                clientURLs: attributes["clientURLs"]?.asArray?.compactMap(\.asString) ?? [])
        }
    }
}
