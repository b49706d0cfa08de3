// Protobuf's wire format, read field by field without copies.
//
// Every length is checked against what is there; nothing the bytes say is believed. As strict as
// Go's protobuf, since what etcd refuses we refuse: field 0, numbers past 2^29 - 1, varints of
// more than 64 bits. Groups, which no schema of ours has, are refused as well.

/// One field as it stands on the wire.
public struct WireField {
    public enum Value {
        case varint(UInt64)
        case fixed64(UInt64)
        /// Bytes, a string, a nested message or packed numbers; they lie in the reader's input.
        case bytes(UnsafeRawBufferPointer)
        case fixed32(UInt32)
    }
    public let number: Int
    public let value: Value

    @inlinable public init(number: Int, value: Value) {
        self.number = number
        self.value = value
    }

    /// The value of a number field.
    /// - Throws: `.malformed` when it is none.
    @inlinable
    public func uint64() throws(WireError) -> UInt64 {
        guard case .varint(let number) = value else { throw .malformed }
        return number
    }

    @inlinable
    public func int64() throws(WireError) -> Int64 { Int64(bitPattern: try uint64()) }

    @inlinable
    public func bool() throws(WireError) -> Bool { try uint64() != 0 }

    /// The value of a bytes, string or message field.
    /// - Throws: `.malformed` when it is none.
    @inlinable
    public func bytes() throws(WireError) -> UnsafeRawBufferPointer {
        guard case .bytes(let bytes) = value else { throw .malformed }
        return bytes
    }
}

/// Reads the fields of one message in the order they stand.
public struct ProtobufReader {
    @usableFromInline let input: UnsafeRawBufferPointer
    @usableFromInline var place: Int

    /// `input` must stay valid and unchanged as long as the reader and the slices it gave out.
    @inlinable
    public init(_ input: UnsafeRawBufferPointer) {
        self.input = input
        place = 0
    }

    /// Goes on from `offset`, which lies in `input` or at its end.
    @inlinable
    public init(_ input: UnsafeRawBufferPointer, from offset: Int) {
        precondition(offset >= 0 && offset <= input.count, "\(offset) of \(input.count) bytes")
        self.input = input
        place = offset
    }

    /// Where the next field begins, in bytes from the start of the message.
    @inlinable public var offset: Int { place }

    /// The next field, or nil at the end of the message.
    @inlinable
    public mutating func next() throws(WireError) -> WireField? {
        guard place < input.count else { return nil }
        let tag = try varint()
        let number = tag >> 3
        guard number >= 1, number <= 0x1fff_ffff else { throw .malformed }
        guard let type = WireType(rawValue: UInt8(truncatingIfNeeded: tag & 7)) else {
            throw .malformed
        }
        return WireField(number: Int(number), value: try value(type))
    }

    /// A number of at most 64 bits. Also for packed numbers and lengths outside messages.
    @inlinable
    public mutating func varint() throws(WireError) -> UInt64 {
        var result: UInt64 = 0
        var shift: UInt64 = 0
        while place < input.count {
            let byte = input[place]
            place += 1
            if shift == 63 && byte > 1 { throw .malformed }
            result |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return result }
            shift += 7
        }
        throw .truncated
    }

    @inlinable
    mutating func value(_ type: WireType) throws(WireError) -> WireField.Value {
        switch type {
        case .varint: return .varint(try varint())
        case .fixed64:
            let bytes = try take(8)
            return .fixed64(UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self)))
        case .lengthDelimited:
            let length = try varint()
            guard length <= UInt64(input.count - place) else { throw .truncated }
            return .bytes(try take(Int(length)))
        case .fixed32:
            let bytes = try take(4)
            return .fixed32(UInt32(littleEndian: bytes.loadUnaligned(as: UInt32.self)))
        case .startGroup, .endGroup: throw .malformed
        }
    }

    @inlinable
    mutating func take(_ count: Int) throws(WireError) -> UnsafeRawBufferPointer {
        guard input.count - place >= count else { throw .truncated }
        let slice = UnsafeRawBufferPointer(rebasing: input[place..<(place + count)])
        place += count
        return slice
    }
}
