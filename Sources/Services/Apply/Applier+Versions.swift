// The cluster's version: asked of the members by the leader, decided through the log.

import API
import Storage

extension Applier {
    /// Between two looks, as etcd's monitorVersionInterval.
    private static let patience: UInt64 = 4_000_000_000
    private static let answerTimeout: UInt64 = 1_000_000_000

    private var currentVersion: ClusterVersion? {
        membership.clusterVersion.flatMap { ClusterVersion(parsing: $0) }
    }

    private var downgradeTarget: ClusterVersion? {
        membership.downgradeTarget.flatMap { ClusterVersion(parsing: $0) }
    }

    /// As the leader: asks who runs what, while the answer could change something. Called when
    /// there is a leader, and from time to time.
    func negotiateVersion() {
        guard leader == identity.member,
            currentVersion != .served || downgradeTarget != nil,
            own.versions.isDue(now: executor.now, patience: Self.patience)
        else { return }
        let asked = membership.sorted.map(\.id).filter { $0 != identity.member }
        guard !asked.isEmpty else { return decideVersion([.served]) }
        let poll = VersionPoll(of: asked.count) { [weak self] others in
            self?.assumeIsolated { $0.decideVersion([.served] + others) }
        }
        for member in asked {
            others.call(member, .version, [], timeoutNanoseconds: Self.answerTimeout) { result in
                poll.take(result.map(Self.version))
            }
        }
    }

    private static func version(_ bytes: [UInt8]) -> ClusterVersion? {
        let versions = bytes.withUnsafeBytes { try? ServerVersions(decoding: $0) }
        return versions.flatMap { ClusterVersion(parsing: $0.server) }
    }

    private func decideVersion(_ members: [ClusterVersion?]) {
        guard leader == identity.member, !isDetached else { return }
        if let newer = members.compactMap({ $0 }).first(where: { $0 > .served }) {
            logger.warning(
                "leader found higher-versioned member",
                metadata: [
                    "local-member-version": "\(ServedVersion.server)",
                    "remote-peer-server-version": "\(newer)",
                ])
        }
        if ClusterVersionRule.isDone(downgradingTo: downgradeTarget, members: members) {
            return DowngradeInfoSetRequest.withEncoded(target: nil) {
                propose(.downgradeInfoSet, request: $0)
            }
        }
        let next = ClusterVersionRule.decide(
            current: currentVersion, members: members, downgradingTo: downgradeTarget)
        guard let next else { return }
        var payload = ByteBuffer()
        payload.appendClusterVersionSet(
            ProposalHeader(id: ids.next()), version: next.description)
        propose(payload: payload.array)
    }

    // MARK: Applying

    func setClusterVersion(
        _ request: ClusterVersionSetRequest
    ) throws(ApplyFailure) -> Result<Void, Status> {
        try setClusterVersion(request.version)
    }

    func setClusterVersion(_ version: String) throws(ApplyFailure) -> Result<Void, Status> {
        guard let decided = ClusterVersion(parsing: version) else {
            throw ApplyFailure("\"\(version)\" is no version of a cluster")
        }
        // Entries that follow may be such as this version does not know.
        guard decided <= .served else { throw ApplyFailure(Self.tooOld(for: decided)) }
        let previous = membership.clusterVersion
        membership.setClusterVersion(version)
        let hasStorageVersion = decided >= .firstWithStorageVersion
        if hasStorageVersion { storageVersion = version }
        try inStore { store throws(StoreError) in
            try store.write(
                .cluster, key: Array("clusterVersion".utf8), value: Array(version.utf8))
            if hasStorageVersion {
                try store.write(.meta, key: MetaKey.storageVersion, value: Array(version.utf8))
            }
        }
        events.clusterVersionChanged(from: previous, to: version)
        return .success(())
    }

    /// The cluster's version in a member's answer to `PeerMethod.version`; nil when it has none.
    package static func clusterVersion(inAnswer bytes: UnsafeRawBufferPointer) -> String? {
        (try? ServerVersions(decoding: bytes))?.cluster
    }

    /// Why this version cannot be a member of a cluster that has agreed on a newer one.
    package static func refusal(ofClusterVersion version: String?) -> String? {
        guard let decided = version.flatMap({ ClusterVersion(parsing: $0) }), decided > .served
        else { return nil }
        return tooOld(for: decided)
    }

    private static func tooOld(for version: ClusterVersion) -> String {
        "invalid downgrade; server version is lower than determined cluster version "
            + "(\(ServedVersion.server), \(version.short))"
    }

    func setDowngrade(
        _ request: DowngradeInfoSetRequest
    ) throws(ApplyFailure) -> Result<Void, Status> {
        let target = request.isEnabled ? request.version : nil
        membership.setDowngrade(to: target)
        let record = JSONValue.object([
            .init("target-version", .string(target ?? "")), .init("enabled", .bool(target != nil)),
        ])
        try inStore { store throws(StoreError) in
            try store.write(
                .cluster, key: Array("downgrade".utf8), value: Array(record.description.utf8))
        }
        appendDowngradeResponse()
        // Not only at the next look: who waits for it sees it soon.
        own.versions = OwnProposal()
        return .success(())
    }
}

/// Gathers who runs what.
///
/// `@unchecked Sendable`: confined to the executor of the applied state.
private final class VersionPoll: @unchecked Sendable {
    private var versions: [ClusterVersion?] = []
    private let count: Int
    private let then: @Sendable ([ClusterVersion?]) -> Void

    init(of count: Int, _ then: @escaping @Sendable ([ClusterVersion?]) -> Void) {
        self.count = count
        self.then = then
    }

    func take(_ result: Result<ClusterVersion?, Status>) {
        if case .success(let version) = result {
            versions.append(version)
        } else {
            versions.append(nil)
        }
        if versions.count == count { then(versions) }
    }
}

extension DowngradeInfoSetRequest {
    /// - Parameter target: nil ends a downgrade.
    static func withEncoded(
        target: ClusterVersion?, _ body: (UnsafeRawBufferPointer) -> Void
    ) {
        var request = ByteBuffer()
        request.appendField(1, bool: target != nil)
        request.appendField(2, string: target?.description ?? "")
        request.withUnsafeBytes { body($0) }
    }
}
