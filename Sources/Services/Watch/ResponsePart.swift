// Which events go into one response, and where they are written.
//
// A response ends between two revisions, once it is large enough or holds enough of them. Only a
// watcher that allows fragments gets a large revision in parts (reference: semantics.md, Watch).

import API

/// A choice from the events of a watcher's range.
struct ResponsePart: ~Copyable {
    private let watcher: Watcher
    private let events: [Int]
    private let log: EventLog
    private let byteLimit: Int
    private let revisionLimit: Int
    /// nil: no fragments.
    private let fragmentBytes: Int?

    /// What is chosen lies in `events[start..<end]`, those not wanted among it.
    private var start = 0
    private var end = 0
    /// Of the first revision, so many were sent before.
    private var skipped: Int

    /// Events chosen.
    private(set) var count = 0
    /// Their bytes.
    private(set) var bytes = 0
    private(set) var revisions = 0
    private(set) var newest = Revision(0)
    /// Where the next response begins; nil when all is chosen.
    private(set) var next: Revision?
    /// Events of `next` that are sent with this one.
    private(set) var sentOfNext = 0
    private(set) var isFragment = false

    /// A response's header and fields, at most.
    private static let envelope = 64

    init(
        _ watcher: Watcher, _ events: [Int], of log: EventLog, bytes: Int, revisions: Int,
        fragmentBytes: Int?
    ) {
        self.watcher = watcher
        self.events = events
        self.log = log
        byteLimit = bytes
        revisionLimit = revisions
        self.fragmentBytes = fragmentBytes
        skipped = watcher.sentOfNext
    }

    private var withPrevious: Bool { watcher.options.contains(.previous) }

    private func size(_ event: EventLog.Event) -> Int {
        event.encoded(withPrevious: withPrevious).count
    }

    /// The place of the first event from `revision` on.
    private func firstPlace(from revision: Revision) -> Int {
        guard let last = events.last, log[last].revision >= revision else { return events.count }
        var low = 0
        var high = events.count
        while low < high {
            let middle = (low + high) / 2
            if log[events[middle]].revision < revision { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Chooses.
    mutating func take() {
        start = firstPlace(from: watcher.next)
        end = start
        while end < events.count {
            let revision = log[events[end]].revision
            guard revisions < revisionLimit, bytes < byteLimit else {
                next = revision
                return
            }
            guard take(revision) else {
                next = revision
                return
            }
        }
    }

    /// Takes the events of a revision, from `end` on.
    /// - Returns: false when some, or all, are left for the next response.
    private mutating func take(_ revision: Revision) -> Bool {
        let before = (end, count, bytes)
        var toSkip = revisions == 0 && revision == watcher.next ? skipped : 0
        var sent = toSkip
        while end < events.count {
            let event = log[events[end]]
            guard event.revision == revision else { break }
            if watcher.wants(event) {
                if toSkip > 0 {
                    toSkip -= 1
                } else {
                    let size = size(event)
                    if let limit = fragmentBytes, count > 0,
                        Self.envelope + bytes + size >= limit
                    {
                        return cut(revision, before, sent)
                    }
                    count += 1
                    bytes += size
                    sent += 1
                }
            }
            end += 1
        }
        if count > before.1 {
            revisions += 1
            newest = revision
        }
        return true
    }

    /// What is before this revision makes a response of its own; else this is a part of it.
    private mutating func cut(
        _ revision: Revision, _ before: (end: Int, count: Int, bytes: Int), _ sent: Int
    ) -> Bool {
        if before.count > 0 {
            (end, count, bytes) = before
        } else {
            isFragment = true
            sentOfNext = sent
            revisions = 1
            newest = revision
        }
        return false
    }

    /// Shows what was chosen, encoded.
    func forEach(_ body: (UnsafeRawBufferPointer) -> Void) {
        var toSkip = skipped
        for place in start..<end {
            let event = log[events[place]]
            guard watcher.wants(event) else { continue }
            if toSkip > 0, event.revision == watcher.next {
                toSkip -= 1
                continue
            }
            body(event.encoded(withPrevious: withPrevious))
        }
    }
}

/// Where a response is written.
struct ResponsePlace {
    private let buffer: UnsafeMutableRawBufferPointer
    private(set) var count = 0

    init(_ buffer: UnsafeMutableRawBufferPointer) { self.buffer = buffer }

    @inline(__always)
    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        UnsafeMutableRawBufferPointer(rebasing: buffer[count...]).copyMemory(from: bytes)
        count += bytes.count
    }

    /// Fields 2 and 7 of a WatchResponse.
    @inline(__always)
    mutating func append(_ id: WatchID, isFragment: Bool) {
        if id.rawValue != 0 {
            append(2 << 3)
            var rest = UInt64(bitPattern: id.rawValue)
            while rest >= 0x80 {
                append(UInt8(truncatingIfNeeded: rest) | 0x80)
                rest >>= 7
            }
            append(UInt8(truncatingIfNeeded: rest))
        }
        if isFragment {
            append(7 << 3)
            append(1)
        }
    }

    @inline(__always)
    private mutating func append(_ byte: UInt8) {
        buffer[count] = byte
        count += 1
    }
}
