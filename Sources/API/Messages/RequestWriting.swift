// Requests, written: for clients of ours, such as the load generator and the tests.

extension ByteBuffer {
    @inlinable
    public mutating func appendPutRequest(
        key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, lease: LeaseID = .none,
        prevKV: Bool = false, ignoreValue: Bool = false, ignoreLease: Bool = false
    ) {
        appendField(1, bytes: key)
        appendField(2, bytes: value)
        appendField(3, int64: lease.rawValue)
        appendField(4, bool: prevKV)
        appendField(5, bool: ignoreValue)
        appendField(6, bool: ignoreLease)
    }

    /// - Parameter rangeEnd: empty for the single key, one zero byte for all from `key` on.
    /// - Parameter limit: in pairs; 0 is none.
    /// - Parameter revision: nil is the newest.
    @inlinable
    public mutating func appendRangeRequest(
        key: UnsafeRawBufferPointer,
        rangeEnd: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0),
        limit: Int64 = 0, revision: Revision? = nil, sortOrder: SortOrder = .none,
        sortTarget: SortTarget = .key, isSerializable: Bool = false, keysOnly: Bool = false,
        countOnly: Bool = false
    ) {
        appendField(1, bytes: key)
        appendField(2, bytes: rangeEnd)
        appendField(3, int64: limit)
        appendField(4, int64: revision?.rawValue ?? 0)
        appendField(5, uint64: UInt64(sortOrder.rawValue))
        appendField(6, uint64: UInt64(sortTarget.rawValue))
        appendField(7, bool: isSerializable)
        appendField(8, bool: keysOnly)
        appendField(9, bool: countOnly)
    }

    @inlinable
    public mutating func appendDeleteRangeRequest(
        key: UnsafeRawBufferPointer,
        rangeEnd: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0),
        prevKV: Bool = false
    ) {
        appendField(1, bytes: key)
        appendField(2, bytes: rangeEnd)
        appendField(3, bool: prevKV)
    }

    public mutating func appendMemberListRequest(isLinearizable: Bool) {
        appendField(1, bool: isLinearizable)
    }

    public mutating func appendHealthCheckRequest(service: String) {
        appendField(1, string: service)
    }
}
