// What a message is made of, as protobuf-c's generated descriptors tell it: for those who deal with
// any message, such as the JSON gateway. The hot path has codecs of its own.

import CMessages

/// A type of message.
///
/// `@unchecked Sendable`: the descriptors are generated constants that nobody writes.
public struct MessageSchema: @unchecked Sendable {
    private let descriptor: UnsafePointer<ProtobufCMessageDescriptor>

    init(_ descriptor: UnsafePointer<ProtobufCMessageDescriptor>) {
        self.descriptor = descriptor
    }

    /// With its package, such as `etcdserverpb.PutRequest`.
    var name: String { String(cString: descriptor.pointee.name) }

    var fieldCount: Int { Int(descriptor.pointee.n_fields) }

    /// - Parameter place: below `fieldCount`; fields are in the order of their numbers.
    func field(at place: Int) -> Field {
        precondition(place >= 0 && place < fieldCount, "\(place) of \(fieldCount) fields")
        return Field(
            descriptor.pointee.fields + place, isOfAuth: name.hasPrefix("etcdserverpb.Auth"))
    }

    func place(ofNumber number: Int) -> Int? {
        (0..<fieldCount).first { field(at: $0).number == number }
    }

    /// By the schema's name, such as `range_end`, or as protobuf's JSON spells it, `rangeEnd`.
    func field(named name: String) -> Field? {
        for place in 0..<fieldCount {
            let field = field(at: place)
            if field.isNamed(name) { return field }
        }
        return nil
    }

    /// A field of a message.
    struct Field {
        /// What a field holds, as far as its text differs.
        enum Kind {
            case bool
            /// Of 32 bits: a number in JSON.
            case narrow(isSigned: Bool)
            /// Of 64 bits: a string in JSON, whose readers may know no such numbers.
            case wide(isSigned: Bool)
            case string
            case bytes
            case enumeration(EnumSchema)
            case message(MessageSchema)
            /// Floating point and the fixed and zigzag encodings: in no message that is served.
            case unserved
        }

        private let descriptor: UnsafePointer<ProtobufCFieldDescriptor>
        private let isOfAuth: Bool

        init(_ descriptor: UnsafePointer<ProtobufCFieldDescriptor>, isOfAuth: Bool) {
            self.descriptor = descriptor
            self.isOfAuth = isOfAuth
        }

        /// Names of users and roles, and passwords, may hold any character, which a C string cannot:
        /// what is text in etcd's schema is read as bytes in requests of Auth (`// string` in
        /// rpc.proto).
        private static let textInAuth = ["name", "password", "user", "role"]
        private var isTextInAuth: Bool {
            isOfAuth && Self.textInAuth.contains { $0.utf8.elementsEqual(name) }
        }

        var number: Int { Int(descriptor.pointee.id) }
        var isRepeated: Bool { descriptor.pointee.label == PROTOBUF_C_LABEL_REPEATED }

        /// In ASCII.
        var name: UnsafeBufferPointer<UInt8> {
            let text = UnsafeRawPointer(descriptor.pointee.name!)
            var count = 0
            while text.load(fromByteOffset: count, as: UInt8.self) != 0 { count += 1 }
            return UnsafeBufferPointer(
                start: text.assumingMemoryBound(to: UInt8.self), count: count)
        }

        func isNamed(_ text: String) -> Bool {
            text.utf8.elementsEqual(name) || isLowerCamel(text)
        }

        /// Without anything allocated: a body has as many names as its sender likes.
        private func isLowerCamel(_ text: String) -> Bool {
            var rest = text.utf8.makeIterator()
            var isAfterLine = false
            for byte in name {
                if byte == UInt8(ascii: "_") {
                    isAfterLine = true
                    continue
                }
                let isLower = (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                guard rest.next() == (isAfterLine && isLower ? byte - 32 : byte) else {
                    return false
                }
                isAfterLine = false
            }
            return rest.next() == nil
        }

        var kind: Kind {
            switch descriptor.pointee.type {
            case PROTOBUF_C_TYPE_BOOL: .bool
            case PROTOBUF_C_TYPE_INT32: .narrow(isSigned: true)
            case PROTOBUF_C_TYPE_UINT32: .narrow(isSigned: false)
            case PROTOBUF_C_TYPE_INT64: .wide(isSigned: true)
            case PROTOBUF_C_TYPE_UINT64: .wide(isSigned: false)
            case PROTOBUF_C_TYPE_STRING: .string
            case PROTOBUF_C_TYPE_BYTES: isTextInAuth ? .string : .bytes
            case PROTOBUF_C_TYPE_ENUM:
                .enumeration(
                    EnumSchema(
                        descriptor.pointee.descriptor.assumingMemoryBound(
                            to: ProtobufCEnumDescriptor.self)))
            case PROTOBUF_C_TYPE_MESSAGE:
                .message(
                    MessageSchema(
                        descriptor.pointee.descriptor.assumingMemoryBound(
                            to: ProtobufCMessageDescriptor.self)))
            default: .unserved
            }
        }
    }
}

/// A type of enumeration.
struct EnumSchema {
    private let descriptor: UnsafePointer<ProtobufCEnumDescriptor>

    init(_ descriptor: UnsafePointer<ProtobufCEnumDescriptor>) { self.descriptor = descriptor }

    private var values: UnsafeBufferPointer<ProtobufCEnumValue> {
        UnsafeBufferPointer(
            start: descriptor.pointee.values, count: Int(descriptor.pointee.n_values))
    }

    func name(of number: Int32) -> String? {
        values.first { $0.value == number }.map { String(cString: $0.name) }
    }

    func number(named name: String) -> Int32? {
        values.first { String(cString: $0.name) == name }?.value
    }
}
