// Requests of a Watch stream, and its responses as the checkers take them.

import API
import Checkers

enum WatchRequest {
    static func create(_ start: WatchStart) -> [UInt8] {
        var buffer = ByteBuffer()
        let message = buffer.beginMessage(1)
        buffer.appendField(1, string: start.span.key)
        buffer.appendField(2, string: start.span.end)
        buffer.appendField(3, int64: start.start)
        if start.isPutLeftOut { buffer.appendPresent(5, uint64: 0) }
        if start.isDeleteLeftOut { buffer.appendPresent(5, uint64: 1) }
        buffer.appendField(6, bool: start.wantsPrevious)
        buffer.endMessage(message)
        return buffer.array
    }

    static var progress: [UInt8] {
        var buffer = ByteBuffer()
        buffer.endMessage(buffer.beginMessage(3))
        return buffer.array
    }
}

/// One response of a Watch stream.
struct WatchResponse {
    var revision: Int64 = 0
    var isCreated = false
    var isCanceled = false
    var compacted: Int64 = 0
    /// Why it is over.
    var reason = ""
    var isFragment = false
    var events: [KeyEvent] = []
    var previous: [Pair?] = []

    init(_ bytes: [UInt8]) throws {
        revision = try Workloads.revision(inHeaderOf: bytes)
        try bytes.withUnsafeBytes { bytes in
            var reader = ProtobufReader(bytes)
            while let field = try reader.next() {
                switch field.number {
                case 3: isCreated = try field.bool()
                case 4: isCanceled = try field.bool()
                case 5: compacted = try field.int64()
                case 6: reason = String(decoding: try field.bytes(), as: UTF8.self)
                case 7: isFragment = try field.bool()
                case 11: try add(eventIn: try field.bytes())
                default: break
                }
            }
        }
    }

    private mutating func add(eventIn bytes: UnsafeRawBufferPointer) throws {
        var reader = ProtobufReader(bytes)
        var isDelete = false
        var pair: Pair?
        var before: Pair?
        while let field = try reader.next() {
            switch field.number {
            case 1: isDelete = try field.uint64() == 1
            case 2: pair = Pair(try KeyValueView(decoding: try field.bytes()))
            case 3: before = Pair(try KeyValueView(decoding: try field.bytes()))
            default: break
            }
        }
        guard let pair else { throw UnreadableAnswer(reason: "an event without a pair") }
        events.append(
            isDelete ? KeyEvent(deleted: pair.key, at: pair.modified) : KeyEvent(put: pair))
        previous.append(before)
    }

    /// What the checkers make of it; nil when it says nothing.
    var receipt: WatchReceipt? {
        if compacted > 0 { return .compacted(compacted) }
        if isCreated && !isCanceled { return .created(revision) }
        if !events.isEmpty {
            return .events(events, previous: previous, isFragment: isFragment)
        }
        return isCanceled ? nil : .progress(revision)
    }
}
