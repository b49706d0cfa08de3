// The messages of the Lock and Election services, decoded.

import CMessages

/// Waits for the lock of a name.
public struct LockRequest: WireMessage {
    let raw: UnsafePointer<V3lockpb__LockRequest>
    public init(raw: UnsafePointer<V3lockpb__LockRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        v3lockpb__lock_request__get_descriptor()
    }

    public var name: UnsafeRawBufferPointer { raw.pointee.name.bytes }
    /// The lock goes with this lease; `.none`: with one that the server makes.
    public var lease: LeaseID { LeaseID(raw.pointee.lease) }
}

/// The lock is held.
public struct LockResponse: WireMessage {
    let raw: UnsafePointer<V3lockpb__LockResponse>
    public init(raw: UnsafePointer<V3lockpb__LockResponse>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        v3lockpb__lock_response__get_descriptor()
    }

    public var header: ResponseHeader? { ResponseHeader(raw.pointee.header) }
    /// Exists as long as the lock is held.
    public var key: UnsafeRawBufferPointer { raw.pointee.key.bytes }
}

/// Lets a lock go.
public struct UnlockRequest: WireMessage {
    let raw: UnsafePointer<V3lockpb__UnlockRequest>
    public init(raw: UnsafePointer<V3lockpb__UnlockRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        v3lockpb__unlock_request__get_descriptor()
    }

    /// As in `LockResponse`.
    public var key: UnsafeRawBufferPointer { raw.pointee.key.bytes }
}

/// Waits to become the leader of a name.
public struct CampaignRequest: WireMessage {
    let raw: UnsafePointer<V3electionpb__CampaignRequest>
    public init(raw: UnsafePointer<V3electionpb__CampaignRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        v3electionpb__campaign_request__get_descriptor()
    }

    public var name: UnsafeRawBufferPointer { raw.pointee.name.bytes }
    /// As in `LockRequest`.
    public var lease: LeaseID { LeaseID(raw.pointee.lease) }
    /// What the leader says of itself.
    public var value: UnsafeRawBufferPointer { raw.pointee.value.bytes }
}

/// A leadership that was won.
public struct LeaderKey: WireMessage {
    let raw: UnsafePointer<V3electionpb__LeaderKey>
    public init(raw: UnsafePointer<V3electionpb__LeaderKey>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        v3electionpb__leader_key__get_descriptor()
    }

    public var name: UnsafeRawBufferPointer { raw.pointee.name.bytes }
    /// Exists, created in `revision`, as long as the leadership lasts.
    public var key: UnsafeRawBufferPointer { raw.pointee.key.bytes }
    public var revision: Revision { Revision(raw.pointee.rev) }
    public var lease: LeaseID { LeaseID(raw.pointee.lease) }
}

/// The leadership is won.
public struct CampaignResponse: WireMessage {
    let raw: UnsafePointer<V3electionpb__CampaignResponse>
    public init(raw: UnsafePointer<V3electionpb__CampaignResponse>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        v3electionpb__campaign_response__get_descriptor()
    }

    public var header: ResponseHeader? { ResponseHeader(raw.pointee.header) }
    public var leader: LeaderKey? { LeaderKey(raw.pointee.leader) }
}

/// Asks for the leader of a name, once or for every change.
public struct LeaderRequest: WireMessage {
    let raw: UnsafePointer<V3electionpb__LeaderRequest>
    public init(raw: UnsafePointer<V3electionpb__LeaderRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        v3electionpb__leader_request__get_descriptor()
    }

    public var name: UnsafeRawBufferPointer { raw.pointee.name.bytes }
}

/// The leader of a name.
public struct LeaderResponse: WireMessage {
    let raw: UnsafePointer<V3electionpb__LeaderResponse>
    public init(raw: UnsafePointer<V3electionpb__LeaderResponse>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        v3electionpb__leader_response__get_descriptor()
    }

    public var header: ResponseHeader? { ResponseHeader(raw.pointee.header) }
    public var kv: KeyValue? { KeyValue(raw.pointee.kv) }
}

/// Ends a leadership.
public struct ResignRequest: WireMessage {
    let raw: UnsafePointer<V3electionpb__ResignRequest>
    public init(raw: UnsafePointer<V3electionpb__ResignRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        v3electionpb__resign_request__get_descriptor()
    }

    public var leader: LeaderKey? { LeaderKey(raw.pointee.leader) }
}

/// Changes what a leader says of itself.
public struct ProclaimRequest: WireMessage {
    let raw: UnsafePointer<V3electionpb__ProclaimRequest>
    public init(raw: UnsafePointer<V3electionpb__ProclaimRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        v3electionpb__proclaim_request__get_descriptor()
    }

    public var leader: LeaderKey? { LeaderKey(raw.pointee.leader) }
    public var value: UnsafeRawBufferPointer { raw.pointee.value.bytes }
}

// MARK: - Written

/// A leadership, as clients keep it.
public struct LeaderKeyFields: Hashable, Sendable {
    public var name: [UInt8]
    public var key: [UInt8]
    /// In which the key was created.
    public var revision: Revision
    public var lease: LeaseID

    public init(name: [UInt8], key: [UInt8], revision: Revision, lease: LeaseID) {
        self.name = name
        self.key = key
        self.revision = revision
        self.lease = lease
    }
}

extension ByteBuffer {
    public mutating func appendLockResponse(_ header: HeaderFields, key: [UInt8]) {
        appendResponseHeader(header)
        appendField(2, bytes: key)
    }

    public mutating func appendCampaignResponse(
        _ header: HeaderFields, _ leader: LeaderKeyFields
    ) {
        appendResponseHeader(header)
        appendLeaderKey(2, leader)
    }

    /// - Parameter pair: the leader's KeyValue, as stored.
    public mutating func appendLeaderResponse(
        _ header: HeaderFields, pair: UnsafeRawBufferPointer
    ) {
        appendResponseHeader(header)
        appendElement(2, bytes: pair)
    }

    /// A LeaderKey as field `number` of another message.
    public mutating func appendLeaderKey(_ number: Int, _ leader: LeaderKeyFields) {
        let message = beginMessage(number)
        appendField(1, bytes: leader.name)
        appendField(2, bytes: leader.key)
        appendField(3, int64: leader.revision.rawValue)
        appendField(4, int64: leader.lease.rawValue)
        endMessage(message)
    }
}
