// What a client sends on a Watch stream, decoded.

import CMessages

/// One message of a Watch stream.
public struct WatchRequest: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__WatchRequest>
    public init(raw: UnsafePointer<Etcdserverpb__WatchRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__watch_request__get_descriptor()
    }

    public enum Operation {
        case create(WatchCreateRequest)
        case cancel(WatchID)
        /// Asks how far all watchers of the stream are.
        case progress
    }

    /// Nil when the sender set none, or one that is not known here.
    public var operation: Operation? {
        let request = raw.pointee
        return switch request.request_union_case {
        case ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST:
            WatchCreateRequest(request.create_request).map(Operation.create)
        case ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CANCEL_REQUEST:
            request.cancel_request.map { .cancel(WatchID($0.pointee.watch_id)) }
        case ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_PROGRESS_REQUEST: .progress
        default: nil
        }
    }
}

/// Begins to watch a key or a range of keys.
public struct WatchCreateRequest: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__WatchCreateRequest>
    public init(raw: UnsafePointer<Etcdserverpb__WatchCreateRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__watch_create_request__get_descriptor()
    }

    public var key: UnsafeRawBufferPointer { raw.pointee.key.bytes }
    /// As in `RangeRequest`.
    public var rangeEnd: UnsafeRawBufferPointer { raw.pointee.range_end.bytes }
    /// The first revision of interest; 0 is what comes after now.
    public var startRevision: Revision { Revision(raw.pointee.start_revision) }
    /// Tell from time to time how far the watcher is.
    public var progressNotify: Bool { raw.pointee.progress_notify != 0 }
    /// Events carry the pair as it was before.
    public var prevKV: Bool { raw.pointee.prev_kv != 0 }
    /// 0: the server chooses.
    public var id: WatchID { WatchID(raw.pointee.watch_id) }
    /// Large responses come in parts.
    public var fragment: Bool { raw.pointee.fragment != 0 }
    /// Whether puts are of no interest (NOPUT).
    public var leavesOutPuts: Bool { hasFilter(0) }
    /// Whether deletes are of no interest (NODELETE).
    public var leavesOutDeletes: Bool { hasFilter(1) }

    /// Numbers that are none of the schema's filter nothing.
    private func hasFilter(_ number: UInt32) -> Bool {
        guard let filters = raw.pointee.filters else { return false }
        return (0..<raw.pointee.n_filters).contains { filters[$0].rawValue == number }
    }
}
