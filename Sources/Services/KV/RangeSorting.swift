// Orders of a Range other than that of the keys.
//
// A million pairs cannot be kept to be sorted, nor be sorted at one go. Of each pair its place in
// the store is kept and one number that decides most comparisons. They are gathered in runs that
// are small enough to be sorted within a slice; then the runs are merged into the answer, slice by
// slice, and only now are the pairs read. With a limit no run keeps more than that.
//
// Pairs that compare equal stay in the order of their keys, whichever way is sorted. (etcd promises
// nothing there; for a dozen pairs it happens to do the same.)

import API
import Storage

/// The pairs of one Range, gathered and given out in another order. Confined to the store's executor.
final class RangeSorting {
    /// What is kept of a pair. 24 bytes: four million pairs are 100 MB.
    private struct Entry {
        let position: RevisionPosition
        /// Pairs with different ranks are in the order of these.
        let rank: UInt64
    }

    /// Sorted; what was taken from it lies before `place`.
    private struct Run {
        var entries: [Entry]
        var place = 0
        /// Which run it is: of equal entries the earlier run's comes first.
        let number: Int
        var head: Entry { entries[place] }
    }

    private let target: SortTarget
    private let isDescending: Bool
    /// How many pairs are given out at most.
    let limit: Int
    /// How many pairs were gathered.
    private(set) var added = 0
    private var given = 0
    private let runLength: Int
    private var gathering: [Entry] = []
    /// A heap by the heads of the runs; in the order of keys, simply the runs.
    private var runs: [Run] = []
    private var runsMade = 0

    /// nil when the request wants keys ascending, the order in which they are read.
    init?(_ request: RangeRequest, limit: Int) {
        guard let target = request.sortTarget, let order = request.sortOrder else {
            preconditionFailure("checkRange lets no unknown order through")
        }
        if target == .key && order != .descend { return nil }
        self.target = target
        isDescending = order == .descend
        self.limit = limit
        // Comparing values may mean to read them from the store.
        runLength = target == .value ? 256 : 2048
    }

    /// Memory in bytes: of all pairs that were gathered, some of which may be forgotten.
    var bytes: Int { added * MemoryLayout<Entry>.stride }

    /// Whether pairs must be read to be gathered.
    var readsPairs: Bool { target == .value }

    // MARK: Gathering

    /// Adds a pair; they come in the order of their keys.
    func add(_ version: IndexedVersion, of store: isolated MVCCStore) throws(StoreError) {
        let rank: UInt64 =
            switch target {
            case .key: 0
            case .version: UInt64(bitPattern: version.version)
            case .create: UInt64(bitPattern: version.created.rawValue)
            case .mod: UInt64(bitPattern: version.modified.main.rawValue)
            case .value: head(of: try store.pair(at: version.modified).value)
            }
        gathering.append(Entry(position: version.modified, rank: rank))
        added += 1
        if gathering.count == runLength { try endRun(store) }
    }

    /// All pairs were added.
    func endReading(_ store: isolated MVCCStore) throws(StoreError) {
        if !gathering.isEmpty { try endRun(store) }
    }

    private func endRun(_ store: isolated MVCCStore) throws(StoreError) {
        var entries = gathering
        gathering.removeAll(keepingCapacity: true)
        runsMade += 1
        if target == .key {
            entries.reverse()
            runs.append(Run(entries: entries, number: runsMade))
            forgetFirstKeys()
            return
        }
        var failure: StoreError?
        entries.sort { a, b in
            do throws(StoreError) { return try isBefore(a, b, store) } catch {
                failure = error
                return false
            }
        }
        if let failure { throw failure }
        if entries.count > limit { entries.removeSubrange(limit...) }
        runs.append(Run(entries: entries, number: runsMade))
        try siftUp(store)
    }

    /// The last `limit` keys are all that will be given out.
    private func forgetFirstKeys() {
        // All but the last are of full length.
        let needless = runs.count - (limit / runLength + 2)
        if needless > 0 { runs.removeFirst(needless) }
    }

    // MARK: Order

    private func isBefore(
        _ a: Entry, _ b: Entry, _ store: isolated MVCCStore
    ) throws(StoreError) -> Bool {
        if a.rank != b.rank { return isDescending ? a.rank > b.rank : a.rank < b.rank }
        guard target == .value else { return false }
        let order = try store.compareValues(at: a.position, b.position)
        return isDescending ? order > 0 : order < 0
    }

    private func isBefore(
        _ a: Run, _ b: Run, _ store: isolated MVCCStore
    ) throws(StoreError) -> Bool {
        if try isBefore(a.head, b.head, store) { return true }
        if try isBefore(b.head, a.head, store) { return false }
        return a.number < b.number
    }

    private func siftUp(_ store: isolated MVCCStore) throws(StoreError) {
        var child = runs.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard try isBefore(runs[child], runs[parent], store) else { return }
            runs.swapAt(child, parent)
            child = parent
        }
    }

    private func siftDown(_ store: isolated MVCCStore) throws(StoreError) {
        var parent = 0
        while true {
            var first = parent
            for child in (2 * parent + 1)..<(2 * parent + 3) where child < runs.count {
                if try isBefore(runs[child], runs[first], store) { first = child }
            }
            if first == parent { return }
            runs.swapAt(first, parent)
            parent = first
        }
    }

    // MARK: Giving out

    /// Appends pairs of a RangeResponse, in order, as many as `slice` allows.
    /// - Returns: whether those were the last.
    func emit(
        _ slice: RangeEvaluation.Slice, of store: isolated MVCCStore, keysOnly: Bool,
        into bytes: inout ByteBuffer
    ) throws(StoreError) -> Bool {
        let start = bytes.count
        var pairs = 0
        while given < limit, let entry = try next(store) {
            try append(entry, keysOnly, store, &bytes)
            given += 1
            pairs += 1
            if pairs >= slice.pairs || bytes.count - start >= slice.bytes { return false }
        }
        runs = []
        return true
    }

    private func next(_ store: isolated MVCCStore) throws(StoreError) -> Entry? {
        let top = target == .key ? runs.count - 1 : 0
        guard top >= 0, top < runs.count else { return nil }
        let entry = runs[top].head
        runs[top].place += 1
        let isEmpty = runs[top].place == runs[top].entries.count
        if target == .key {
            if isEmpty { runs.removeLast() }
            return entry
        }
        if isEmpty {
            runs.swapAt(0, runs.count - 1)
            runs.removeLast()
        }
        try siftDown(store)
        return entry
    }

    private func append(
        _ entry: Entry, _ keysOnly: Bool, _ store: isolated MVCCStore, _ bytes: inout ByteBuffer
    ) throws(StoreError) {
        guard keysOnly else {
            return bytes.appendRangePair(stored: try store.encoded(entry.position))
        }
        var pair = try store.pair(at: entry.position)
        if target == .value {
            // Read from the store and not from the index, so the lease is there.
            pair.value = UnsafeRawBufferPointer(start: nil, count: 0)
            bytes.appendRangePair(pair)
        } else {
            bytes.appendRangePairWithoutValue(pair)
        }
    }
}

/// The first eight bytes as a number whose order is that of the bytes; shorter values are padded
/// with zeros, so equal heads decide nothing.
private func head(of value: UnsafeRawBufferPointer) -> UInt64 {
    if value.count >= 8 { return UInt64(bigEndian: value.loadUnaligned(as: UInt64.self)) }
    var head: UInt64 = 0
    for i in 0..<value.count { head |= UInt64(value[i]) << UInt64(56 - 8 * i) }
    return head
}
