// Decoding: from bytes that anyone may have sent to a message that can be used.
//
// protobuf-c parses, but does not protect: it recurses as deep as the bytes say, takes strings as
// they come and a NUL for a string's end. So the bytes are first checked against the schema
// (MessageScan) and then unpacked into an arena of limited size.

import CMessages

/// A view of a decoded message: a pointer to protobuf-c's struct, as cheap to pass as that.
///
/// Valid until the arena it was decoded in is reset or gone, and so is all memory it gives out.
public protocol WireMessage {
    /// protobuf-c's struct.
    associatedtype Raw
    static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> { get }
    init(raw: UnsafePointer<Raw>)
}

extension WireMessage {
    /// Decodes one message. `bytes` are not needed afterwards.
    ///
    /// Unknown fields are passed over. As strict as Go's protobuf, and stricter in three points:
    /// a known field must have its schema's wire type, a string must hold no NUL, and messages
    /// must not nest deeper than `nesting`.
    public static func decode(
        _ bytes: UnsafeRawBufferPointer, in arena: Arena, nesting: Int = Limits.messageNesting
    ) throws(WireError) -> Self {
        try MessageScan.check(bytes, descriptor, nesting: nesting)
        let core = arena.core
        let allocator = UnsafeMutableRawPointer(core)
            .advanced(by: MemoryLayout<ArenaCore>.offset(of: \.allocator).unsafelyUnwrapped)
            .assumingMemoryBound(to: ProtobufCAllocator.self)
        let unpacked = protobuf_c_message_unpack(
            descriptor, allocator, bytes.count,
            (bytes.baseAddress ?? Self.nothing).assumingMemoryBound(to: UInt8.self))
        guard let unpacked else { throw core.pointee.isExhausted ? .tooLarge : .malformed }
        return Self(raw: UnsafeRawPointer(unpacked).assumingMemoryBound(to: Raw.self))
    }

    /// Some address for no bytes: protobuf-c wants one.
    private static var nothing: UnsafeRawPointer { UnsafeRawPointer(descriptor) }

    public static func decode(
        _ bytes: [UInt8], in arena: Arena, nesting: Int = Limits.messageNesting
    ) throws(WireError) -> Self {
        let result = bytes.withUnsafeBytes { bytes -> Result<Self, WireError> in
            do throws(WireError) {
                return .success(try decode(bytes, in: arena, nesting: nesting))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}

// MARK: - protobuf-c's values

extension ProtobufCBinaryData {
    @usableFromInline var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: data, count: len)
    }
}

/// A proto3 string; protobuf-c never leaves it NULL, and `MessageScan` has let no NUL in.
func string(_ text: UnsafePointer<CChar>?) -> String {
    text.map { String(cString: $0) } ?? ""
}

/// Messages of a repeated field, in order.
public struct MessageList<Element: WireMessage>: RandomAccessCollection {
    let elements: UnsafePointer<UnsafeMutablePointer<Element.Raw>?>?
    public let endIndex: Int

    init(_ elements: UnsafeMutablePointer<UnsafeMutablePointer<Element.Raw>?>?, _ count: Int) {
        self.elements = UnsafePointer(elements)
        endIndex = elements == nil ? 0 : count
    }

    public var startIndex: Int { 0 }
    public subscript(position: Int) -> Element {
        precondition(position >= 0 && position < endIndex, "element \(position) of \(endIndex)")
        // protobuf-c unpacks no list with a hole.
        return Element(raw: elements.unsafelyUnwrapped[position].unsafelyUnwrapped)
    }
}

/// The strings of a repeated field, copied.
func strings(
    _ elements: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, _ count: Int
) -> [String] {
    (0..<(elements == nil ? 0 : count)).map { string(elements.unsafelyUnwrapped[$0]) }
}

extension WireMessage {
    /// The view of a nested message, nil when it is absent.
    @usableFromInline
    init?(_ nested: UnsafeMutablePointer<Raw>?) {
        guard let nested else { return nil }
        self.init(raw: UnsafePointer(nested))
    }
}
