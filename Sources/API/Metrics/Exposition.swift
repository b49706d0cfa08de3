// The Prometheus text format, written as Go's client writes it: number format, escapes, order.

struct Exposition {
    private(set) var bytes: [UInt8] = []

    mutating func head(_ name: String, _ family: MetricsRegistry.Family) {
        append("# HELP \(name) \(Self.escaped(family.help, quotes: false))\n")
        append("# TYPE \(name) \(family.kind.rawValue)\n")
    }

    mutating func series(_ name: String, _ labels: String, _ source: MetricsRegistry.Source) {
        switch source {
        case .counter(let counter): line(name, labels, Self.number(Double(counter.value)))
        case .gauge(let gauge): line(name, labels, Self.number(Double(gauge.value)))
        case .read(let read): line(name, labels, Self.number(read()))
        case .histogram(let histogram): lines(name, labels, histogram)
        }
    }

    private mutating func lines(_ name: String, _ labels: String, _ histogram: Histogram) {
        let (buckets, sum) = histogram.reading
        var count: UInt64 = 0
        for (index, bucket) in buckets.enumerated() {
            count += bucket
            let isLast = index == histogram.bounds.count
            let bound = isLast ? "+Inf" : Self.number(histogram.bounds[index])
            let all = labels.isEmpty ? "le=\"\(bound)\"" : "\(labels),le=\"\(bound)\""
            line(name + "_bucket", all, String(count))
        }
        line(name + "_sum", labels, Self.number(sum))
        line(name + "_count", labels, String(count))
    }

    private mutating func line(_ name: String, _ labels: String, _ value: String) {
        append(name)
        if !labels.isEmpty { append("{\(labels)}") }
        append(" \(value)\n")
    }

    private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

    /// `a="1",b="2"`, sorted by name.
    static func written(_ labels: [MetricLabel]) -> String {
        labels.sorted { $0.name < $1.name }
            .map { "\($0.name)=\"\(escaped($0.value, quotes: true))\"" }.joined(separator: ",")
    }

    static func escaped(_ text: String, quotes: Bool) -> String {
        let special: [UInt8] = [UInt8(ascii: "\\"), UInt8(ascii: "\n"), UInt8(ascii: "\"")]
        guard text.utf8.contains(where: special.contains) else { return text }
        var out = ""
        for character in text.unicodeScalars {
            switch character {
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\"" where quotes: out += "\\\""
            default: out.unicodeScalars.append(character)
            }
        }
        return out
    }

    /// The shortest digits that give the number back; an exponent of at least two digits from
    /// a million up and below a ten-thousandth (Go: `strconv.FormatFloat(x, 'g', -1, 64)`).
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if value == 0 { return "0" }
        let sign = value < 0 ? "-" : ""
        let (digits, exponent) = decimal(value.magnitude)
        if exponent < -4 || exponent >= 6 {
            let fraction = digits.dropFirst()
            let mark = exponent < 0 ? "-" : "+"
            let power = exponent.magnitude
            let point = fraction.isEmpty ? "" : ".\(fraction)"
            return "\(sign)\(digits.prefix(1))\(point)e\(mark)\(power < 10 ? "0" : "")\(power)"
        }
        if exponent < 0 {
            return sign + "0." + String(repeating: "0", count: -exponent - 1) + digits
        }
        let whole = exponent + 1
        if digits.count <= whole {
            return sign + digits + String(repeating: "0", count: whole - digits.count)
        }
        return "\(sign)\(digits.prefix(whole)).\(digits.dropFirst(whole))"
    }

    /// Significant digits d₁d₂d₃… and the exponent of d₁.d₂d₃…, from Swift's own shortest form.
    private static func decimal(_ value: Double) -> (digits: String, exponent: Int) {
        let parts = value.description.split(separator: "e")
        let mantissa = parts[0].split(separator: ".", omittingEmptySubsequences: false)
        var exponent = parts.count == 2 ? Int(parts[1]) ?? 0 : 0
        var digits = mantissa[0] + (mantissa.count == 2 ? mantissa[1] : "")
        exponent += mantissa[0].count - 1
        while digits.hasPrefix("0"), digits.count > 1 {
            digits = digits.dropFirst()
            exponent -= 1
        }
        while digits.hasSuffix("0"), digits.count > 1 { digits = digits.dropLast() }
        return (String(digits), exponent)
    }
}
