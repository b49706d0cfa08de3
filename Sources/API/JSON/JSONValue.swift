// JSON as etcd keeps it in a few records (members, confState, downgrade) and speaks it over HTTP.
//
// Why not Foundation's coder: the order of an object's members must be etcd's, byte for byte, since
// these records are hashed and exchanged with etcd; and 64-bit numbers must come back exactly.

/// A JSON document. Numbers keep their digits, objects their order.
public enum JSONValue: Hashable, Sendable {
    case null
    case bool(Bool)
    /// The literal as written, such as `18446744073709551615` or `-1.5e3`.
    case number(String)
    case string(String)
    case array([JSONValue])
    case object([Member])

    public struct Member: Hashable, Sendable {
        public let name: String
        public let value: JSONValue
        public init(_ name: String, _ value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    public static func integer(_ value: some BinaryInteger) -> JSONValue {
        .number(String(value))
    }

    /// The first member called `name`; nil when there is none or this is no object.
    public subscript(name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    public var asString: String? {
        if case .string(let text) = self { text } else { nil }
    }
    public var asBool: Bool? {
        if case .bool(let flag) = self { flag } else { nil }
    }
    public var asUInt64: UInt64? {
        if case .number(let digits) = self { UInt64(digits) } else { nil }
    }
    /// The elements; an absent list is written as null by Go, and so null is the empty list.
    public var asArray: [JSONValue]? {
        switch self {
        case .array(let elements): elements
        case .null: []
        default: nil
        }
    }
}

extension JSONValue: CustomStringConvertible {
    /// The document without white space, escaped as Go's encoder does it: `<`, `>` and `&` too.
    public var description: String {
        var text = ""
        write(to: &text)
        return text
    }

    func write(to text: inout String) {
        switch self {
        case .null: text += "null"
        case .bool(let flag): text += flag ? "true" : "false"
        case .number(let digits): text += digits
        case .string(let string): Self.quote(string, to: &text)
        case .array(let elements):
            text += "["
            for (place, element) in elements.enumerated() {
                if place > 0 { text += "," }
                element.write(to: &text)
            }
            text += "]"
        case .object(let members):
            text += "{"
            for (place, member) in members.enumerated() {
                if place > 0 { text += "," }
                Self.quote(member.name, to: &text)
                text += ":"
                member.value.write(to: &text)
            }
            text += "}"
        }
    }

    /// Appends `string` with quotes and escapes.
    public static func quote(_ string: String, to text: inout String) {
        text += "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case "<", ">", "&", "\u{2028}", "\u{2029}": appendEscape(scalar, to: &text)
            case _ where scalar.value < 0x20: appendEscape(scalar, to: &text)
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }

    private static func appendEscape(_ scalar: Unicode.Scalar, to text: inout String) {
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    }
}
