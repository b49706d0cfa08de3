// Who belongs to the cluster, as decided by the log.

import API

/// The members, those removed for good, and the cluster's version: applied state, changed only by
/// committed entries, so that all members agree on it at equal applied index.
public struct Membership: Equatable, Sendable {
    public let cluster: ClusterID
    public private(set) var members: [MemberID: ClusterMember] = [:]
    /// A removed id never comes back: a message from it is answered with its removal.
    public private(set) var removed: Set<MemberID> = []
    /// `X.Y.0`; nil until the leader has decided it.
    public private(set) var clusterVersion: String?
    /// `X.Y.0` of a downgrade under way.
    public private(set) var downgradeTarget: String?

    public init(
        cluster: ClusterID, members: [ClusterMember] = [], removed: Set<MemberID> = [],
        clusterVersion: String? = nil, downgradeTarget: String? = nil
    ) {
        self.cluster = cluster
        self.removed = removed
        self.clusterVersion = clusterVersion
        self.downgradeTarget = downgradeTarget
        for member in members { self.members[member.id] = member }
    }

    /// All members, ascending by id, as MemberList answers.
    public var sorted: [ClusterMember] { members.values.sorted { $0.id < $1.id } }

    mutating func add(_ member: ClusterMember) {
        precondition(!removed.contains(member.id), "member \(member.id.hex) was removed for good")
        members[member.id] = member
    }

    mutating func promote(_ id: MemberID) { members[id]?.isLearner = false }

    mutating func setPeerURLs(of id: MemberID, _ urls: [String]) { members[id]?.peerURLs = urls }

    mutating func remove(_ id: MemberID) {
        members[id] = nil
        removed.insert(id)
    }

    /// What a started member says of itself. An unknown or removed member is left as it is: it may
    /// have been removed while the request was under way.
    /// - Returns: the member as it is now, nil if there is none.
    public mutating func setAttributes(
        of id: MemberID, name: String, clientURLs: [String]
    ) -> ClusterMember? {
        members[id]?.name = name
        members[id]?.clientURLs = clientURLs
        return members[id]
    }

    /// The cluster version the leader decided.
    public mutating func setClusterVersion(_ version: String) { clusterVersion = version }

    /// A downgrade begins, or, without a target, there is none any more.
    mutating func setDowngrade(to target: String?) { downgradeTarget = target }
}
