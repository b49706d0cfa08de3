// The messages of leases, written: answers, what the leader proposes, the record in the store, and
// requests for clients of ours.

/// A lease as the store keeps it. Times in seconds.
public struct LeaseFields: Hashable, Sendable {
    public var id: LeaseID
    /// As granted.
    public var ttl: Int64
    /// As of the last checkpoint; 0: the whole TTL.
    public var remainingTTL: Int64

    @inlinable
    public init(id: LeaseID, ttl: Int64, remainingTTL: Int64 = 0) {
        self.id = id
        self.ttl = ttl
        self.remainingTTL = remainingTTL
    }

    /// The key of its record in table `lease`: 8 bytes, the highest first.
    public var recordKey: [UInt8] {
        withUnsafeBytes(of: id.rawValue.bigEndian) { [UInt8]($0) }
    }
}

extension ByteBuffer {
    /// The value of a lease's record in table `lease`.
    public mutating func appendLeaseRecord(_ lease: LeaseFields) {
        appendField(1, int64: lease.id.rawValue)
        appendField(2, int64: lease.ttl)
        appendField(3, int64: lease.remainingTTL)
    }

    // MARK: Answers

    public mutating func appendLeaseGrantResponse(
        _ header: HeaderFields, id: LeaseID, ttl: Int64
    ) {
        appendResponseHeader(header)
        appendField(2, int64: id.rawValue)
        appendField(3, int64: ttl)
    }

    /// - Parameter ttl: as granted, in seconds; 0 when there is no such lease.
    @inlinable
    public mutating func appendLeaseKeepAliveResponse(
        _ header: HeaderFields, id: LeaseID, ttl: Int64
    ) {
        appendResponseHeader(header)
        appendField(2, int64: id.rawValue)
        appendField(3, int64: ttl)
    }

    /// Begins a LeaseTimeToLiveResponse; the keys follow if they were asked for.
    public mutating func appendLeaseTimeToLiveBegin(
        _ header: HeaderFields, id: LeaseID, ttl: Int64, grantedTTL: Int64
    ) {
        appendResponseHeader(header)
        appendField(2, int64: id.rawValue)
        appendField(3, int64: ttl)
        appendField(4, int64: grantedTTL)
    }

    /// One attached key of a LeaseTimeToLiveResponse.
    public mutating func appendLeaseTimeToLiveKey(_ key: UnsafeRawBufferPointer) {
        appendElement(5, bytes: key)
    }

    public mutating func appendLeaseLeasesResponse(_ header: HeaderFields, _ leases: [LeaseID]) {
        appendResponseHeader(header)
        for lease in leases {
            appendHeader(2, byteCount: WireSize.field(1, int64: lease.rawValue))
            appendField(1, int64: lease.rawValue)
        }
    }

    // MARK: Requests

    public mutating func appendLeaseGrantRequest(ttl: Int64, id: LeaseID = .none) {
        appendField(1, int64: ttl)
        appendField(2, int64: id.rawValue)
    }

    /// A LeaseRevokeRequest or a LeaseKeepAliveRequest.
    @inlinable
    public mutating func appendLeaseRequest(_ id: LeaseID) { appendField(1, int64: id.rawValue) }

    public mutating func appendLeaseTimeToLiveRequest(_ id: LeaseID, wantsKeys: Bool = false) {
        appendField(1, int64: id.rawValue)
        appendField(2, bool: wantsKeys)
    }

    /// One checkpoint of a LeaseCheckpointRequest.
    public mutating func appendLeaseCheckpoint(_ id: LeaseID, remainingTTL: Int64) {
        let message = beginMessage(1)
        appendField(1, int64: id.rawValue)
        appendField(2, int64: remainingTTL)
        endMessage(message)
    }
}
