// A strict parser (RFC 8259): what is not JSON is refused with the place where it stops being so.

/// Why a text is not JSON.
public struct JSONError: Error, Hashable, Sendable {
    public let reason: String
    /// In bytes from the start.
    public let offset: Int
}

extension JSONValue {
    /// Parses one document with nothing but white space around it.
    /// - Throws: `JSONError` for anything else, also for nesting over 128 levels: the parser
    ///   recurses, and a hostile text must not decide how deep.
    public init(parsing text: some Sequence<UInt8>) throws(JSONError) {
        var parser = JSONParser(bytes: Array(text))
        self = try parser.document()
    }

    /// Parses documents that follow each other, as in a request's body that is a stream of them.
    /// - Parameter limit: so many are parsed; what comes after the last of these is not looked at.
    public static func sequence(
        parsing text: some Sequence<UInt8>, limit: Int = .max
    ) throws(JSONError) -> [JSONValue] {
        var parser = JSONParser(bytes: Array(text))
        return try parser.documents(limit)
    }
}

private struct JSONParser {
    static let deepest = 128
    let bytes: [UInt8]
    var at = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func document() throws(JSONError) -> JSONValue {
        let value = try value(depth: 0)
        skipSpace()
        guard at == bytes.count else { throw error("something after the document") }
        return value
    }

    mutating func documents(_ limit: Int) throws(JSONError) -> [JSONValue] {
        var values: [JSONValue] = []
        skipSpace()
        while at < bytes.count, values.count < limit {
            values.append(try value(depth: 0))
            skipSpace()
        }
        return values
    }

    private func error(_ reason: String) -> JSONError { JSONError(reason: reason, offset: at) }

    private var peek: UInt8? { at < bytes.count ? bytes[at] : nil }

    private mutating func skipSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
            at += 1
        }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard peek == byte else { return false }
        at += 1
        return true
    }

    private mutating func value(depth: Int) throws(JSONError) -> JSONValue {
        guard depth < Self.deepest else { throw error("nested too deeply") }
        skipSpace()
        switch peek {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try literal("true", .bool(true))
        case UInt8(ascii: "f"): return try literal("false", .bool(false))
        case UInt8(ascii: "n"): return try literal("null", .null)
        case .none: throw error("ends too early")
        default: return try number()
        }
    }

    private mutating func literal(
        _ word: StaticString, _ value: JSONValue
    ) throws(JSONError) -> JSONValue {
        let length = word.utf8CodeUnitCount
        guard at + length <= bytes.count,
            word.withUTF8Buffer({ $0.elementsEqual(bytes[at..<at + length]) })
        else { throw error("not a value") }
        at += length
        return value
    }

    private mutating func array(depth: Int) throws(JSONError) -> JSONValue {
        at += 1
        var elements: [JSONValue] = []
        skipSpace()
        if take(UInt8(ascii: "]")) { return .array([]) }
        while true {
            elements.append(try value(depth: depth + 1))
            skipSpace()
            if take(UInt8(ascii: "]")) { return .array(elements) }
            guard take(UInt8(ascii: ",")) else { throw error("a comma or ] is missing") }
        }
    }

    private mutating func object(depth: Int) throws(JSONError) -> JSONValue {
        at += 1
        var members: [JSONValue.Member] = []
        skipSpace()
        if take(UInt8(ascii: "}")) { return .object([]) }
        while true {
            skipSpace()
            guard peek == UInt8(ascii: "\"") else { throw error("a name is missing") }
            let name = try string()
            skipSpace()
            guard take(UInt8(ascii: ":")) else { throw error("a colon is missing") }
            members.append(.init(name, try value(depth: depth + 1)))
            skipSpace()
            if take(UInt8(ascii: "}")) { return .object(members) }
            guard take(UInt8(ascii: ",")) else { throw error("a comma or } is missing") }
        }
    }

    private mutating func digits() throws(JSONError) {
        let start = at
        while let byte = peek, (0x30...0x39).contains(byte) { at += 1 }
        if at == start { throw error("a digit is missing") }
    }

    private mutating func number() throws(JSONError) -> JSONValue {
        let start = at
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")) { try digits() }
        if take(UInt8(ascii: ".")) { try digits() }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            _ = take(UInt8(ascii: "+")) || take(UInt8(ascii: "-"))
            try digits()
        }
        return .number(String(decoding: bytes[start..<at], as: UTF8.self))
    }

    private mutating func string() throws(JSONError) -> String {
        at += 1
        var text: [UInt8] = []
        while let byte = peek {
            at += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let string = String(validating: text, as: UTF8.self) else {
                    throw error("not UTF-8")
                }
                return string
            case UInt8(ascii: "\\"): text.append(contentsOf: try escape().utf8)
            case 0..<0x20: throw error("a control character in a string")
            default: text.append(byte)
            }
        }
        throw error("a string without an end")
    }

    private mutating func escape() throws(JSONError) -> String {
        guard let byte = peek else { throw error("ends too early") }
        at += 1
        switch byte {
        case UInt8(ascii: "\""): return "\""
        case UInt8(ascii: "\\"): return "\\"
        case UInt8(ascii: "/"): return "/"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return String(try codePoint())
        default: throw error("an unknown escape")
        }
    }

    private mutating func codePoint() throws(JSONError) -> Unicode.Scalar {
        let first = try fourHexDigits()
        if let scalar = Unicode.Scalar(first) { return scalar }
        // A surrogate pair; half of one alone becomes U+FFFD, as in Go.
        guard (0xD800..<0xDC00).contains(first), peek == UInt8(ascii: "\\"),
            at + 1 < bytes.count, bytes[at + 1] == UInt8(ascii: "u")
        else { return "\u{FFFD}" }
        at += 2
        let second = try fourHexDigits()
        guard (0xDC00..<0xE000).contains(second) else { return "\u{FFFD}" }
        let combined = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)
        return Unicode.Scalar(combined) ?? "\u{FFFD}"
    }

    private mutating func fourHexDigits() throws(JSONError) -> UInt32 {
        guard at + 4 <= bytes.count,
            bytes[at..<at + 4].allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
            let value = UInt32(String(decoding: bytes[at..<at + 4], as: UTF8.self), radix: 16)
        else { throw error("four hexadecimal digits are missing") }
        at += 4
        return value
    }
}
