// Responses, decoded: for clients of ours, such as the load generator and the tests.

import CMessages

/// Who answered, and at which revision.
public struct ResponseHeader: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__ResponseHeader>
    public init(raw: UnsafePointer<Etcdserverpb__ResponseHeader>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__response_header__get_descriptor()
    }

    public var clusterID: ClusterID { ClusterID(raw.pointee.cluster_id) }
    public var memberID: MemberID { MemberID(raw.pointee.member_id) }
    public var revision: Revision { Revision(raw.pointee.revision) }
    public var raftTerm: Term { Term(raw.pointee.raft_term) }
}

/// A pair in a response.
public struct KeyValue: WireMessage {
    let raw: UnsafePointer<Mvccpb__KeyValue>
    public init(raw: UnsafePointer<Mvccpb__KeyValue>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        mvccpb__key_value__get_descriptor()
    }

    public var view: KeyValueView {
        let pair = raw.pointee
        return KeyValueView(
            key: pair.key.bytes, createRevision: Revision(pair.create_revision),
            modRevision: Revision(pair.mod_revision), version: pair.version,
            value: pair.value.bytes, lease: LeaseID(pair.lease))
    }
}

/// The answer to a Put.
public struct PutResponse: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__PutResponse>
    public init(raw: UnsafePointer<Etcdserverpb__PutResponse>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__put_response__get_descriptor()
    }

    public var header: ResponseHeader? { ResponseHeader(raw.pointee.header) }
    public var prevKV: KeyValue? { KeyValue(raw.pointee.prev_kv) }
}

/// The answer to a Range.
public struct RangeResponse: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__RangeResponse>
    public init(raw: UnsafePointer<Etcdserverpb__RangeResponse>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__range_response__get_descriptor()
    }

    public var header: ResponseHeader? { ResponseHeader(raw.pointee.header) }
    public var kvs: MessageList<KeyValue> { MessageList(raw.pointee.kvs, raw.pointee.n_kvs) }
    /// Whether `limit` left pairs out.
    public var more: Bool { raw.pointee.more != 0 }
    /// Of all keys in the range, whatever the limit.
    public var count: Int64 { raw.pointee.count }
}

/// The answer to a DeleteRange.
public struct DeleteRangeResponse: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__DeleteRangeResponse>
    public init(raw: UnsafePointer<Etcdserverpb__DeleteRangeResponse>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__delete_range_response__get_descriptor()
    }

    public var header: ResponseHeader? { ResponseHeader(raw.pointee.header) }
    public var deleted: Int64 { raw.pointee.deleted }
    public var prevKVs: MessageList<KeyValue> {
        MessageList(raw.pointee.prev_kvs, raw.pointee.n_prev_kvs)
    }
}
