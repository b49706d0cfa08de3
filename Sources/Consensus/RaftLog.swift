// The part of the log that is in memory.
//
//     compacted   applied        stored       handed       last
//         |----------|--------------|------------|-----------|
//         forgotten | kept for followers | being written | not given to the disk yet
//
// Entries behind `applied` stay for followers that lag a little, bounded by count and by bytes:
// 5000 entries of 1.5 MB would pin 7.5 GB. A follower that needs more than is kept cannot be
// served from the log; it must be sent a snapshot of the state instead.
//
// `stored` never passes an entry that was overwritten since it was written: whoever truncates
// clamps the writes that are under way as well (RaftCore.truncate), so an old write that completes
// late cannot vouch for entries that came after it, even if they look the same again.

import API
import DequeModule

struct RaftLog: Equatable, Sendable {
    private var entries: Deque<Entry>
    /// The last place that is not in memory any more.
    private(set) var compacted: LogPosition
    /// No configuration change stands behind this place.
    private var newestChange: LogIndex
    /// Payload bytes and bookkeeping of all entries held.
    private(set) var bytes: Int
    /// Given to the disk through here.
    private(set) var handed: LogIndex
    /// On disk through here.
    private(set) var stored: LogIndex

    /// - Parameter entries: contiguous after `compacted`.
    init(compacted: LogPosition, entries: [Entry], areStored: Bool) {
        self.compacted = compacted
        self.entries = Deque(entries)
        newestChange = entries.last { $0.kind != .normal }?.index ?? .zero
        bytes = entries.reduce(0) { $0 + $1.cost }
        handed = areStored ? compacted.index + entries.count : compacted.index
        stored = handed
    }

    var last: LogIndex { compacted.index + entries.count }
    var end: LogPosition {
        guard let entry = entries.last else { return compacted }
        return LogPosition(index: entry.index, term: entry.term)
    }

    /// nil if the place is compacted or past the end.
    func term(at index: LogIndex) -> Term? {
        if index == compacted.index { return compacted.term }
        guard index > compacted.index, index <= last else { return nil }
        return entries[offset(index)].term
    }

    func contains(_ position: LogPosition) -> Bool { term(at: position.index) == position.term }

    /// Whether a log that ends at `other` is at least as up to date (Raft paper, section 5.4.1).
    func isNotAhead(of other: LogPosition) -> Bool {
        let end = end
        return other.term > end.term || (other.term == end.term && other.index >= end.index)
    }

    /// Entries in `(after, through]`, as many as fit into `maxBytes` and `maxCount`, at least one.
    func slice(
        after: LogIndex, through: LogIndex, maxBytes: Int = .max, maxCount: Int = .max
    ) -> [Entry] {
        guard after < through else { return [] }
        let first = offset(after.next)
        var end = first
        let limit = min(offset(through) + 1, maxCount < entries.count ? first + maxCount : .max)
        if maxBytes == .max {
            end = limit
        } else {
            var size = 0
            while end < limit {
                size += entries[end].cost
                if size > maxBytes, end > first { break }
                end += 1
            }
        }
        return Array(entries[first..<end])
    }

    /// The largest place at or before `position.index` whose term does not pass `position.term`:
    /// everything after it cannot match (etcd raft, findConflictByTerm; Raft paper, end of 5.3).
    /// Its term is 0 where this log cannot tell.
    func possibleMatch(_ position: LogPosition) -> LogPosition {
        var index = min(position.index, last)
        while index > .zero {
            guard let ours = term(at: index) else {
                return LogPosition(index: index, term: .zero)
            }
            if ours <= position.term { return LogPosition(index: index, term: ours) }
            index = index.previous
        }
        return .start
    }

    /// How many of `incoming` stand in this log already, counted from the first.
    func countPresent(of incoming: [Entry]) -> Int {
        var count = 0
        for entry in incoming {
            guard contains(LogPosition(index: entry.index, term: entry.term)) else { break }
            count += 1
        }
        return count
    }

    /// Whether `(after, through]` holds a configuration change.
    func hasConfigurationChange(after: LogIndex, through: LogIndex) -> Bool {
        // Asked in every step, and changes are rare.
        guard after < through, after < newestChange else { return false }
        return entries[offset(after.next)...offset(through)].contains { $0.kind != .normal }
    }

    /// The last change before the newest, if there are two behind `after`.
    func changeBeforeNewest(after: LogIndex) -> LogIndex? {
        guard after < newestChange, after >= compacted.index, after < last else { return nil }
        return entries[offset(after.next)...].filter { $0.kind != .normal }.dropLast().last?.index
    }

    mutating func append(_ entry: Entry) {
        if entry.kind != .normal { newestChange = entry.index }
        entries.append(entry)
        bytes += entry.cost
    }

    /// Forgets everything after `index`.
    mutating func truncate(after index: LogIndex) {
        while last > index {
            bytes -= entries.removeLast().cost
        }
        newestChange = min(newestChange, index)
        handed = min(handed, index)
        stored = min(stored, index)
    }

    /// Begins anew behind `position`, which this log does not hold (Raft paper, figure 13).
    mutating func restart(at position: LogPosition) {
        entries.removeAll()
        bytes = 0
        newestChange = .zero
        compacted = position
        handed = position.index
        stored = position.index
    }

    /// What the disk has not been given yet; it counts as given then.
    mutating func handOut() -> [Entry] {
        let slice = slice(after: handed, through: last)
        handed = last
        return slice
    }

    /// The disk holds everything through `index`.
    mutating func markStored(through index: LogIndex) {
        precondition(index <= handed, "stored \(index) but handed out \(handed) only")
        stored = max(stored, index)
    }

    /// Forgets entries behind `applied` until at most `maxCount` of those, and at most `maxBytes`
    /// in all or none behind `applied`, are left. What the disk does not hold is never forgotten.
    mutating func compact(behind applied: LogIndex, maxCount: Int, maxBytes: Int) {
        let applied = min(applied, stored)
        while let first = entries.first, first.index <= applied,
            bytes > maxBytes || applied.distance(from: compacted.index) > maxCount
        {
            forget(first)
        }
    }

    /// Forgets entries through `index`, which is applied, but for what the disk does not hold.
    mutating func compact(through index: LogIndex) {
        let index = min(index, stored)
        while let first = entries.first, first.index <= index { forget(first) }
    }

    private mutating func forget(_ first: Entry) {
        compacted = LogPosition(index: first.index, term: first.term)
        bytes -= first.cost
        entries.removeFirst()
    }

    private func offset(_ index: LogIndex) -> Int { index.distance(from: compacted.index) - 1 }

    func checkInvariants() {
        precondition(compacted.index <= stored, "compacted past what is stored")
        precondition(stored <= handed, "stored \(stored) past what was handed out \(handed)")
        precondition(handed <= last, "handed out \(handed) past the log's end \(last)")
    }

    /// Every entry in its place, terms never falling: linear, for tests.
    func checkEntries() {
        var position = compacted
        for entry in entries {
            precondition(entry.index == position.index.next, "a gap before \(entry.index)")
            precondition(entry.term >= position.term, "the term falls at \(entry.index)")
            position = LogPosition(index: entry.index, term: entry.term)
        }
        precondition(bytes == entries.reduce(0) { $0 + $1.cost }, "bytes are miscounted")
    }
}

extension Entry {
    /// What an entry costs in memory and on the wire besides its payload, roughly, in bytes.
    static let overhead = 64
    var cost: Int { data.count + Self.overhead }
}
