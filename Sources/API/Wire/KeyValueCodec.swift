// mvccpb.KeyValue, the record behind every revision.
//
// The store keeps it encoded and answers by splicing those bytes, so the encoding is part of the
// disk format and must be etcd's to the byte: fields in number order, zeros left out (reference:
// ondisk.md, Revision key and values). HashKV is computed over these bytes.

/// The fields of a stored KeyValue. `key` and `value` lie in the bytes it was read from.
public struct KeyValueView {
    public var key: UnsafeRawBufferPointer
    public var createRevision: Revision
    public var modRevision: Revision
    /// Counts the changes since the key was created, from 1; 0 in the record of a deletion.
    public var version: Int64
    public var value: UnsafeRawBufferPointer
    public var lease: LeaseID

    @inlinable
    public init(
        key: UnsafeRawBufferPointer, createRevision: Revision, modRevision: Revision,
        version: Int64, value: UnsafeRawBufferPointer, lease: LeaseID
    ) {
        self.key = key
        self.createRevision = createRevision
        self.modRevision = modRevision
        self.version = version
        self.value = value
        self.lease = lease
    }

    /// Reads an encoded KeyValue. No bytes at all are an empty one (`snapshot restore
    /// --mark-compacted` writes such a record), unknown fields are passed over.
    @inlinable
    public init(decoding bytes: UnsafeRawBufferPointer) throws(WireError) {
        let none = UnsafeRawBufferPointer(start: nil, count: 0)
        self.init(
            key: none, createRevision: Revision(0), modRevision: Revision(0), version: 0,
            value: none, lease: .none)
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: key = try field.bytes()
            case 2: createRevision = Revision(try field.int64())
            case 3: modRevision = Revision(try field.int64())
            case 4: version = try field.int64()
            case 5: value = try field.bytes()
            case 6: lease = LeaseID(try field.int64())
            default: break
            }
        }
    }

    /// The size of the encoded record in bytes.
    @inlinable
    public var encodedSize: Int {
        encodedSizeWithoutValue + WireSize.field(5, byteCount: value.count)
            + WireSize.field(6, int64: lease.rawValue)
    }

    /// The size in bytes of what `appendKeyValueWithoutValue` writes.
    @inlinable
    public var encodedSizeWithoutValue: Int {
        WireSize.field(1, byteCount: key.count)
            + WireSize.field(2, int64: createRevision.rawValue)
            + WireSize.field(3, int64: modRevision.rawValue)
            + WireSize.field(4, int64: version)
    }
}

extension ByteBuffer {
    /// Appends the encoded KeyValue, without tag or length.
    @inlinable
    public mutating func appendKeyValue(_ pair: KeyValueView) {
        reserve(pair.key.count + pair.value.count + 64)
        appendKeyValueWithoutValue(pair)
        appendField(5, bytes: pair.value)
        appendField(6, int64: pair.lease.rawValue)
    }

    /// Appends what a `keys_only` Range shows of a pair: neither value nor lease (reference:
    /// semantics.md, Range).
    @inlinable
    public mutating func appendKeyValueWithoutValue(_ pair: KeyValueView) {
        appendField(1, bytes: pair.key)
        appendField(2, int64: pair.createRevision.rawValue)
        appendField(3, int64: pair.modRevision.rawValue)
        appendField(4, int64: pair.version)
    }

    /// Appends the record of a deletion: the key alone.
    @inlinable
    public mutating func appendTombstone(key: UnsafeRawBufferPointer) {
        appendField(1, bytes: key)
    }
}
