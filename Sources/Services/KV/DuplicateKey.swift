// Which keys one transaction may not change twice (reference: semantics.md, Txn, "Duplicate rules").
//
// A list of operations may put a key only once and may not put what it deletes, for both happen at
// one revision. Nested transactions count with what either branch of theirs may write; the two
// branches exclude each other, so they may write the same. Deletes may overlap.
//
// The rules are not symmetric in one point, as in etcd: a nested delete conflicts with puts of its
// later siblings, not of earlier ones.

import API
import Storage

/// A transaction would change a key twice.
struct DuplicateKey: Error {
    /// Checks both branches, each by itself.
    static func check(_ txn: TxnRequest) throws(DuplicateKey) {
        try check(txn.success)
        try check(txn.failure)
    }

    /// Most lists have one write at most, which nothing can conflict with.
    private static func check(_ list: MessageList<RequestOp>) throws(DuplicateKey) {
        var writes = 0
        for op in list {
            switch op.operation {
            case .range, nil: break
            case .put, .deleteRange: writes += 1
            case .txn: writes += 2
            }
        }
        if writes > 1 { _ = try WrittenKeys(list) }
    }
}

/// The keys that a list of operations may put and delete, nested ones included. Views of the
/// request's bytes.
private struct WrittenKeys {
    private var puts: Set<KeyBytes> = []
    private var deletes = KeyIntervals()

    init(_ list: MessageList<RequestOp>) throws(DuplicateKey) {
        var own: [KeyIntervals.Interval] = []
        for op in list {
            guard case .deleteRange(let request) = op.operation else { continue }
            if let interval = KeyIntervals.Interval(request) { own.append(interval) }
        }
        deletes = KeyIntervals(own)
        for op in list {
            if case .txn(let txn) = op.operation { try add(txn) }
        }
        for op in list {
            guard case .put(let request) = op.operation else { continue }
            let key = KeyBytes(bytes: request.key)
            guard !deletes.contains(key.bytes), puts.insert(key).inserted else {
                throw DuplicateKey()
            }
        }
    }

    private mutating func add(_ txn: TxnRequest) throws(DuplicateKey) {
        var either = try WrittenKeys(txn.success)
        var other = try WrittenKeys(txn.failure)
        either.puts.take(&other.puts)
        guard puts.isDisjoint(fromSmaller: either.puts) else { throw DuplicateKey() }
        // Before its own deletes are added: within it they were checked.
        guard !deletes.containsAny(of: either.puts) else { throw DuplicateKey() }
        puts.take(&either.puts)
        deletes.unite(with: either.deletes)
        deletes.unite(with: other.deletes)
    }
}

/// A key as an element of a set. The bytes are somebody else's, who keeps them alive.
private struct KeyBytes: Hashable {
    let bytes: UnsafeRawBufferPointer

    static func == (a: Self, b: Self) -> Bool { Bytes.compare(a.bytes, b.bytes) == 0 }
    func hash(into hasher: inout Hasher) { hasher.combine(bytes: bytes) }
}

// Keys move up level by level, so the smaller set always goes into the larger.
extension Set<KeyBytes> {
    fileprivate mutating func take(_ other: inout Self) {
        if other.count > count { swap(&self, &other) }
        formUnion(other)
        other = []
    }

    fileprivate func isDisjoint(fromSmaller other: Self) -> Bool {
        count < other.count ? isDisjoint(with: other) : other.isDisjoint(with: self)
    }
}

/// Intervals of keys, apart from each other and in order. Bounds are views of a request's bytes.
private struct KeyIntervals {
    private var intervals: [Interval] = []

    struct Interval {
        let lower: UnsafeRawBufferPointer
        var upper: Upper

        struct Upper {
            let key: UnsafeRawBufferPointer
            let isInside: Bool

            func isBelow(_ other: Upper) -> Bool {
                let order = Bytes.compare(key, other.key)
                return order < 0 || order == 0 && !isInside && other.isInside
            }
        }

        /// Nil for a delete that never conflicts: of no keys, or up to the end of the key space.
        init?(_ request: DeleteRangeRequest) {
            lower = request.key
            let end = request.rangeEnd
            if end.isEmpty {
                upper = Upper(key: lower, isInside: true)
            } else {
                // One zero byte is before every key, so the open range is among these too.
                guard Bytes.compare(lower, end) < 0 else { return nil }
                upper = Upper(key: end, isInside: false)
            }
        }
    }

    init() {}

    init(_ unordered: [Interval]) {
        guard !unordered.isEmpty else { return }
        intervals = Self.joined(unordered.sorted { Bytes.compare($0.lower, $1.lower) < 0 })
    }

    /// - Complexity: O(log n).
    func contains(_ key: UnsafeRawBufferPointer) -> Bool {
        var (low, high) = (0, intervals.count)
        while low < high {
            let middle = (low + high) / 2
            if Bytes.compare(intervals[middle].lower, key) <= 0 {
                low = middle + 1
            } else {
                high = middle
            }
        }
        guard low > 0 else { return false }
        let upper = intervals[low - 1].upper
        let order = Bytes.compare(key, upper.key)
        return order < 0 || order == 0 && upper.isInside
    }

    func containsAny(of keys: Set<KeyBytes>) -> Bool {
        !intervals.isEmpty && keys.contains { contains($0.bytes) }
    }

    /// - Complexity: O(n + m).
    mutating func unite(with other: Self) {
        if other.intervals.isEmpty { return }
        if intervals.isEmpty {
            self = other
            return
        }
        var merged: [Interval] = []
        merged.reserveCapacity(intervals.count + other.intervals.count)
        var (mine, theirs) = (intervals[...], other.intervals[...])
        while let a = mine.first, let b = theirs.first {
            merged.append(
                Bytes.compare(a.lower, b.lower) <= 0 ? mine.removeFirst() : theirs.removeFirst())
        }
        intervals = Self.joined(merged + mine + theirs)
    }

    /// Joins those that overlap, of intervals in order of their lower bounds.
    private static func joined(_ ordered: [Interval]) -> [Interval] {
        var result: [Interval] = []
        for interval in ordered {
            if let last = result.last, Bytes.compare(interval.lower, last.upper.key) < 0 {
                if last.upper.isBelow(interval.upper) {
                    result[result.count - 1].upper = interval.upper
                }
            } else {
                result.append(interval)
            }
        }
        return result
    }
}
