// WatchResponse and the events in it, written straight into the buffer they are sent from.
//
// A response to many watchers differs in its id only, so its parts are written apart: the header
// once per revision, an event once per form, and what is said here around them.

/// What a WatchResponse says besides its header and events.
public struct WatchResponseFields: Hashable, Sendable {
    public var id: WatchID
    public var isCreated = false
    public var isCanceled = false
    /// 0: not canceled because of a compaction.
    public var compacted = Revision(0)
    public var cancelReason = ""
    /// More of the same revision follows.
    public var isFragment = false

    public init(_ id: WatchID) { self.id = id }
}

extension ByteBuffer {
    /// Fields 2 to 7 of a WatchResponse; the header comes before, events after.
    public mutating func appendWatchResponse(_ fields: WatchResponseFields) {
        appendField(2, int64: fields.id.rawValue)
        appendField(3, bool: fields.isCreated)
        appendField(4, bool: fields.isCanceled)
        appendField(5, int64: fields.compacted.rawValue)
        appendField(6, string: fields.cancelReason)
        appendField(7, bool: fields.isFragment)
    }

    /// One element of a WatchResponse's events: a put.
    /// - Parameters:
    ///   - pair: the encoded KeyValue.
    ///   - previous: the encoded KeyValue before; nil leaves it out.
    public mutating func appendPutEvent(
        _ pair: UnsafeRawBufferPointer, previous: UnsafeRawBufferPointer?
    ) {
        let size =
            WireSize.element(2, byteCount: pair.count)
            + (previous.map { WireSize.element(3, byteCount: $0.count) } ?? 0)
        reserve(size + 16)
        appendHeader(11, byteCount: size)
        appendElement(2, bytes: pair)  // type PUT is 0, which proto3 leaves out
        if let previous { appendElement(3, bytes: previous) }
    }

    /// One element of a WatchResponse's events: a deletion.
    /// - Parameter tombstone: the stored record, which has the key and nothing else.
    public mutating func appendDeleteEvent(
        _ tombstone: UnsafeRawBufferPointer, at revision: Revision,
        previous: UnsafeRawBufferPointer?
    ) {
        let pair = tombstone.count + WireSize.field(3, int64: revision.rawValue)
        let size =
            WireSize.field(1, uint64: 1) + WireSize.element(2, byteCount: pair)
            + (previous.map { WireSize.element(3, byteCount: $0.count) } ?? 0)
        reserve(size + 16)
        appendHeader(11, byteCount: size)
        appendField(1, uint64: 1)
        appendHeader(2, byteCount: pair)
        append(tombstone)
        appendField(3, int64: revision.rawValue)
        if let previous { appendElement(3, bytes: previous) }
    }
}
