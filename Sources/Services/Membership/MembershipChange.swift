// A change of who belongs to the cluster, as clients ask for it and as the log carries it
// (reference: ondisk.md, Raft entries).

import API

/// What is done with one member.
public enum MembershipChange: Hashable, Sendable {
    /// A new one: a voter, or a learner.
    case add(ClusterMember)
    /// A learner becomes a voter.
    case promote(MemberID)
    /// Its peer URLs are replaced; nothing else of the record counts.
    case update(ClusterMember)
    /// For good.
    case remove(MemberID)

    public var member: MemberID {
        switch self {
        case .add(let member), .update(let member): member.id
        case .promote(let id), .remove(let id): id
        }
    }

    /// Makes a learner a voter, whoever proposes it.
    package static func promotion(of member: MemberID) -> ConfChange {
        MembershipChange.promote(member).encoded(id: RequestID(0))
    }

    /// - Parameter id: the proposal's.
    func encoded(id: RequestID) -> ConfChange {
        let kind: ConfChangeKind
        var context: [UInt8] = []
        switch self {
        case .add(let member):
            kind = member.isLearner ? .addLearner : .addNode
            context = Array(member.json.description.utf8)
        case .promote(let member):
            kind = .addNode
            let record: JSONValue = .object([
                .init("id", .integer(member.rawValue)), .init("peerURLs", .null),
                .init("isPromote", .bool(true)),
            ])
            context = Array(record.description.utf8)
        case .update(let member):
            kind = .updateNode
            context = Array(member.json.description.utf8)
        case .remove:
            kind = .removeNode
        }
        return ConfChange(id: id.rawValue, kind: kind, node: member, context: context)
    }

    /// - Throws: when the entry is not what it should be.
    init(_ change: ConfChange) throws(MembershipError) {
        guard change.kind != .removeNode else {
            self = .remove(change.node)
            return
        }
        var record = try ClusterMember(json: change.context)
        guard record.id == change.node else {
            throw MembershipError(
                reason: "a change names member \(change.node.hex), its record \(record.id.hex)")
        }
        switch change.kind {
        case .updateNode:
            self = .update(record)
        case .addNode where Self.isPromotion(change.context):
            self = .promote(record.id)
        case .addNode, .addLearner, .removeNode:
            record.isLearner = change.kind == .addLearner
            self = .add(record)
        }
    }

    private static func isPromotion(_ context: [UInt8]) -> Bool {
        (try? JSONValue(parsing: context))?["isPromote"]?.asBool ?? false
    }
}
