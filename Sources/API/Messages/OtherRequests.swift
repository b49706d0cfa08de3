// Requests of Maintenance, Cluster and the health service, decoded.

import CMessages

/// What a member can be in trouble about. Raw values as in etcdserverpb.AlarmType.
public enum AlarmType: UInt32, Hashable, Sendable {
    case none = 0
    case noSpace = 1
    case corrupt = 2
}

/// Raw values as in DowngradeRequest.DowngradeAction.
public enum DowngradeAction: UInt32, Sendable {
    case validate = 0
    case enable = 1
    case cancel = 2
}

/// Prepares the cluster for members of an older version.
public struct DowngradeRequest: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__DowngradeRequest>
    public init(raw: UnsafePointer<Etcdserverpb__DowngradeRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__downgrade_request__get_descriptor()
    }

    /// Nil for one that etcd does not know.
    public var action: DowngradeAction? { DowngradeAction(rawValue: raw.pointee.action.rawValue) }
    /// `X.Y` or `X.Y.Z`.
    public var version: String { string(raw.pointee.version) }
}

/// Raw values as in AlarmRequest.AlarmAction.
public enum AlarmAction: UInt32, Sendable {
    case get = 0
    case activate = 1
    case deactivate = 2
}

/// Lists, raises or clears alarms.
public struct AlarmRequest: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__AlarmRequest>
    public init(raw: UnsafePointer<Etcdserverpb__AlarmRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__alarm_request__get_descriptor()
    }

    public var action: AlarmAction? { AlarmAction(rawValue: raw.pointee.action.rawValue) }
    /// 0: any member.
    public var member: MemberID { MemberID(raw.pointee.memberid) }
    /// `.none`: any alarm.
    public var alarm: AlarmType? { AlarmType(rawValue: raw.pointee.alarm.rawValue) }
}

/// Asks one member how it is.
public struct StatusRequest: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__StatusRequest>
    public init(raw: UnsafePointer<Etcdserverpb__StatusRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__status_request__get_descriptor()
    }
}

/// Asks one member for the hash of all it stores.
public struct HashRequest: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__HashRequest>
    public init(raw: UnsafePointer<Etcdserverpb__HashRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__hash_request__get_descriptor()
    }
}

/// Asks one member for the hash of its keys and their history.
public struct HashKVRequest: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__HashKVRequest>
    public init(raw: UnsafePointer<Etcdserverpb__HashKVRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__hash_kvrequest__get_descriptor()
    }

    /// Up to which revision; 0: now.
    public var revision: Revision { Revision(raw.pointee.revision) }
}

/// Asks one member to give back the space that nothing lies in.
public struct DefragmentRequest: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__DefragmentRequest>
    public init(raw: UnsafePointer<Etcdserverpb__DefragmentRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__defragment_request__get_descriptor()
    }
}

/// Asks whether a service is served.
public struct HealthCheckRequest: WireMessage {
    let raw: UnsafePointer<Grpc__Health__V1__HealthCheckRequest>
    public init(raw: UnsafePointer<Grpc__Health__V1__HealthCheckRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        grpc__health__v1__health_check_request__get_descriptor()
    }

    /// Empty: the whole server.
    public var service: String { string(raw.pointee.service) }
}
