// All that was ever stored, revision by revision: what the events of the whole key space come to.
//
// etcd numbers its changes: the order of all transactions is there for everybody to read. With the
// complete list of changes every read can be compared with the state it must have seen, and every
// write with what it must have done.

/// Something that happened at one revision.
public struct Change: Hashable, Sendable {
    public let revision: Int64
    /// In the order in which they were carried out; at least one.
    public let events: [KeyEvent]
}

/// The replayed changes of a store that began empty, at revision 1.
public struct ReplayedHistory {
    private struct Version {
        let revision: Int64
        /// Nil: deleted.
        let pair: Pair?
    }

    public private(set) var changes: [Change] = []
    /// What cannot be in the changes themselves: gaps, wrong versions, deletions of nothing.
    public private(set) var violations: [Violation] = []
    private var versions: [String: [Version]] = [:]
    /// In order, for ranges.
    private var keys: [String] = []

    /// - Parameter events: by revision, all of them; each revision's events in their order.
    public init(_ events: [Int64: [KeyEvent]]) {
        var expected: Int64 = 2
        for (revision, events) in events.sorted(by: { $0.key < $1.key }) {
            if revision != expected {
                violations.append(
                    Violation(
                        "every revision is a change that watchers see",
                        "nothing at \(expected), the next is \(revision)"))
            }
            expected = revision + 1
            changes.append(Change(revision: revision, events: events))
            for event in events { apply(event) }
        }
        keys = versions.keys.sorted()
    }

    private mutating func apply(_ event: KeyEvent) {
        let key = event.pair.key
        let before = versions[key]?.last?.pair
        let revision = event.revision
        if event.isDelete {
            if before == nil {
                violations.append(
                    Violation("only what exists is deleted", "\(key) at \(revision)"))
            }
        } else {
            let wanted = Pair(
                key: key, value: event.pair.value, created: before?.created ?? revision,
                modified: revision, version: (before?.version ?? 0) + 1, lease: event.pair.lease)
            if event.pair != wanted {
                violations.append(
                    Violation(
                        "a pair knows its own past",
                        "\(event.pair) at \(revision) should be \(wanted)"))
            }
        }
        versions[key, default: []].append(
            Version(revision: revision, pair: event.isDelete ? nil : event.pair))
    }

    /// The newest revision.
    public var last: Int64 { changes.last?.revision ?? 1 }

    /// The events of `revision`; none if there is no such.
    public func events(at revision: Int64) -> [KeyEvent] {
        let index = changes.partitioningIndex { $0.revision >= revision }
        guard index < changes.count, changes[index].revision == revision else { return [] }
        return changes[index].events
    }

    /// The changes of the revisions `from` to `through`.
    public func changes(from: Int64, through: Int64) -> ArraySlice<Change> {
        let start = changes.partitioningIndex { $0.revision >= from }
        let end = changes.partitioningIndex { $0.revision > through }
        return start < end ? changes[start..<end] : []
    }

    /// The pair of `key` as it stood after `revision`.
    public func pair(_ key: String, at revision: Int64) -> Pair? {
        guard let versions = versions[key] else { return nil }
        let index = versions.partitioningIndex { $0.revision > revision }
        return index == 0 ? nil : versions[index - 1].pair
    }

    /// The pairs of `span` as they stood after `revision`, in key order.
    public func pairs(_ span: KeySpan, at revision: Int64) -> [Pair] {
        if span.end.isEmpty { return pair(span.key, at: revision).map { [$0] } ?? [] }
        let start = keys.partitioningIndex { $0 >= span.key }
        return keys[start...].prefix { span.contains($0) }.compactMap { pair($0, at: revision) }
    }

    /// The keys attached to `lease` after `revision`, in order.
    public func keys(of lease: Int64, at revision: Int64) -> [String] {
        pairs(.everything, at: revision).filter { $0.lease == lease }.map(\.key)
    }
}

extension RandomAccessCollection {
    /// The first place from which on `belongsToSecond` holds.
    func partitioningIndex(where belongsToSecond: (Element) -> Bool) -> Index {
        var low = startIndex
        var count = self.count
        while count > 0 {
            let half = count / 2
            let middle = index(low, offsetBy: half)
            if belongsToSecond(self[middle]) {
                count = half
            } else {
                low = index(after: middle)
                count -= half + 1
            }
        }
        return low
    }
}
