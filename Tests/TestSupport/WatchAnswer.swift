// A WatchResponse as a value that tests can compare, read field by field.

import API

/// An event of a watch, keys and values as text.
public struct WatchEvent: Hashable, Sendable, CustomStringConvertible {
    public var isDelete = false
    public var key = ""
    public var value = ""
    public var created: Int64 = 0
    public var modified: Int64 = 0
    public var version: Int64 = 0
    /// The value before, where the watcher wants it and there was one.
    public var previous: String?

    public init() {}

    init(_ bytes: UnsafeRawBufferPointer) throws(WireError) {
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: isDelete = try field.uint64() == 1
            case 2:
                let pair = try KeyValueView(decoding: try field.bytes())
                key = String(decoding: pair.key, as: UTF8.self)
                value = String(decoding: pair.value, as: UTF8.self)
                created = pair.createRevision.rawValue
                modified = pair.modRevision.rawValue
                version = pair.version
            case 3:
                let pair = try KeyValueView(decoding: try field.bytes())
                previous = String(decoding: pair.value, as: UTF8.self)
            default: throw .malformed
            }
        }
    }

    public var description: String {
        let was = previous.map { " was \($0)" } ?? ""
        return isDelete ? "\(modified): \(key) gone\(was)" : "\(modified): \(key)=\(value)\(was)"
    }
}

/// A response of a Watch stream.
public struct WatchAnswer: Hashable, Sendable, CustomStringConvertible {
    public var revision: Int64 = 0
    public var id: Int64 = 0
    public var isCreated = false
    public var isCanceled = false
    public var compacted: Int64 = 0
    public var reason = ""
    public var isFragment = false
    public var events: [WatchEvent] = []

    public init(_ bytes: UnsafeRawBufferPointer) throws(WireError) {
        var reader = ProtobufReader(bytes)
        var last = 0
        while let field = try reader.next() {
            guard field.number >= last else { throw .malformed }  // written in number order
            last = field.number
            switch field.number {
            case 1:
                var header = ProtobufReader(try field.bytes())
                while let part = try header.next() {
                    if part.number == 3 { revision = try part.int64() }
                }
            case 2: id = try field.int64()
            case 3: isCreated = try field.bool()
            case 4: isCanceled = try field.bool()
            case 5: compacted = try field.int64()
            case 6: reason = String(decoding: try field.bytes(), as: UTF8.self)
            case 7: isFragment = try field.bool()
            case 11: events.append(try WatchEvent(try field.bytes()))
            default: throw .malformed
            }
        }
    }

    public init(_ bytes: [UInt8]) throws {
        self = try bytes.withUnsafeBytes { try WatchAnswer($0) }
    }

    /// `#0 created @5`, `#0 6: a=1 @6`, `#-1 @7`.
    public var description: String {
        var words = ["#\(id)"]
        if isCreated { words.append("created") }
        if isCanceled { words.append("canceled") }
        if compacted != 0 { words.append("compacted \(compacted)") }
        if !reason.isEmpty { words.append("(\(reason))") }
        words += events.map(\.description)
        if isFragment { words.append("...") }
        words.append("@\(revision)")
        return words.joined(separator: " ")
    }
}

/// The requests of a Watch stream, encoded.
public enum WatchCommand {
    public static func create(
        _ key: String, to end: String = "", start: Int64 = 0, id: Int64 = 0,
        filters: [UInt64] = [], progress: Bool = false, previous: Bool = false,
        fragment: Bool = false
    ) -> [UInt8] {
        var buffer = ByteBuffer()
        let message = buffer.beginMessage(1)
        buffer.appendField(1, string: key)
        buffer.appendField(2, string: end)
        buffer.appendField(3, int64: start)
        buffer.appendField(4, bool: progress)
        for filter in filters { buffer.appendPresent(5, uint64: filter) }
        buffer.appendField(6, bool: previous)
        buffer.appendField(7, int64: id)
        buffer.appendField(8, bool: fragment)
        buffer.endMessage(message)
        return buffer.array
    }

    public static func cancel(_ id: Int64) -> [UInt8] {
        var buffer = ByteBuffer()
        let message = buffer.beginMessage(2)
        buffer.appendField(1, int64: id)
        buffer.endMessage(message)
        return buffer.array
    }

    public static var progress: [UInt8] {
        var buffer = ByteBuffer()
        buffer.endMessage(buffer.beginMessage(3))
        return buffer.array
    }
}
