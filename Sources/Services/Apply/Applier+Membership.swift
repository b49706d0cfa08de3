// Who belongs to the cluster, what the members say of themselves, and the cluster's version, as
// entries decide it (reference: ondisk.md, Raft entries; semantics.md, Cluster version).

import API
import Storage

extension Applier {
    func applyConfChange(_ entry: Entry) throws(ApplyFailure) -> Outcome {
        guard entry.kind == .configurationChange else {
            throw ApplyFailure("a joint configuration change is not served yet")
        }
        let change: ConfChange
        let member: ClusterMember
        do {
            change = try entry.data.withUnsafeBytes { try ConfChange(decoding: $0) }
            member = try ClusterMember(json: change.context)
        } catch {
            throw ApplyFailure("entry \(entry.index.rawValue) is no configuration change: \(error)")
        }
        guard change.kind == .addNode else {
            throw ApplyFailure("configuration change \(change.kind) is not served yet")
        }
        guard change.node == member.id else {
            throw ApplyFailure(
                "entry \(entry.index.rawValue) names member \(change.node.hex), but its record "
                    + "\(member.id.hex)")
        }
        guard !membership.removed.contains(member.id) else {
            throw ApplyFailure("member \(member.id.hex) was removed for good and cannot be added")
        }
        guard let raft else { preconditionFailure("applied before Raft was attached") }
        membership.add(member)
        let confState = raft.assumeIsolated {
            $0.membershipChanged(ConfChangeV2(change))
        }
        self.confState = (confState, since: entry.index)
        store.assumeIsolated { $0.setConfState(confState) }
        try keep(member)
        events.memberAdded(member)
        return Outcome()
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

    func setClusterVersion(
        _ request: ClusterVersionSetRequest
    ) throws(ApplyFailure) -> Result<Void, Status> {
        try setClusterVersion(request.version)
    }

    private func setClusterVersion(
        _ version: String
    ) throws(ApplyFailure) -> Result<Void, Status> {
        let previous = membership.clusterVersion
        membership.setClusterVersion(version)
        storageVersion = version
        try inStore { store throws(StoreError) in
            try store.write(
                .cluster, key: Array("clusterVersion".utf8), value: Array(version.utf8))
            try store.write(.meta, key: MetaKey.storageVersion, value: Array(version.utf8))
        }
        events.clusterVersionChanged(from: previous, to: version)
        return .success(())
    }

    /// The same two, as logs have them that were begun by an etcd up to 3.5.
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
