// Changes of the cluster's own state that travel in the log, decoded (membershippb, leasepb).

import CMessages

/// What a member publishes of itself once it runs.
public struct MemberAttributes: WireMessage {
    let raw: UnsafePointer<Membershippb__Attributes>
    public init(raw: UnsafePointer<Membershippb__Attributes>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        membershippb__attributes__get_descriptor()
    }

    public var name: String { string(raw.pointee.name) }
    public var clientURLs: [String] { strings(raw.pointee.client_urls, raw.pointee.n_client_urls) }
}

/// A member publishes its name and client URLs.
public struct ClusterMemberAttrSetRequest: WireMessage {
    let raw: UnsafePointer<Membershippb__ClusterMemberAttrSetRequest>
    public init(raw: UnsafePointer<Membershippb__ClusterMemberAttrSetRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        membershippb__cluster_member_attr_set_request__get_descriptor()
    }

    public var member: MemberID { MemberID(raw.pointee.member_id) }
    public var attributes: MemberAttributes? { MemberAttributes(raw.pointee.member_attributes) }
}

/// The leader raises the version the cluster agrees on.
public struct ClusterVersionSetRequest: WireMessage {
    let raw: UnsafePointer<Membershippb__ClusterVersionSetRequest>
    public init(raw: UnsafePointer<Membershippb__ClusterVersionSetRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        membershippb__cluster_version_set_request__get_descriptor()
    }

    /// Such as `3.7.0`.
    public var version: String { string(raw.pointee.ver) }
}

/// A downgrade begins or ends.
public struct DowngradeInfoSetRequest: WireMessage {
    let raw: UnsafePointer<Membershippb__DowngradeInfoSetRequest>
    public init(raw: UnsafePointer<Membershippb__DowngradeInfoSetRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        membershippb__downgrade_info_set_request__get_descriptor()
    }

    public var isEnabled: Bool { raw.pointee.enabled != 0 }
    public var version: String { string(raw.pointee.ver) }
}

/// A lease as the store keeps it.
public struct StoredLease: WireMessage {
    let raw: UnsafePointer<Leasepb__Lease>
    public init(raw: UnsafePointer<Leasepb__Lease>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        leasepb__lease__get_descriptor()
    }

    public var id: LeaseID { LeaseID(raw.pointee.id) }
    public var ttlSeconds: Int64 { raw.pointee.ttl }
    /// As last checkpointed; 0: the whole TTL.
    public var remainingTTLSeconds: Int64 { raw.pointee.remainingttl }
}
