// Messages from JSON (protobuf's JSON mapping; reference: http-endpoints.md, JSON gateway): names in
// either spelling, numbers as such or as strings, unknown names passed over.

/// Why a JSON document is not a message.
public struct JSONMessageError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String
}

extension MessageSchema {
    /// The encoded message that a document stands for.
    public func encode(_ document: JSONValue) throws(JSONMessageError) -> [UInt8] {
        guard case .object(let members) = document else {
            throw JSONMessageError(description: "proto: syntax error: unexpected token")
        }
        var bytes: [UInt8] = []
        for member in members {
            guard let field = field(named: member.name) else { continue }
            switch member.value {
            case .null: continue
            case .array(let elements) where field.isRepeated:
                for element in elements { try Self.encode(element, as: field, to: &bytes) }
            default:
                guard !field.isRepeated else { throw Self.invalid(member.value, for: field) }
                try Self.encode(member.value, as: field, to: &bytes)
            }
        }
        return bytes
    }

    private static func invalid(_ value: JSONValue, for field: Field) -> JSONMessageError {
        let name = String(decoding: field.name, as: UTF8.self)
        let text = "\(value)".prefix(100)
        return JSONMessageError(description: "proto: invalid value for field \(name): \(text)")
    }

    /// Written although it is zero: what is one of several has been chosen by that.
    private static func encode(
        _ value: JSONValue, as field: Field, to bytes: inout [UInt8]
    ) throws(JSONMessageError) {
        func number(_ number: UInt64?) throws(JSONMessageError) {
            guard let number else { throw invalid(value, for: field) }
            bytes.appendVarint(UInt64(field.number) << 3)
            bytes.appendVarint(number)
        }
        func content(_ content: [UInt8]?) throws(JSONMessageError) {
            guard let content else { throw invalid(value, for: field) }
            bytes.appendVarint(UInt64(field.number) << 3 | 2)
            bytes.appendVarint(UInt64(content.count))
            bytes.append(contentsOf: content)
        }
        switch field.kind {
        case .bool: try number(value.asBool.map { $0 ? 1 : 0 })
        case .narrow(isSigned: true):
            try number(value.digits.flatMap { Int32($0) }.map { UInt64(bitPattern: Int64($0)) })
        case .narrow(isSigned: false):
            try number(value.digits.flatMap { UInt32($0) }.map { UInt64($0) })
        case .wide(isSigned: true):
            try number(value.digits.flatMap { Int64($0) }.map { UInt64(bitPattern: $0) })
        case .wide(isSigned: false): try number(value.digits.flatMap { UInt64($0) })
        case .string: try content(value.asString.map { Array($0.utf8) })
        case .bytes: try content(value.asString.flatMap { JSONBytes.decode($0.utf8) })
        case .enumeration(let schema):
            let named = value.asString.flatMap { schema.number(named: $0) }
            let given: Int32? = if case .number(let digits) = value { Int32(digits) } else { nil }
            try number((named ?? given).map { UInt64(bitPattern: Int64($0)) })
        case .message(let schema): try content(try schema.encode(value))
        case .unserved: throw invalid(value, for: field)
        }
    }
}

extension JSONValue {
    /// Of a number, or of a string that may be one.
    fileprivate var digits: String? {
        switch self {
        case .number(let digits), .string(let digits): digits
        default: nil
        }
    }
}

extension [UInt8] {
    fileprivate mutating func appendVarint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(rest))
    }
}
