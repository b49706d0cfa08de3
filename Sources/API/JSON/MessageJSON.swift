// Messages as JSON text (protobuf's JSON mapping with the schema's names, reference:
// http-endpoints.md, JSON gateway): 64-bit numbers are strings, bytes base64, enumerations names,
// and what is zero is left out.

extension MessageSchema {
    /// Appends an encoded message of this type as a JSON object.
    /// - Throws: when `message` is not one.
    public func appendJSON(
        of message: UnsafeRawBufferPointer, to text: inout [UInt8]
    ) throws(WireError) {
        var values = [[WireField]](repeating: [], count: fieldCount)
        var reader = ProtobufReader(message)
        while let value = try reader.next() {
            if let place = place(ofNumber: value.number) { values[place].append(value) }
        }
        text.append(UInt8(ascii: "{"))
        let start = text.count
        for place in values.indices {
            guard let last = values[place].last else { continue }
            let field = field(at: place)
            if field.isRepeated {
                text.appendName(field.name, isFirst: text.count == start)
                try append(values[place], of: field, to: &text)
            } else if !Self.isZero(last) || field.kind.isMessage {
                text.appendName(field.name, isFirst: text.count == start)
                try append(last, field.kind, to: &text)
            }
        }
        text.append(UInt8(ascii: "}"))
    }

    private static func isZero(_ field: WireField) -> Bool {
        switch field.value {
        case .varint(let number): number == 0
        case .bytes(let bytes): bytes.isEmpty
        case .fixed64(let number): number == 0
        case .fixed32(let number): number == 0
        }
    }

    private func append(
        _ elements: [WireField], of field: Field, to text: inout [UInt8]
    ) throws(WireError) {
        let kind = field.kind
        text.append(UInt8(ascii: "["))
        var isFirst = true
        for element in elements {
            if case .bytes(let packed) = element.value, kind.isNumber {
                var reader = ProtobufReader(packed)
                while reader.offset < packed.count {
                    if !isFirst { text.append(UInt8(ascii: ",")) }
                    isFirst = false
                    let number = WireField.Value.varint(try reader.varint())
                    try append(WireField(number: field.number, value: number), kind, to: &text)
                }
            } else {
                if !isFirst { text.append(UInt8(ascii: ",")) }
                isFirst = false
                try append(element, kind, to: &text)
            }
        }
        text.append(UInt8(ascii: "]"))
    }

    private func append(
        _ value: WireField, _ kind: Field.Kind, to text: inout [UInt8]
    ) throws(WireError) {
        func plain(_ word: String) { text.append(contentsOf: word.utf8) }
        switch kind {
        case .bool:
            let flag = try value.bool()
            plain(flag ? "true" : "false")
        case .narrow(let isSigned):
            let number = try value.uint64()
            plain(
                isSigned
                    ? "\(Int32(truncatingIfNeeded: number))"
                    : "\(UInt32(truncatingIfNeeded: number))")
        case .wide(let isSigned):
            let number = try value.uint64()
            plain(isSigned ? "\"\(Int64(bitPattern: number))\"" : "\"\(number)\"")
        case .string:
            var quoted = ""
            JSONValue.quote(String(decoding: try value.bytes(), as: UTF8.self), to: &quoted)
            text.append(contentsOf: quoted.utf8)
        case .bytes:
            text.append(UInt8(ascii: "\""))
            JSONBytes.append(try value.bytes(), to: &text)
            text.append(UInt8(ascii: "\""))
        case .enumeration(let schema):
            let number = Int32(truncatingIfNeeded: try value.uint64())
            // A number that a later version gave a name stays one.
            plain(schema.name(of: number).map { "\"\($0)\"" } ?? "\(number)")
        case .message(let schema): try schema.appendJSON(of: try value.bytes(), to: &text)
        case .unserved: throw .malformed
        }
    }
}

extension MessageSchema.Field.Kind {
    fileprivate var isMessage: Bool { if case .message = self { true } else { false } }

    /// Whether several may come packed in one field.
    fileprivate var isNumber: Bool {
        switch self {
        case .bool, .narrow, .wide, .enumeration: true
        case .string, .bytes, .message, .unserved: false
        }
    }
}

extension [UInt8] {
    fileprivate mutating func appendName(_ name: UnsafeBufferPointer<UInt8>, isFirst: Bool) {
        if !isFirst { append(UInt8(ascii: ",")) }
        append(UInt8(ascii: "\""))
        append(contentsOf: name)
        append(contentsOf: "\":".utf8)
    }
}

/// Bytes in JSON: base64.
enum JSONBytes {
    private static let alphabet: StaticString =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

    static func append(_ bytes: UnsafeRawBufferPointer, to text: inout [UInt8]) {
        let count = (bytes.count + 2) / 3 * 4
        let encoded = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            alphabet.withUTF8Buffer { encode(bytes, $0, into: buffer) }
            filled = count
        }
        text.append(contentsOf: encoded)
    }

    /// - Parameter buffer: of just the size that is needed.
    private static func encode(
        _ bytes: UnsafeRawBufferPointer, _ alphabet: UnsafeBufferPointer<UInt8>,
        into buffer: UnsafeMutableBufferPointer<UInt8>
    ) {
        var place = 0
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let count = min(3, bytes.count - start)
            var bits: UInt32 = 0
            for offset in 0..<3 {
                bits = bits << 8 | (offset < count ? UInt32(bytes[start + offset]) : 0)
            }
            for digit in 0..<4 {
                buffer.initializeElement(
                    at: place,
                    to: digit <= count
                        ? alphabet[Int(bits >> UInt32(18 - 6 * digit)) & 63] : UInt8(ascii: "="))
                place += 1
            }
        }
    }

    /// In the standard alphabet or that for URLs, padded or not; nil for anything else.
    static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count / 4 * 3 + 2)
        var (bits, count): (UInt32, UInt32) = (0, 0)
        var digits = 0
        var padding = 0
        for byte in text {
            if byte == UInt8(ascii: "=") {
                padding += 1
                continue
            }
            guard padding == 0, let value = value(of: byte) else { return nil }
            digits += 1
            bits = bits << 6 | value
            count += 6
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> count))
            }
        }
        guard digits % 4 != 1, padding == 0 || (digits + padding) % 4 == 0, padding <= 2 else {
            return nil
        }
        return bytes
    }

    private static func value(of digit: UInt8) -> UInt32? {
        switch digit {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(digit - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(digit - UInt8(ascii: "a")) + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(digit - UInt8(ascii: "0")) + 52
        case UInt8(ascii: "+"), UInt8(ascii: "-"): 62
        case UInt8(ascii: "/"), UInt8(ascii: "_"): 63
        default: nil
        }
    }
}
