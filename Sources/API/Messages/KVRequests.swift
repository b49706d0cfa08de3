// Requests of the KV service, decoded.
//
// Enums are nil when the number is none of the schema's: proto3 lets any through, and each
// service says what it answers then.

import CMessages

/// In which order a Range answers. Raw values as in RangeRequest.SortOrder.
public enum SortOrder: UInt32, Sendable {
    case none = 0
    case ascend = 1
    case descend = 2
}

/// What a Range is ordered by. Raw values as in RangeRequest.SortTarget.
public enum SortTarget: UInt32, Sendable {
    case key = 0
    case version = 1
    case create = 2
    case mod = 3
    case value = 4
}

/// Reads a key, a range of keys, or only their number.
public struct RangeRequest: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__RangeRequest>
    public init(raw: UnsafePointer<Etcdserverpb__RangeRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__range_request__get_descriptor()
    }

    public var key: UnsafeRawBufferPointer { raw.pointee.key.bytes }
    /// Empty: the single key; one zero byte: all keys from `key` on.
    public var rangeEnd: UnsafeRawBufferPointer { raw.pointee.range_end.bytes }
    /// In pairs; 0 is none.
    public var limit: Int64 { raw.pointee.limit }
    /// At or below 0: the newest.
    public var revision: Revision { Revision(raw.pointee.revision) }
    public var sortOrder: SortOrder? { SortOrder(rawValue: raw.pointee.sort_order.rawValue) }
    public var sortTarget: SortTarget? { SortTarget(rawValue: raw.pointee.sort_target.rawValue) }
    /// Any member may answer from what it has applied.
    public var isSerializable: Bool { raw.pointee.serializable != 0 }
    public var keysOnly: Bool { raw.pointee.keys_only != 0 }
    public var countOnly: Bool { raw.pointee.count_only != 0 }
    public var minModRevision: Revision { Revision(raw.pointee.min_mod_revision) }
    public var maxModRevision: Revision { Revision(raw.pointee.max_mod_revision) }
    public var minCreateRevision: Revision { Revision(raw.pointee.min_create_revision) }
    public var maxCreateRevision: Revision { Revision(raw.pointee.max_create_revision) }
}

/// Writes a key.
public struct PutRequest: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__PutRequest>
    public init(raw: UnsafePointer<Etcdserverpb__PutRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__put_request__get_descriptor()
    }

    public var key: UnsafeRawBufferPointer { raw.pointee.key.bytes }
    public var value: UnsafeRawBufferPointer { raw.pointee.value.bytes }
    public var lease: LeaseID { LeaseID(raw.pointee.lease) }
    /// The answer carries the pair as it was before.
    public var prevKV: Bool { raw.pointee.prev_kv != 0 }
    /// The key keeps its value.
    public var ignoreValue: Bool { raw.pointee.ignore_value != 0 }
    /// The key keeps its lease.
    public var ignoreLease: Bool { raw.pointee.ignore_lease != 0 }
}

/// Deletes a key or a range of keys.
public struct DeleteRangeRequest: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__DeleteRangeRequest>
    public init(raw: UnsafePointer<Etcdserverpb__DeleteRangeRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__delete_range_request__get_descriptor()
    }

    public var key: UnsafeRawBufferPointer { raw.pointee.key.bytes }
    /// As in `RangeRequest`.
    public var rangeEnd: UnsafeRawBufferPointer { raw.pointee.range_end.bytes }
    /// The answer carries the pairs that were deleted.
    public var prevKV: Bool { raw.pointee.prev_kv != 0 }
}

/// Forgets the revisions before `revision`.
public struct CompactionRequest: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__CompactionRequest>
    public init(raw: UnsafePointer<Etcdserverpb__CompactionRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__compaction_request__get_descriptor()
    }

    public var revision: Revision { Revision(raw.pointee.revision) }
    /// Answered only once the space is free.
    public var isPhysical: Bool { raw.pointee.physical != 0 }
}
