// The text of a flag, read as Go's flag package and etcd's own flag types read it, with their
// words for what is wrong: scripts and people compare them.

enum FlagValue: Hashable, Sendable {
    case text(String)
    case bool(Bool)
    case int(Int64)
    case uint(UInt64)
    /// Nanoseconds.
    case duration(Int64)
    case urls([ServerURL])
    /// nil is any.
    case origins([ServerURL]?)
    case list([String])
    case gates(FeatureGates)
}

/// Why a text is no value of its flag; the words after the flag's name.
struct FlagValueError: Error, Hashable {
    let reason: String
    init(_ reason: String) { self.reason = reason }
}

extension FlagKind {
    func parse(_ text: String) throws(FlagValueError) -> FlagValue {
        switch self {
        case .text: return .text(text)
        case .bool: return .bool(try GoNotation.bool(text))
        case .int: return .int(try GoNotation.int(text))
        case .uint: return .uint(try GoNotation.uint(text))
        case .uint32: return .uint(try parseUInt32(text))
        case .duration: return .duration(try GoNotation.duration(text))
        case .urls: return .urls(try ServerURL.list(text))
        case .origins:
            if text.isEmpty || text == "*" { return .origins(nil) }
            return .origins(try ServerURL.list(text))
        case .list:
            return .list(text.isEmpty ? [] : text.split(separator: ",").map(String.init))
        case .choice(let allowed):
            guard allowed.contains(text) else { throw FlagValueError("invalid value") }
            return .text(text)
        case .v2Deprecation:
            guard Self.v2DeprecationValues.contains(text) else {
                throw FlagValueError("invalid value \(GoNotation.quoted(text))")
            }
            return .text(text)
        case .featureGates: return .gates(try FeatureGates(parsing: text))
        }
    }

    private static let v2DeprecationValues = [
        "write-only", "write-only-skip-check", "write-only-drop-data", "gone",
    ]

    /// etcd's own type: decimal only, and strconv's words instead of the flag package's.
    private func parseUInt32(_ text: String) throws(FlagValueError) -> UInt64 {
        let call = "strconv.ParseUint: parsing \(GoNotation.quoted(text))"
        guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }) else {
            throw FlagValueError("\(call): invalid syntax")
        }
        guard let value = UInt32(text) else {
            throw FlagValueError("\(call): value out of range")
        }
        return UInt64(value)
    }
}
