// Base64 in bytes: of hashes in the log, and of signed tokens.

/// Base64 as Go's encoding/base64.StdEncoding has it.
enum Base64Text {
    private static let alphabet = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    static func encode(_ bytes: [UInt8]) -> [UInt8] {
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            var bits: UInt32 = 0
            for byte in group { bits = bits << 8 | UInt32(byte) }
            bits <<= UInt32(8 * (3 - group.count))
            for place in 0..<4 {
                let digit = Int(bits >> UInt32(18 - 6 * place)) & 63
                text.append(place <= group.count ? alphabet[digit] : UInt8(ascii: "="))
            }
        }
        return text
    }

    /// Nil for what is no base64. Padding is needed unless `isURL`, whose alphabet is another too.
    static func decode(_ text: [UInt8], isURL: Bool = false) -> [UInt8]? {
        var digits = text[...]
        if !isURL {
            guard text.count % 4 == 0 else { return nil }
            for _ in 0..<2 where digits.last == UInt8(ascii: "=") { digits = digits.dropLast() }
        }
        guard digits.count % 4 != 1 else { return nil }
        var bytes: [UInt8] = []
        var (bits, count): (UInt32, UInt32) = (0, 0)
        for byte in digits {
            guard let value = value(of: byte, isURL: isURL) else { return nil }
            bits = bits << 6 | value
            count += 6
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> count))
            }
        }
        // What is left over must be nothing: one text for one value.
        return isURL && bits & (1 << count - 1) != 0 ? nil : bytes
    }

    private static func value(of byte: UInt8, isURL: Bool) -> UInt32? {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(byte - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(byte - UInt8(ascii: "a")) + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0")) + 52
        case UInt8(ascii: isURL ? "-" : "+"): 62
        case UInt8(ascii: isURL ? "_" : "/"): 63
        default: nil
        }
    }
}

extension Base64Text {
    /// Base64 for URLs, without padding (RFC 7515, section 2).
    static func encodeURL(_ bytes: [UInt8]) -> [UInt8] {
        encode(bytes).prefix { $0 != UInt8(ascii: "=") }.map { byte in
            switch byte {
            case UInt8(ascii: "+"): UInt8(ascii: "-")
            case UInt8(ascii: "/"): UInt8(ascii: "_")
            default: byte
            }
        }
    }
}
