// The fields of a log line, typed and in the order they are given. swift-log's metadata is a
// dictionary of texts; readers of etcd's log expect numbers to be numbers, and the same line
// always to look the same.

import Logging

/// A value as the log writes it.
public enum LogValue: Sendable, ExpressibleByStringLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByIntegerLiteral
{
    case string(String)
    case int(Int64)
    case uint(UInt64)
    case double(Double)
    case bool(Bool)
    case strings([String])
    /// Nanoseconds, written as Go writes durations: `1.5s`.
    case duration(UInt64)

    public init(stringLiteral value: String) { self = .string(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(integerLiteral value: Int64) { self = .int(value) }
}

extension LogValue: CustomStringConvertible {
    /// For other log handlers than ours.
    public var description: String {
        switch self {
        case .string(let text): text
        case .int(let number): String(number)
        case .uint(let number): String(number)
        case .double(let number): "\(number)"
        case .bool(let isTrue): isTrue ? "true" : "false"
        case .strings(let texts): "[" + texts.joined(separator: ", ") + "]"
        case .duration(let nanoseconds):
            GoNotation.text(durationNanoseconds: Int64(clamping: nanoseconds))
        }
    }
}

/// An ordered list of fields.
public struct LogFields: Sendable, ExpressibleByDictionaryLiteral, CustomStringConvertible {
    public private(set) var pairs: [(name: String, value: LogValue)]

    public init(dictionaryLiteral elements: (String, LogValue)...) {
        pairs = elements.map { (name: $0.0, value: $0.1) }
    }

    public mutating func append(_ name: String, _ value: LogValue) { pairs.append((name, value)) }

    /// For other log handlers than ours.
    public var description: String {
        pairs.map { $0.name + "=" + $0.value.description }.joined(separator: " ")
    }

    /// The metadata key under which fields travel; no field has this name.
    static let key = ""
}

extension Logger.Metadata {
    /// `logger.info("started", metadata: .fields(["name": .string(name), "port": 2379]))`
    public static func fields(_ fields: LogFields) -> Self {
        [LogFields.key: .stringConvertible(fields)]
    }
}

extension LogValue {
    /// What other layers give as plain metadata: a number or a truth inside
    /// `.stringConvertible` stays one.
    init(_ convertible: any CustomStringConvertible & Sendable) {
        switch convertible {
        case let value as Bool: self = .bool(value)
        case let value as Int: self = .int(Int64(value))
        case let value as Int64: self = .int(value)
        case let value as Int32: self = .int(Int64(value))
        case let value as UInt: self = .uint(UInt64(value))
        case let value as UInt64: self = .uint(value)
        case let value as UInt32: self = .uint(UInt64(value))
        case let value as UInt16: self = .uint(UInt64(value))
        case let value as UInt8: self = .uint(UInt64(value))
        case let value as Double: self = .double(value)
        default: self = .string(convertible.description)
        }
    }
}
