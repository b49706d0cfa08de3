// The check that comes before protobuf-c.
//
// One pass over the bytes with the schema at hand: every length inside its message, every known
// field with its wire type, strings UTF-8 (proto3 asks for it, and Go's protobuf refuses others)
// and without NUL (protobuf-c would cut them there, and "root\0x" must not become "root"), and
// nesting bounded, since protobuf-c recurses with about a kibibyte of stack for each level.

import CMessages

enum MessageScan {
    /// - Parameter nesting: how deep messages may lie in this one, itself counted.
    static func check(
        _ bytes: UnsafeRawBufferPointer, _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>,
        nesting: Int
    ) throws(WireError) {
        guard nesting > 0 else { throw .nestedTooDeeply }
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            guard
                let schema = protobuf_c_message_descriptor_get_field(
                    descriptor, UInt32(field.number))
            else { continue }
            try check(field, schema, nesting: nesting)
        }
    }

    private static func check(
        _ field: WireField, _ schema: UnsafePointer<ProtobufCFieldDescriptor>, nesting: Int
    ) throws(WireError) {
        switch (schema.pointee.type, field.value) {
        case (PROTOBUF_C_TYPE_BYTES, .bytes): break
        case (PROTOBUF_C_TYPE_STRING, .bytes(let text)): try checkText(text)
        case (PROTOBUF_C_TYPE_MESSAGE, .bytes(let nested)):
            let descriptor = schema.pointee.descriptor.assumingMemoryBound(
                to: ProtobufCMessageDescriptor.self)
            try check(nested, descriptor, nesting: nesting - 1)
        case (PROTOBUF_C_TYPE_BYTES, _), (PROTOBUF_C_TYPE_STRING, _),
            (PROTOBUF_C_TYPE_MESSAGE, _):
            throw .malformed
        case (_, .varint): break
        case (_, .bytes(let packed)):
            guard schema.pointee.label == PROTOBUF_C_LABEL_REPEATED else { throw .malformed }
            var reader = ProtobufReader(packed)
            while reader.offset < packed.count { _ = try reader.varint() }
        case (_, .fixed32), (_, .fixed64):
            // Our schemas have no fixed-width numbers.
            throw .malformed
        }
    }

    private static func checkText(_ text: UnsafeRawBufferPointer) throws(WireError) {
        try checkUTF8(text)
        if text.contains(0) { throw .malformed }
    }

    static func checkUTF8(_ text: UnsafeRawBufferPointer) throws(WireError) {
        do {
            _ = try UTF8Span(validating: text.bindMemory(to: UInt8.self).span)
        } catch {
            throw .invalidUTF8
        }
    }
}
