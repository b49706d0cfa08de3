// The log of a member: swift-log in front, zap's lines behind.

import API
import Glibc
import Logging

/// Makes loggers that write to one sink in one format. There is no global state: each component
/// is handed its logger.
public struct ServerLog: Sendable {
    private let sink: LogSink
    private let format: LogFormat
    private let level: Logger.Level
    private let clock: any WallClock

    public init(
        to sink: LogSink, level: LogLevel = .info, format: LogFormat = .json,
        clock: any WallClock = SystemClock()
    ) {
        self.sink = sink
        self.format = format
        self.level = level.threshold
        self.clock = clock
    }

    /// As configured.
    public init(_ configuration: Configuration.Logging) throws(LogSinkError) {
        self.init(
            to: try LogSink(configuration.outputs), level: configuration.level,
            format: configuration.format)
    }

    /// - Parameter part: shown as `logger`, such as `raft`; empty for the member itself.
    public func logger(_ part: String = "") -> Logger {
        let handler = ZapHandler(
            part: part, sink: sink, format: format, clock: clock, logLevel: level)
        return Logger(label: part) { _ in handler }
    }
}

struct ZapHandler: LogHandler {
    let part: String
    let sink: LogSink
    let format: LogFormat
    let clock: any WallClock
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    subscript(metadataKey key: String) -> Logger.MetadataValue? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let line = LogLine(
            level: event.level, time: clock.nanosecondsSinceEpoch, logger: part,
            caller: "\(event.file):\(event.line)", message: event.message.description,
            metadata: [metadata, metadataProvider?.get() ?? [:], event.metadata ?? [:]],
            error: event.error)
        sink.write(line.written(as: format))
    }
}
