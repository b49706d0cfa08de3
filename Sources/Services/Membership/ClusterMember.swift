// A member as the cluster's records know it (reference: ondisk.md, bucket members; raft entries).

import API

/// One member of the cluster.
public struct ClusterMember: Hashable, Sendable {
    public let id: MemberID
    public var peerURLs: [String]
    public var isLearner: Bool
    /// Empty until the member has started and published its attributes.
    public var name: String
    public var clientURLs: [String]

    public init(
        id: MemberID, peerURLs: [String], isLearner: Bool = false, name: String = "",
        clientURLs: [String] = []
    ) {
        self.id = id
        self.peerURLs = peerURLs
        self.isLearner = isLearner
        self.name = name
        self.clientURLs = clientURLs
    }
}

/// A membership record that is not what it should be.
public struct MembershipError: Error, Hashable, Sendable {
    public let reason: String
}

extension ClusterMember {
    /// etcd's JSON of a member: the value in bucket `members` and the context of a configuration
    /// change. Fields in etcd's order, empty ones but peerURLs left out.
    public var json: JSONValue {
        var fields: [JSONValue.Member] = [
            .init("id", .integer(id.rawValue)),
            .init("peerURLs", .array(peerURLs.map { .string($0) })),
        ]
        if isLearner { fields.append(.init("isLearner", .bool(true))) }
        if !name.isEmpty { fields.append(.init("name", .string(name))) }
        if !clientURLs.isEmpty {
            fields.append(.init("clientURLs", .array(clientURLs.map { .string($0) })))
        }
        return .object(fields)
    }

    /// - Throws: `MembershipError` when `bytes` are not such JSON.
    public init(json bytes: some Sequence<UInt8>) throws(MembershipError) {
        let document: JSONValue
        do { document = try JSONValue(parsing: bytes) } catch {
            throw MembershipError(reason: "a member's JSON: \(error.reason) at \(error.offset)")
        }
        guard let id = document["id"]?.asUInt64 else {
            throw MembershipError(reason: "a member's JSON has no id: \(document)")
        }
        self.id = MemberID(id)
        peerURLs = document["peerURLs"]?.asArray?.compactMap(\.asString) ?? []
        isLearner = document["isLearner"]?.asBool ?? false
        name = document["name"]?.asString ?? ""
        clientURLs = document["clientURLs"]?.asArray?.compactMap(\.asString) ?? []
    }
}
