// Numbers, truth, durations and quoted strings as Go's strconv and time packages write and read
// them: the notation of etcd's command line.

enum GoNotation {
    private static let syntax = FlagValueError("parse error")
    private static let range = FlagValueError("value out of range")

    static func bool(_ text: String) throws(FlagValueError) -> Bool {
        switch text {
        case "1", "t", "T", "true", "TRUE", "True": return true
        case "0", "f", "F", "false", "FALSE", "False": return false
        default: throw syntax
        }
    }

    /// Decimal, or with a prefix `0x`, `0o`, `0`, `0b`; `_` may separate digits.
    static func uint(_ text: String) throws(FlagValueError) -> UInt64 {
        var digits = Substring(text)
        var radix: UInt64 = 10
        let prefixed = digits.prefix(2).lowercased()
        for (prefix, base) in [("0x", 16), ("0o", 8), ("0b", 2)] where prefixed == prefix {
            radix = UInt64(base)
            digits = digits.dropFirst(2)
        }
        if radix == 10, digits.count > 1, digits.first == "0" {
            radix = 8
            digits = digits.dropFirst()
        }
        var value: UInt64 = 0
        var overflowed = false
        var digitIsDue = radix == 10
        for byte in digits.utf8 {
            if byte == UInt8(ascii: "_") {
                guard !digitIsDue, radix != 10 || text.hasPrefix("0") else { throw syntax }
                digitIsDue = true
                continue
            }
            guard let digit = hexDigit(byte), digit < radix else { throw syntax }
            digitIsDue = false
            let (product, over) = value.multipliedReportingOverflow(by: radix)
            let (sum, carry) = product.addingReportingOverflow(digit)
            overflowed = overflowed || over || carry
            value = sum
        }
        guard !digitIsDue, !digits.isEmpty else { throw syntax }
        guard !overflowed else { throw range }
        return value
    }

    static func int(_ text: String) throws(FlagValueError) -> Int64 {
        let isNegative = text.hasPrefix("-")
        let magnitude = try uint(
            String(isNegative || text.hasPrefix("+") ? text.dropFirst() : text[...]))
        if isNegative, magnitude == UInt64(Int64.max) + 1 { return .min }
        guard let value = Int64(exactly: magnitude) else { throw range }
        return isNegative ? -value : value
    }

    private static func hexDigit(_ byte: UInt8) -> UInt64? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt64(byte - UInt8(ascii: "a") + 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt64(byte - UInt8(ascii: "A") + 10)
        default: nil
        }
    }

    private static let units: [(suffix: String, nanoseconds: Int64)] = [
        ("ns", 1), ("us", 1_000), ("µs", 1_000), ("μs", 1_000), ("ms", 1_000_000),
        ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000),
    ]

    /// Nanoseconds of `1h2m3.5s`, `-100ms`, `0`.
    static func duration(_ text: String) throws(FlagValueError) -> Int64 {
        var rest = Substring(text)
        let isNegative = rest.hasPrefix("-")
        if isNegative || rest.hasPrefix("+") { rest = rest.dropFirst() }
        if rest == "0" { return 0 }
        guard !rest.isEmpty else { throw syntax }
        var total: Int64 = 0
        while !rest.isEmpty {
            let (sum, over) = total.addingReportingOverflow(try durationPart(&rest))
            guard !over else { throw syntax }
            total = sum
        }
        return isNegative ? -total : total
    }

    /// Takes one number with its unit off the front.
    private static func durationPart(_ rest: inout Substring) throws(FlagValueError) -> Int64 {
        let whole = rest.prefix { $0.isASCII && $0.isNumber }
        rest = rest.dropFirst(whole.count)
        var fraction: Substring = ""
        if rest.first == "." {
            fraction = rest.dropFirst().prefix { $0.isASCII && $0.isNumber }
            rest = rest.dropFirst(1 + fraction.count)
        }
        guard !(whole.isEmpty && fraction.isEmpty) else { throw syntax }
        let name = rest.prefix { $0 != "." && !($0.isASCII && $0.isNumber) }
        rest = rest.dropFirst(name.count)
        guard let unit = units.first(where: { $0.suffix == name })?.nanoseconds,
            let count = Int64(whole.isEmpty ? "0" : String(whole))
        else { throw syntax }
        let (value, over) = count.multipliedReportingOverflow(by: unit)
        let (sum, carry) = value.addingReportingOverflow(scaled(fraction, unit))
        guard !over, !carry else { throw syntax }
        return sum
    }

    private static func scaled(_ fraction: Substring, _ unit: Int64) -> Int64 {
        var value: Int64 = 0
        var scale = unit
        for byte in fraction.utf8 {
            let digit = Int64(byte - UInt8(ascii: "0"))
            value += digit * scale / 10
            scale /= 10
        }
        return value
    }

    /// As Go prints a duration: `1m0s`, `1.5s`, `100ms`, `0s`.
    static func text(durationNanoseconds nanoseconds: Int64) -> String {
        guard nanoseconds != 0 else { return "0s" }
        let sign = nanoseconds < 0 ? "-" : ""
        let magnitude = nanoseconds.magnitude
        if magnitude < 1_000_000_000 {
            let (unit, name): (UInt64, String) =
                magnitude < 1_000
                ? (1, "ns") : magnitude < 1_000_000 ? (1_000, "µs") : (1_000_000, "ms")
            return sign + decimal(magnitude, unit) + name
        }
        let seconds = decimal(magnitude % 60_000_000_000, 1_000_000_000) + "s"
        let minutes = magnitude / 60_000_000_000
        if minutes == 0 { return sign + seconds }
        if minutes < 60 { return "\(sign)\(minutes)m\(seconds)" }
        return "\(sign)\(minutes / 60)h\(minutes % 60)m\(seconds)"
    }

    private static func decimal(_ value: UInt64, _ unit: UInt64) -> String {
        var digits = String(value % unit + unit).dropFirst()
        while digits.last == "0" { digits.removeLast() }
        return digits.isEmpty ? "\(value / unit)" : "\(value / unit).\(digits)"
    }

    /// A string in double quotes with Go's escapes (`%q`).
    static func quoted(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\r": out += "\\r"
            case "\t": out += "\\t"
            case let control where control.value < 0x20 || control.value == 0x7f:
                let hex = String(control.value, radix: 16)
                out += "\\x" + (hex.count < 2 ? "0" : "") + hex
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }
}
