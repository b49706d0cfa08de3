// Events, each once, however many watchers they are for.
//
// An event lies encoded as it will stand in a response, in each form that somebody wants; a
// watcher's response is a copy of those bytes. Events have consecutive numbers; the oldest go when
// the log holds more bytes than it may, and whoever still needed them reads the store instead.

import API
import DequeModule
import Glibc

/// A run of encoded events in the order they happened. Confined to its owner.
final class EventLog {
    /// An event. The bytes are valid until the log lets it go.
    struct Event {
        let revision: Revision
        let isDelete: Bool
        fileprivate let block: UnsafeMutableRawPointer
        fileprivate let plainBytes: UInt32
        /// 0: not encoded in that form.
        fileprivate let previousBytes: UInt32

        @inline(__always)
        func encoded(withPrevious: Bool) -> UnsafeRawBufferPointer {
            guard withPrevious else {
                return UnsafeRawBufferPointer(start: block, count: Int(plainBytes))
            }
            precondition(previousBytes > 0, "an event was not encoded with the previous pair")
            return UnsafeRawBufferPointer(
                start: block + Int(plainBytes), count: Int(previousBytes))
        }

        fileprivate var cost: Int { Int(plainBytes) + Int(previousBytes) + Event.overhead }
        /// The entry, its block's header and rounding.
        private static let overhead = 64
    }

    private var events: Deque<Event> = []
    /// The number of the oldest event.
    private(set) var first = 0
    /// Bytes held, all told.
    private(set) var bytes = 0
    /// The newest revision of which an event was let go for want of room.
    private(set) var evictedThrough = Revision(0)
    private let limitBytes: Int
    private var scratch = ByteBuffer()

    /// - Parameter limitBytes: beyond it the oldest events go; the newest one always stays.
    init(limitBytes: Int) { self.limitBytes = limitBytes }

    deinit { for event in events { free(event.block) } }

    var isEmpty: Bool { events.isEmpty }
    var count: Int { events.count }
    /// The number of the next event.
    var end: Int { first + events.count }

    /// The event of that number, which the log still has.
    @inline(__always)
    subscript(number: Int) -> Event { events[number - first] }

    /// Appends an event.
    /// - Parameters:
    ///   - encoded: the stored record.
    ///   - previous: the encoded pair before, empty if there was none; nil when nobody wants it.
    /// - Returns: its number.
    func append(
        _ revision: Revision, isDelete: Bool, encoded: UnsafeRawBufferPointer,
        previous: UnsafeRawBufferPointer?
    ) -> Int {
        scratch.removeAll(keepingAtMost: 64 << 10)
        write(revision, isDelete, encoded, previous: nil)
        let plainBytes = scratch.count
        if let previous {
            write(revision, isDelete, encoded, previous: previous.isEmpty ? nil : previous)
        }
        guard let block = malloc(scratch.count) else {
            preconditionFailure("out of memory for \(scratch.count) bytes")
        }
        scratch.withUnsafeBytes { bytes in
            UnsafeMutableRawBufferPointer(start: block, count: bytes.count).copyMemory(from: bytes)
        }
        let event = Event(
            revision: revision, isDelete: isDelete, block: block, plainBytes: UInt32(plainBytes),
            previousBytes: UInt32(scratch.count - plainBytes))
        events.append(event)
        bytes += event.cost
        while bytes > limitBytes, events.count > 1 { evict() }
        return end - 1
    }

    private func write(
        _ revision: Revision, _ isDelete: Bool, _ encoded: UnsafeRawBufferPointer,
        previous: UnsafeRawBufferPointer?
    ) {
        if isDelete {
            scratch.appendDeleteEvent(encoded, at: revision, previous: previous)
        } else {
            scratch.appendPutEvent(encoded, previous: previous)
        }
    }

    private func evict() {
        let event = events.removeFirst()
        first += 1
        bytes -= event.cost
        evictedThrough = max(evictedThrough, event.revision)
        free(event.block)
    }

    /// Lets all events go: nobody needs them any more.
    func removeAll() {
        for event in events { free(event.block) }
        first += events.count
        events.removeAll(keepingCapacity: events.count < 1024)
        bytes = 0
    }
}
