// Responses of the Lease service, decoded: for clients of ours, such as the load generator and the
// tests.

import CMessages

/// The lease that was made.
public struct LeaseGrantResponse: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__LeaseGrantResponse>
    public init(raw: UnsafePointer<Etcdserverpb__LeaseGrantResponse>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__lease_grant_response__get_descriptor()
    }

    public var header: ResponseHeader? { ResponseHeader(raw.pointee.header) }
    public var id: LeaseID { LeaseID(raw.pointee.id) }
    /// In seconds, as it is in effect.
    public var ttl: Int64 { raw.pointee.ttl }
    public var error: String { string(raw.pointee.error) }
}

/// The lease is gone.
public struct LeaseRevokeResponse: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__LeaseRevokeResponse>
    public init(raw: UnsafePointer<Etcdserverpb__LeaseRevokeResponse>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__lease_revoke_response__get_descriptor()
    }

    public var header: ResponseHeader? { ResponseHeader(raw.pointee.header) }
}

/// The lease was renewed.
public struct LeaseKeepAliveResponse: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__LeaseKeepAliveResponse>
    public init(raw: UnsafePointer<Etcdserverpb__LeaseKeepAliveResponse>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__lease_keep_alive_response__get_descriptor()
    }

    public var header: ResponseHeader? { ResponseHeader(raw.pointee.header) }
    public var id: LeaseID { LeaseID(raw.pointee.id) }
    /// In seconds; 0: there is no such lease (any more).
    public var ttl: Int64 { raw.pointee.ttl }
}

/// How long the lease still lives.
public struct LeaseTimeToLiveResponse: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__LeaseTimeToLiveResponse>
    public init(raw: UnsafePointer<Etcdserverpb__LeaseTimeToLiveResponse>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__lease_time_to_live_response__get_descriptor()
    }

    public var header: ResponseHeader? { ResponseHeader(raw.pointee.header) }
    public var id: LeaseID { LeaseID(raw.pointee.id) }
    /// In whole seconds; -1: there is no such lease.
    public var ttl: Int64 { raw.pointee.ttl }
    public var grantedTTL: Int64 { raw.pointee.grantedttl }
    /// The attached keys, copied, in no order.
    public var keys: [[UInt8]] {
        (0..<(raw.pointee.keys == nil ? 0 : raw.pointee.n_keys)).map {
            [UInt8](raw.pointee.keys[$0].bytes)
        }
    }
}

/// One lease of a list.
public struct LeaseStatus: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__LeaseStatus>
    public init(raw: UnsafePointer<Etcdserverpb__LeaseStatus>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__lease_status__get_descriptor()
    }

    public var id: LeaseID { LeaseID(raw.pointee.id) }
}

/// All leases.
public struct LeaseLeasesResponse: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__LeaseLeasesResponse>
    public init(raw: UnsafePointer<Etcdserverpb__LeaseLeasesResponse>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__lease_leases_response__get_descriptor()
    }

    public var header: ResponseHeader? { ResponseHeader(raw.pointee.header) }
    public var leases: MessageList<LeaseStatus> {
        MessageList(raw.pointee.leases, raw.pointee.n_leases)
    }
}
