// One line of the log, in etcd's two formats (reference: process.md, log lines).

import Glibc
import Logging

struct LogLine {
    let level: Logger.Level
    /// Nanoseconds of Unix time.
    let time: UInt64
    /// The part that speaks, such as `raft`; empty for the member itself.
    let logger: String
    let caller: String
    let message: String
    /// From the logger, the provider and the call, in this order.
    let metadata: [Logger.Metadata]
    let error: (any Error)?

    /// With the line's end.
    func written(as format: LogFormat) -> [UInt8] {
        switch format {
        case .json: json()
        case .console: console()
        }
    }

    private func json() -> [UInt8] {
        var out = JSONText()
        out.raw("{\"level\":\"")
        out.raw(level.zapName)
        out.raw("\",\"ts\":\"")
        out.raw(Self.timestamp(time))
        if !logger.isEmpty {
            out.raw("\",\"logger\":")
            out.string(logger)
            out.raw(",\"caller\":")
        } else {
            out.raw("\",\"caller\":")
        }
        out.string(caller)
        out.raw(",\"msg\":")
        out.string(message)
        writeFields(to: &out, separator: ",")
        out.raw("}\n")
        return out.bytes
    }

    private func console() -> [UInt8] {
        var out = JSONText()
        out.raw("\(Self.timestamp(time))\t\(level.zapName)\t")
        if !logger.isEmpty { out.raw("\(logger)\t") }
        out.raw("\(caller)\t\(message)")
        var fields = JSONText()
        writeFields(to: &fields, separator: ", ", afterName: ": ")
        if !fields.bytes.isEmpty {
            out.raw("\t{")
            out.raw(String(decoding: fields.bytes.dropFirst(2), as: UTF8.self))
            out.raw("}")
        }
        out.raw("\n")
        return out.bytes
    }

    /// Each field after a separator.
    private func writeFields(
        to out: inout JSONText, separator: String, afterName: String = ":"
    ) {
        for part in metadata {
            for (name, value) in part.sorted(by: { $0.key < $1.key }) {
                if name == LogFields.key, case .stringConvertible(let carried) = value,
                    let fields = carried as? LogFields
                {
                    for field in fields.pairs {
                        out.raw(separator)
                        out.string(field.name)
                        out.raw(afterName)
                        out.value(field.value)
                    }
                } else {
                    out.raw(separator)
                    out.string(name)
                    out.raw(afterName)
                    Self.write(value, to: &out)
                }
            }
        }
        if let error {
            out.raw(separator)
            out.string("error")
            out.raw(afterName)
            out.string("\(error)")
        }
    }

    private static func write(_ value: Logger.MetadataValue, to out: inout JSONText) {
        switch value {
        case .string(let text): out.string(text)
        case .stringConvertible(let convertible): out.value(LogValue(convertible))
        case .array(let values): out.list(values) { write($1, to: &$0) }
        case .dictionary(let values):
            out.raw("{")
            for (index, pair) in values.sorted(by: { $0.key < $1.key }).enumerated() {
                if index > 0 { out.raw(",") }
                out.string(pair.key)
                out.raw(":")
                write(pair.value, to: &out)
            }
            out.raw("}")
        }
    }

    /// RFC 3339 in UTC, to the microsecond.
    static func timestamp(_ nanoseconds: UInt64) -> String {
        var seconds = time_t(nanoseconds / 1_000_000_000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func padded(_ number: some BinaryInteger, _ width: Int) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let date = "\(padded(parts.tm_year + 1900, 4))-\(padded(parts.tm_mon + 1, 2))-"
        let day = "\(padded(parts.tm_mday, 2))T\(padded(parts.tm_hour, 2)):"
        let clock = "\(padded(parts.tm_min, 2)):\(padded(parts.tm_sec, 2))."
        return date + day + clock + padded(nanoseconds % 1_000_000_000 / 1_000, 6) + "Z"
    }
}

extension Logger.Level {
    /// zap knows fewer levels than swift-log.
    var zapName: String {
        switch self {
        case .trace, .debug: "debug"
        case .info, .notice: "info"
        case .warning: "warn"
        case .error: "error"
        case .critical: "fatal"
        }
    }
}

extension LogLevel {
    /// The lowest level of swift-log that is written.
    var threshold: Logger.Level {
        switch self {
        case .debug: .debug
        case .info: .info
        case .warn: .warning
        case .error: .error
        case .dpanic, .panic, .fatal: .critical
        }
    }
}
