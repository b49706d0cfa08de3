// Watchers that fell behind, or began in the past, read the store, a slice at a time.
//
// What a slice has read is kept for a moment: informers that reconnect together ask for the same
// range from the same revision, and the store is read once for all of them.

import API
import Storage

/// The changes of a range in some revisions, encoded. Never changes once it is read.
struct HistorySlice {
    let group: WatchGroup
    let from: Revision
    /// The revision after the last.
    let next: Revision
    let withPrevious: Bool
    let log: EventLog
    let events: [Int]
}

extension WatchHub {
    /// Slices that are kept while they may be of use.
    private static let keptSlices = 8

    /// Sends a watcher one response from the store.
    /// - Returns: whether it has nothing to wait for any more.
    func advanceInHistory(_ watcher: Watcher, _ work: inout Int) -> Bool {
        if let oldest = store.assumeIsolated({ $0.compacted }), watcher.next < oldest {
            endByCompaction(watcher, oldest)
            return true
        }
        let slice: HistorySlice
        do throws(StoreError) { slice = try self.slice(for: watcher, &work) } catch {
            fail(error)
            return true
        }
        let isDone = tell(
            watcher, slice.events, of: slice.log, through: Revision(slice.next.rawValue - 1),
            isLive: false, &work)
        guard isDone, watcher.next > newest else { return false }
        clearReadsHistory(watcher)
        return true
    }

    /// The watcher's next changes are gone for good (reference: semantics.md, Watch: no reason, and
    /// a header without a revision).
    private func endByCompaction(_ watcher: Watcher, _ oldest: Revision) {
        clearReadsHistory(watcher)
        watcher.state.insert(.ended)
        watcher.stream.ended += 1
        var answer = WatchResponseFields(watcher.id)
        answer.isCanceled = true
        answer.compacted = oldest
        respond(answer, Revision(0), on: watcher.stream)
    }

    private func slice(
        for watcher: Watcher, _ work: inout Int
    ) throws(StoreError) -> HistorySlice {
        let wantsPrevious = watcher.options.contains(.previous)
        let kept = slices.first {
            $0.group === watcher.group && $0.from <= watcher.next && watcher.next < $0.next
                && ($0.withPrevious || !wantsPrevious)
        }
        if let kept { return kept }
        let slice = try read(watcher.group, from: watcher.next, &work)
        // A key watched once has nobody to share with, unless it comes in fragments.
        if watcher.group.watchers.count > 1 || slice.log.bytes > settings.responseBytes {
            if slices.count == Self.keptSlices { slices.removeFirst() }
            slices.append(slice)
        }
        return slice
    }

    private func read(
        _ group: WatchGroup, from: Revision, _ work: inout Int
    ) throws(StoreError) -> HistorySlice {
        let reading = HistoryReading(withPrevious: group.wantingPrevious > 0)
        let input = (self, group, reading)
        let next = try store.enter(with: input) { (store, input) throws(StoreError) in
            let (hub, group, reading) = input
            return try group.range.withBounds { (bounds) throws(StoreError) in
                try store.changes(of: bounds, from: from, budget: hub.settings.historyRecords) {
                    (change) throws(StoreError) in
                    try hub.enter(with: (reading, change)) { (hub, input) throws(StoreError) in
                        try hub.take(input.1, into: input.0)
                    }
                }
            }
        }
        let records = Int(clamping: next.rawValue - from.rawValue)
        work -= 2 * min(records, settings.historyRecords)
        return HistorySlice(
            group: group, from: from, next: next, withPrevious: reading.withPrevious,
            log: reading.log, events: reading.events)
    }

    /// - Returns: whether there is room for another revision.
    private func take(
        _ change: StoredChange, into reading: HistoryReading
    ) throws(StoreError) -> Bool {
        reading.events.append(
            try append(change, to: reading.log, withPrevious: reading.withPrevious))
        let revision = change.position.main
        if reading.newest != revision {
            reading.newest = revision
            reading.revisions += 1
        }
        return reading.revisions < settings.responseRevisions
            && reading.log.bytes < settings.responseBytes
    }
}

/// A slice that is being read.
private final class HistoryReading {
    let log = EventLog(limitBytes: .max)
    let withPrevious: Bool
    var events: [Int] = []
    var newest = Revision(0)
    var revisions = 0

    init(withPrevious: Bool) { self.withPrevious = withPrevious }
}
