// Responses, written straight into the buffer they are sent from.
//
// Every append here writes fields of one response in number order, without tag and length around
// the whole. A stored pair is spliced as it lies in the store: nothing is decoded on the way.

/// What heads every response of etcd's services.
public struct HeaderFields: Hashable, Sendable {
    public var cluster: ClusterID
    public var member: MemberID
    /// The store's revision when the answer was made.
    public var revision: Revision
    public var term: Term

    @inlinable
    public init(cluster: ClusterID, member: MemberID, revision: Revision, term: Term) {
        self.cluster = cluster
        self.member = member
        self.revision = revision
        self.term = term
    }

    /// Without tag and length.
    @inlinable
    public var encodedSize: Int {
        WireSize.field(1, uint64: cluster.rawValue) + WireSize.field(2, uint64: member.rawValue)
            + WireSize.field(3, int64: revision.rawValue)
            + WireSize.field(4, uint64: term.rawValue)
    }
}

extension ByteBuffer {
    /// Field 1 of every response. Alone it is the whole CompactionResponse and its like.
    @inlinable
    public mutating func appendResponseHeader(_ header: HeaderFields) {
        appendHeader(1, byteCount: header.encodedSize)
        appendField(1, uint64: header.cluster.rawValue)
        appendField(2, uint64: header.member.rawValue)
        appendField(3, int64: header.revision.rawValue)
        appendField(4, uint64: header.term.rawValue)
    }

    // MARK: KV

    /// A PutResponse. `previous` is the stored KeyValue the request asked for, nil for none.
    @inlinable
    public mutating func appendPutResponse(
        _ header: HeaderFields, previous: UnsafeRawBufferPointer? = nil
    ) {
        appendResponseHeader(header)
        if let previous { appendElement(2, bytes: previous) }
    }

    /// Begins a RangeResponse. Pairs follow, then `appendRangeEnd`.
    @inlinable
    public mutating func appendRangeBegin(_ header: HeaderFields) { appendResponseHeader(header) }

    /// One pair of a RangeResponse, as stored.
    @inlinable
    public mutating func appendRangePair(stored: UnsafeRawBufferPointer) {
        appendElement(2, bytes: stored)
    }

    /// One pair of a RangeResponse with `keys_only`: neither value nor lease.
    @inlinable
    public mutating func appendRangePairWithoutValue(_ pair: KeyValueView) {
        appendHeader(2, byteCount: pair.encodedSizeWithoutValue)
        appendKeyValueWithoutValue(pair)
    }

    /// One pair of a RangeResponse from its fields.
    @inlinable
    public mutating func appendRangePair(_ pair: KeyValueView) {
        appendHeader(2, byteCount: pair.encodedSize)
        appendKeyValue(pair)
    }

    /// Ends a RangeResponse.
    /// - Parameter more: whether the limit left pairs out.
    /// - Parameter count: of all keys in the range.
    @inlinable
    public mutating func appendRangeEnd(more: Bool, count: Int64) {
        appendField(3, bool: more)
        appendField(4, int64: count)
    }

    /// Begins a DeleteRangeResponse; the pairs that were deleted follow if they were asked for.
    @inlinable
    public mutating func appendDeleteRangeBegin(_ header: HeaderFields, deleted: Int64) {
        appendResponseHeader(header)
        appendField(2, int64: deleted)
    }

    /// One deleted pair of a DeleteRangeResponse, as stored.
    @inlinable
    public mutating func appendDeletedPair(stored: UnsafeRawBufferPointer) {
        appendElement(3, bytes: stored)
    }
}
