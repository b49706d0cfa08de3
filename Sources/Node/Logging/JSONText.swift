// JSON as log lines and status answers need it: written straight into bytes.

struct JSONText {
    private(set) var bytes: [UInt8] = []

    mutating func raw(_ text: StaticString) {
        text.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }
    mutating func raw(_ text: String) { bytes.append(contentsOf: text.utf8) }

    mutating func string(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""): raw("\\\"")
            case UInt8(ascii: "\\"): raw("\\\\")
            case UInt8(ascii: "\n"): raw("\\n")
            case UInt8(ascii: "\r"): raw("\\r")
            case UInt8(ascii: "\t"): raw("\\t")
            case 0..<0x20:
                raw("\\u00")
                bytes.append(Self.hexDigits[Int(byte >> 4)])
                bytes.append(Self.hexDigits[Int(byte & 15)])
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private static let hexDigits = Array("0123456789abcdef".utf8)

    mutating func value(_ value: LogValue) {
        switch value {
        case .string(let text): string(text)
        case .int(let number): raw(String(number))
        case .uint(let number): raw(String(number))
        // JSON has no words for what is no number; zap writes these as texts.
        case .double(let number) where !number.isFinite: string("\(number)")
        case .double(let number): raw(number.description)
        case .bool(let flag): raw(flag ? "true" : "false")
        case .strings(let texts): list(texts) { $0.string($1) }
        case .duration(let nanoseconds):
            string(GoNotation.text(durationNanoseconds: Int64(clamping: nanoseconds)))
        }
    }

    mutating func list<Element>(_ elements: [Element], _ write: (inout Self, Element) -> Void) {
        raw("[")
        for (index, element) in elements.enumerated() {
            if index > 0 { raw(",") }
            write(&self, element)
        }
        raw("]")
    }
}
