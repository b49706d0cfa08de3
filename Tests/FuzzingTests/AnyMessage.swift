// A decoded message as protobuf-c's own tools see it, whatever its type: to look through it, and to
// encode it again by code that is not ours.

import API
import CMessages

struct AnyMessage {
    let raw: UnsafePointer<ProtobufCMessage>

    init(_ raw: UnsafeRawPointer) { self.raw = raw.assumingMemoryBound(to: ProtobufCMessage.self) }

    /// The encoding in protobuf-c's manner: fields in number order, unknown ones behind them.
    var encoded: [UInt8] {
        let size = protobuf_c_message_get_packed_size(raw)
        return [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            count = protobuf_c_message_pack(raw, buffer.baseAddress)
        }
    }

    /// Whether it or a message in it has fields that the schema does not know.
    var hasUnknownFields: Bool {
        if raw.pointee.n_unknown_fields > 0 { return true }
        var found = false
        forEachMessage { found = found || $0.hasUnknownFields }
        return found
    }

    /// Calls `body` with each message that lies directly in this one.
    func forEachMessage(_ body: (AnyMessage) -> Void) {
        let descriptor = raw.pointee.descriptor.pointee
        for field in UnsafeBufferPointer(start: descriptor.fields, count: Int(descriptor.n_fields))
        where field.type == PROTOBUF_C_TYPE_MESSAGE && isSet(field) {
            let place = UnsafeRawPointer(raw) + Int(field.offset)
            guard field.label == PROTOBUF_C_LABEL_REPEATED else {
                if let nested = place.load(as: UnsafeRawPointer?.self) { body(AnyMessage(nested)) }
                continue
            }
            let count = (UnsafeRawPointer(raw) + Int(field.quantifier_offset)).load(as: Int.self)
            guard count > 0 else { continue }
            let list = place.load(as: UnsafePointer<UnsafeRawPointer>.self)
            for index in 0..<count { body(AnyMessage(list[index])) }
        }
    }

    /// Members of a union share their place: only one of them is there.
    private func isSet(_ field: ProtobufCFieldDescriptor) -> Bool {
        guard field.flags & PROTOBUF_C_FIELD_FLAG_ONEOF.rawValue != 0 else { return true }
        let which = (UnsafeRawPointer(raw) + Int(field.quantifier_offset)).load(as: UInt32.self)
        return which == field.id
    }
}
