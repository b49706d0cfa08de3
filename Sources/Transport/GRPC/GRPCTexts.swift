// The small encodings of gRPC over HTTP/2: percent-encoded messages, timeouts, base64 metadata.
// Source: gRPC over HTTP2 (grpc.io, PROTOCOL-HTTP2); texts of failures as grpc-go has them.

import API
import Glibc

/// `grpc-message`: UTF-8 bytes outside printable ASCII, and `%`, become `%XX`.
enum PercentEncoding {
    static func encode(_ text: String) -> String {
        let needsNone = text.utf8.allSatisfy { isPlain($0) }
        if needsNone { return text }
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            if isPlain(byte) {
                bytes.append(byte)
            } else {
                bytes.append(UInt8(ascii: "%"))
                bytes.append(digit(byte >> 4))
                bytes.append(digit(byte & 15))
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// What is not a valid escape stays as it is: a message is never lost.
    static func decode(_ bytes: UnsafeRawBufferPointer) -> String {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if byte == UInt8(ascii: "%"), index + 2 < bytes.count,
                let high = value(bytes[index + 1]), let low = value(bytes[index + 2])
            {
                decoded.append(high << 4 | low)
                index += 3
            } else {
                decoded.append(byte)
                index += 1
            }
        }
        return String(decoding: decoded, as: UTF8.self)
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte <= 0x7E && byte != UInt8(ascii: "%")
    }
    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "A") + value - 10
    }
    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

/// `grpc-timeout`: at most 8 digits and a unit.
enum GRPCTimeout {
    struct Malformed: Error, Equatable { let reason: String }

    /// Nanoseconds, saturating.
    static func decode(_ bytes: UnsafeRawBufferPointer) throws(Malformed) -> UInt64 {
        func text() -> String { quoted(String(decoding: bytes, as: UTF8.self)) }
        guard bytes.count >= 2, let last = bytes.last else {
            throw Malformed(reason: "transport: timeout string is too short: \(text())")
        }
        guard bytes.count <= 9 else {
            throw Malformed(reason: "transport: timeout string is too long: \(text())")
        }
        guard let unit = nanoseconds(last) else {
            throw Malformed(reason: "transport: timeout unit is not recognized: \(text())")
        }
        var count: UInt64 = 0
        for byte in bytes.dropLast() {
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else {
                let digits = quoted(String(decoding: bytes.dropLast(), as: UTF8.self))
                throw Malformed(reason: "strconv.ParseUint: parsing \(digits): invalid syntax")
            }
            count = count * 10 + UInt64(byte - UInt8(ascii: "0"))
        }
        let product = count.multipliedReportingOverflow(by: unit)
        return product.overflow ? UInt64(Int64.max) : min(product.partialValue, UInt64(Int64.max))
    }

    /// The most exact unit that fits into 8 digits, rounded up.
    static func encode(nanoseconds: UInt64) -> String {
        let units: [(Character, UInt64)] = [
            ("n", 1), ("u", 1000), ("m", 1_000_000), ("S", 1_000_000_000), ("M", 60_000_000_000),
        ]
        for (letter, unit) in units {
            let count = nanoseconds / unit + (nanoseconds % unit == 0 ? 0 : 1)
            if count < 100_000_000 { return "\(count)\(letter)" }
        }
        return "\(nanoseconds / 3_600_000_000_000)H"
    }

    private static func nanoseconds(_ unit: UInt8) -> UInt64? {
        switch unit {
        case UInt8(ascii: "H"): 3_600_000_000_000
        case UInt8(ascii: "M"): 60_000_000_000
        case UInt8(ascii: "S"): 1_000_000_000
        case UInt8(ascii: "m"): 1_000_000
        case UInt8(ascii: "u"): 1000
        case UInt8(ascii: "n"): 1
        default: nil
        }
    }
}

/// Base64 of `-bin` metadata: the standard alphabet, padded or not.
enum Base64 {
    /// Nil if `text` is not base64.
    static func decode(_ text: UnsafeRawBufferPointer) -> [UInt8]? {
        var digits = text[...]
        while digits.last == UInt8(ascii: "="), text.count - digits.count < 2 {
            digits.removeLast()
        }
        if digits.count != text.count && text.count % 4 != 0 { return nil }
        if digits.count % 4 == 1 { return nil }
        var decoded: [UInt8] = []
        decoded.reserveCapacity(digits.count * 3 / 4)
        var bits: UInt32 = 0
        var count = 0
        for digit in digits {
            guard let value = value(digit) else { return nil }
            bits = bits << 6 | UInt32(value)
            count += 6
            if count >= 8 {
                count -= 8
                decoded.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
            }
        }
        return decoded
    }

    static func encode(_ bytes: [UInt8]) -> String {
        let alphabet = Array(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: [UInt8] = []
        var bits: UInt32 = 0
        var count = 0
        for byte in bytes {
            bits = bits << 8 | UInt32(byte)
            count += 8
            while count >= 6 {
                count -= 6
                text.append(alphabet[Int(bits >> UInt32(count)) & 63])
            }
        }
        if count > 0 { text.append(alphabet[Int(bits << UInt32(6 - count)) & 63]) }
        return String(decoding: text, as: UTF8.self)
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): digit - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): digit - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}

/// Go's %q for the texts that come up here: quotes, with the usual escapes.
func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"": result += "\\\""
        case "\\": result += "\\\\"
        case "\n": result += "\\n"
        case "\r": result += "\\r"
        case "\t": result += "\\t"
        case _ where scalar.value < 0x20 || scalar.value == 0x7F:
            let hex = String(scalar.value, radix: 16)
            result += "\\x" + (hex.count < 2 ? "0" : "") + hex
        default: result.unicodeScalars.append(scalar)
        }
    }
    return result + "\""
}

extension UnsafeRawBufferPointer {
    /// Whether these are the same bytes as `other`.
    @inline(__always)
    func elementsEqual(of other: UnsafeRawBufferPointer) -> Bool {
        guard count == other.count else { return false }
        guard let a = baseAddress, let b = other.baseAddress else { return true }
        return memcmp(a, b, count) == 0
    }

    /// Whether these are the bytes of `text`.
    @inline(__always)
    func equals(_ text: StaticString) -> Bool {
        count == text.utf8CodeUnitCount
            && (count == 0 || memcmp(baseAddress.unsafelyUnwrapped, text.utf8Start, count) == 0)
    }

    func hasPrefix(_ text: StaticString) -> Bool {
        count >= text.utf8CodeUnitCount
            && UnsafeRawBufferPointer(rebasing: self[..<text.utf8CodeUnitCount]).equals(text)
    }
}
