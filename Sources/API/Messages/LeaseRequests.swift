// Requests of the Lease service, and what a lease's record in the store holds, decoded.

import CMessages

/// Makes a lease.
public struct LeaseGrantRequest: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__LeaseGrantRequest>
    public init(raw: UnsafePointer<Etcdserverpb__LeaseGrantRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__lease_grant_request__get_descriptor()
    }

    /// In seconds.
    public var ttl: Int64 { raw.pointee.ttl }
    /// `.none`: the server picks one.
    public var id: LeaseID { LeaseID(raw.pointee.id) }
}

/// Ends a lease, and with it the keys attached to it.
public struct LeaseRevokeRequest: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__LeaseRevokeRequest>
    public init(raw: UnsafePointer<Etcdserverpb__LeaseRevokeRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__lease_revoke_request__get_descriptor()
    }

    public var id: LeaseID { LeaseID(raw.pointee.id) }
}

/// What was left of a lease when the leader looked.
public struct LeaseCheckpoint: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__LeaseCheckpoint>
    public init(raw: UnsafePointer<Etcdserverpb__LeaseCheckpoint>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__lease_checkpoint__get_descriptor()
    }

    public var id: LeaseID { LeaseID(raw.pointee.id) }
    /// In seconds; 0: the whole TTL.
    public var remainingTTL: Int64 { raw.pointee.remaining_ttl }
}

/// Tells all members what is left of some leases. Proposed by the leader.
public struct LeaseCheckpointRequest: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__LeaseCheckpointRequest>
    public init(raw: UnsafePointer<Etcdserverpb__LeaseCheckpointRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__lease_checkpoint_request__get_descriptor()
    }

    public var checkpoints: MessageList<LeaseCheckpoint> {
        MessageList(raw.pointee.checkpoints, raw.pointee.n_checkpoints)
    }
}

/// Renews a lease.
public struct LeaseKeepAliveRequest: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__LeaseKeepAliveRequest>
    public init(raw: UnsafePointer<Etcdserverpb__LeaseKeepAliveRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__lease_keep_alive_request__get_descriptor()
    }

    public var id: LeaseID { LeaseID(raw.pointee.id) }

    /// The id in an encoded request, without decoding the rest: clients send these by the ten
    /// thousand a second.
    public static func id(in bytes: UnsafeRawBufferPointer) throws(WireError) -> LeaseID {
        var id = LeaseID.none
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            if field.number == 1 { id = LeaseID(try field.int64()) }
        }
        return id
    }
}

/// Asks how long a lease still lives.
public struct LeaseTimeToLiveRequest: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__LeaseTimeToLiveRequest>
    public init(raw: UnsafePointer<Etcdserverpb__LeaseTimeToLiveRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__lease_time_to_live_request__get_descriptor()
    }

    public var id: LeaseID { LeaseID(raw.pointee.id) }
    /// The answer names the attached keys.
    public var wantsKeys: Bool { raw.pointee.keys != 0 }
}

/// Lists all leases.
public struct LeaseLeasesRequest: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__LeaseLeasesRequest>
    public init(raw: UnsafePointer<Etcdserverpb__LeaseLeasesRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__lease_leases_request__get_descriptor()
    }
}

/// The value of a record in table `lease` (reference: ondisk.md, Buckets).
public struct LeaseRecord: WireMessage {
    let raw: UnsafePointer<Leasepb__Lease>
    public init(raw: UnsafePointer<Leasepb__Lease>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        leasepb__lease__get_descriptor()
    }

    public var fields: LeaseFields {
        LeaseFields(
            id: LeaseID(raw.pointee.id), ttl: raw.pointee.ttl,
            remainingTTL: raw.pointee.remainingttl)
    }
}
