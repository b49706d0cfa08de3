// Protobuf's wire format, written straight into a buffer.
//
// What we send most (a response around stored bytes, a log entry around a request) is a handful
// of fields about bytes that are encoded already. Writing them here costs no intermediate object.
// Rules: protobuf.dev, "Encoding".

/// How a field's value is laid out (protobuf.dev, "Message structure").
@frozen public enum WireType: UInt8, Sendable {
    case varint = 0
    case fixed64 = 1
    case lengthDelimited = 2
    case startGroup = 3
    case endGroup = 4
    case fixed32 = 5
}

/// Sizes in bytes of what the writer writes, for two-pass encoding.
public enum WireSize {
    /// 1 to 10.
    @inlinable
    public static func varint(_ value: UInt64) -> Int {
        // Bits in use, in groups of seven: ceil(bits / 7) for 1...64 without a division.
        ((64 - (value | 1).leadingZeroBitCount) &* 9 &+ 64) >> 6
    }

    @inlinable
    public static func tag(_ field: Int) -> Int { varint(UInt64(field) << 3) }

    /// A numeric field of proto3: nothing when it is zero.
    @inlinable
    public static func field(_ number: Int, uint64 value: UInt64) -> Int {
        value == 0 ? 0 : tag(number) + varint(value)
    }

    @inlinable
    public static func field(_ number: Int, int64 value: Int64) -> Int {
        field(number, uint64: UInt64(bitPattern: value))
    }

    @inlinable
    public static func field(_ number: Int, bool value: Bool) -> Int {
        value ? tag(number) + 1 : 0
    }

    /// A bytes or string field of proto3 of `count` bytes: nothing when it is empty.
    @inlinable
    public static func field(_ number: Int, byteCount count: Int) -> Int {
        count == 0 ? 0 : element(number, byteCount: count)
    }

    /// A nested message or an element of a repeated field, which is written even when empty.
    @inlinable
    public static func element(_ number: Int, byteCount count: Int) -> Int {
        tag(number) + varint(UInt64(count)) + count
    }
}

// MARK: - Primitives

extension ByteBuffer {
    @inlinable
    public mutating func appendVarint(_ value: UInt64) {
        reserve(10)
        let start = base.unsafelyUnwrapped
        var rest = value
        var place = used
        while rest >= 0x80 {
            start.storeBytes(
                of: UInt8(truncatingIfNeeded: rest) | 0x80, toByteOffset: place, as: UInt8.self)
            rest >>= 7
            place += 1
        }
        start.storeBytes(of: UInt8(truncatingIfNeeded: rest), toByteOffset: place, as: UInt8.self)
        used = place + 1
    }

    @inlinable
    public mutating func appendTag(_ field: Int, _ type: WireType) {
        appendVarint(UInt64(field) << 3 | UInt64(type.rawValue))
    }

    /// The tag and length of `count` bytes of field `field`, which the caller appends next.
    @inlinable
    public mutating func appendHeader(_ field: Int, byteCount count: Int) {
        appendTag(field, .lengthDelimited)
        appendVarint(UInt64(count))
    }
}

// MARK: - Fields of proto3, left out when zero or empty

extension ByteBuffer {
    @inlinable
    public mutating func appendField(_ number: Int, uint64 value: UInt64) {
        if value != 0 { appendPresent(number, uint64: value) }
    }

    @inlinable
    public mutating func appendField(_ number: Int, int64 value: Int64) {
        appendField(number, uint64: UInt64(bitPattern: value))
    }

    @inlinable
    public mutating func appendField(_ number: Int, bool value: Bool) {
        if value { appendPresent(number, uint64: 1) }
    }

    @inlinable
    public mutating func appendField(_ number: Int, bytes: UnsafeRawBufferPointer) {
        if !bytes.isEmpty { appendElement(number, bytes: bytes) }
    }

    @inlinable
    public mutating func appendField(_ number: Int, bytes: [UInt8]) {
        bytes.withUnsafeBytes { appendField(number, bytes: $0) }
    }

    @inlinable
    public mutating func appendField(_ number: Int, string: String) {
        if !string.isEmpty { appendElement(number, string: string) }
    }
}

// MARK: - Fields written in any case: proto2, elements of repeated fields, nested messages

extension ByteBuffer {
    @inlinable
    public mutating func appendPresent(_ number: Int, uint64 value: UInt64) {
        appendTag(number, .varint)
        appendVarint(value)
    }

    @inlinable
    public mutating func appendElement(_ number: Int, bytes: UnsafeRawBufferPointer) {
        appendHeader(number, byteCount: bytes.count)
        append(bytes)
    }

    @inlinable
    public mutating func appendElement(_ number: Int, string: String) {
        var string = string
        string.withUTF8 { appendElement(number, bytes: UnsafeRawBufferPointer($0)) }
    }
}

// MARK: - Nested messages of a size not known beforehand

/// An open nested message; `ByteBuffer.endMessage` closes it.
public struct OpenMessage {
    @usableFromInline let bodyStart: Int

    @usableFromInline init(bodyStart: Int) { self.bodyStart = bodyStart }
}

extension ByteBuffer {
    /// Begins a nested message as field `number`. What is appended until `endMessage` is its
    /// body. Messages nest: the last begun ends first.
    ///
    /// One byte is kept for the length; a body of 128 bytes or more is moved once at the end, so
    /// use `appendHeader` where a large size is known, and `NestedLengths` where many nest.
    @inlinable
    public mutating func beginMessage(_ number: Int) -> OpenMessage {
        appendTag(number, .lengthDelimited)
        append(0)
        return OpenMessage(bodyStart: used)
    }

    @inlinable
    public mutating func endMessage(_ message: OpenMessage) {
        let start = message.bodyStart
        let size = used - start
        precondition(size >= 0 && start > 0, "this message was not begun in this buffer")
        if size < 0x80 {
            base.unsafelyUnwrapped.storeBytes(
                of: UInt8(size), toByteOffset: start - 1, as: UInt8.self)
        } else {
            insertLength(size, before: start)
        }
    }

    /// Replaces the one byte before `start` by the varint `size`, moving the body up.
    @usableFromInline
    mutating func insertLength(_ size: Int, before start: Int) {
        let widening = WireSize.varint(UInt64(size)) - 1
        reserve(widening + 10)
        let body = base.unsafelyUnwrapped + start
        (body + widening).copyMemory(from: body, byteCount: size)
        used = start - 1
        appendVarint(UInt64(size))
        used += size
    }
}
