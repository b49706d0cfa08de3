// Requests that change who belongs to the cluster, or who leads it.

import CMessages
import CProtobufC

/// Lists the members of the cluster.
public struct MemberListRequest: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__MemberListRequest>
    public init(raw: UnsafePointer<Etcdserverpb__MemberListRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__member_list_request__get_descriptor()
    }

    public var isLinearizable: Bool { raw.pointee.linearizable != 0 }
}

/// Adds a member, as a voter or as a learner.
public struct MemberAddRequest: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__MemberAddRequest>
    public init(raw: UnsafePointer<Etcdserverpb__MemberAddRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__member_add_request__get_descriptor()
    }

    public var peerURLs: [String] { strings(raw.pointee.peerurls, raw.pointee.n_peerurls) }
    public var isLearner: Bool { raw.pointee.islearner != 0 }
}

/// Removes a member for good.
public struct MemberRemoveRequest: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__MemberRemoveRequest>
    public init(raw: UnsafePointer<Etcdserverpb__MemberRemoveRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__member_remove_request__get_descriptor()
    }

    public var member: MemberID { MemberID(raw.pointee.id) }
}

/// Replaces the peer URLs of a member.
public struct MemberUpdateRequest: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__MemberUpdateRequest>
    public init(raw: UnsafePointer<Etcdserverpb__MemberUpdateRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__member_update_request__get_descriptor()
    }

    public var member: MemberID { MemberID(raw.pointee.id) }
    public var peerURLs: [String] { strings(raw.pointee.peerurls, raw.pointee.n_peerurls) }
}

/// Makes a learner a voter.
public struct MemberPromoteRequest: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__MemberPromoteRequest>
    public init(raw: UnsafePointer<Etcdserverpb__MemberPromoteRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__member_promote_request__get_descriptor()
    }

    public var member: MemberID { MemberID(raw.pointee.id) }
}

/// Hands leadership to another member.
public struct MoveLeaderRequest: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__MoveLeaderRequest>
    public init(raw: UnsafePointer<Etcdserverpb__MoveLeaderRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__move_leader_request__get_descriptor()
    }

    public var target: MemberID { MemberID(raw.pointee.targetid) }
}
