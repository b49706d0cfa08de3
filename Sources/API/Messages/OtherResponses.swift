// Responses of Maintenance, Cluster and the health service, decoded.

import CMessages

/// How a member is. Sizes in bytes.
public struct StatusResponse: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__StatusResponse>
    public init(raw: UnsafePointer<Etcdserverpb__StatusResponse>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__status_response__get_descriptor()
    }

    public var header: ResponseHeader? { ResponseHeader(raw.pointee.header) }
    public var version: String { string(raw.pointee.version) }
    public var dbSize: Int64 { raw.pointee.dbsize }
    public var leader: MemberID { MemberID(raw.pointee.leader) }
    public var raftIndex: LogIndex { LogIndex(raw.pointee.raftindex) }
    public var raftTerm: Term { Term(raw.pointee.raftterm) }
    public var raftAppliedIndex: LogIndex { LogIndex(raw.pointee.raftappliedindex) }
    public var errors: [String] { strings(raw.pointee.errors, raw.pointee.n_errors) }
    public var dbSizeInUse: Int64 { raw.pointee.dbsizeinuse }
    public var isLearner: Bool { raw.pointee.islearner != 0 }
    public var storageVersion: String { string(raw.pointee.storageversion) }
    public var dbSizeQuota: Int64 { raw.pointee.dbsizequota }
}

/// A member of the cluster.
public struct Member: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__Member>
    public init(raw: UnsafePointer<Etcdserverpb__Member>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__member__get_descriptor()
    }

    public var id: MemberID { MemberID(raw.pointee.id) }
    public var name: String { string(raw.pointee.name) }
    public var peerURLs: [String] { strings(raw.pointee.peerurls, raw.pointee.n_peerurls) }
    public var clientURLs: [String] { strings(raw.pointee.clienturls, raw.pointee.n_clienturls) }
    public var isLearner: Bool { raw.pointee.islearner != 0 }
}

/// The members of the cluster.
public struct MemberListResponse: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__MemberListResponse>
    public init(raw: UnsafePointer<Etcdserverpb__MemberListResponse>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__member_list_response__get_descriptor()
    }

    public var header: ResponseHeader? { ResponseHeader(raw.pointee.header) }
    public var members: MessageList<Member> {
        MessageList(raw.pointee.members, raw.pointee.n_members)
    }
}

/// An alarm and the member that raised it.
public struct AlarmMember: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__AlarmMember>
    public init(raw: UnsafePointer<Etcdserverpb__AlarmMember>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__alarm_member__get_descriptor()
    }

    public var member: MemberID { MemberID(raw.pointee.memberid) }
    public var alarm: AlarmType? { AlarmType(rawValue: raw.pointee.alarm.rawValue) }
}

/// The alarms that are active or were changed.
public struct AlarmResponse: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__AlarmResponse>
    public init(raw: UnsafePointer<Etcdserverpb__AlarmResponse>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__alarm_response__get_descriptor()
    }

    public var header: ResponseHeader? { ResponseHeader(raw.pointee.header) }
    public var alarms: MessageList<AlarmMember> {
        MessageList(raw.pointee.alarms, raw.pointee.n_alarms)
    }
}

/// Raw values as in HealthCheckResponse.ServingStatus.
public enum ServingStatus: UInt32, Sendable {
    case unknown = 0
    case serving = 1
    case notServing = 2
    /// Only in answers of Watch.
    case serviceUnknown = 3
}

/// Whether the service is served.
public struct HealthCheckResponse: WireMessage {
    let raw: UnsafePointer<Grpc__Health__V1__HealthCheckResponse>
    public init(raw: UnsafePointer<Grpc__Health__V1__HealthCheckResponse>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        grpc__health__v1__health_check_response__get_descriptor()
    }

    public var status: ServingStatus? { ServingStatus(rawValue: raw.pointee.status.rawValue) }
}

/// The hash of a member's keys and their history.
public struct HashKVResponse: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__HashKVResponse>
    public init(raw: UnsafePointer<Etcdserverpb__HashKVResponse>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__hash_kvresponse__get_descriptor()
    }

    public var header: ResponseHeader? { ResponseHeader(raw.pointee.header) }
    public var hash: UInt32 { raw.pointee.hash }
    /// Of the last compaction before; -1: none.
    public var compactRevision: Revision { Revision(raw.pointee.compact_revision) }
    public var hashRevision: Revision { Revision(raw.pointee.hash_revision) }
}

/// The hash of all a member stores.
public struct HashResponse: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__HashResponse>
    public init(raw: UnsafePointer<Etcdserverpb__HashResponse>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__hash_response__get_descriptor()
    }

    public var header: ResponseHeader? { ResponseHeader(raw.pointee.header) }
    public var hash: UInt32 { raw.pointee.hash }
}
