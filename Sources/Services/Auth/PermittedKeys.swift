// Which keys somebody may read, or write: ranges that do not touch, in order, so that a question is
// one binary search. Ranges that meet or overlap count together (reference: semantics.md, Auth).

import API
import Glibc

/// A set of keys. Made once, then only asked.
struct PermittedKeys: Sendable {
    /// A range from `lower` on; a nil `upper` is no end.
    struct Interval {
        var lower: [UInt8]
        var upper: [UInt8]?
    }

    /// All bounds, one after the other: a search touches few places of memory.
    private var bytes: [UInt8] = []
    private var bounds: [Bounds] = []
    /// How each range's first key begins, as numbers in the order of the keys: most questions are
    /// answered by these, close together in memory.
    private var beginnings: [UInt64] = []

    private struct Bounds {
        let lower: Int
        let upper: Int
        let end: Int
        let isOpen: Bool
    }

    init() {}

    /// - Parameter intervals: in any order.
    init(merging intervals: [Interval]) {
        let sorted = intervals.filter { interval in
            interval.upper.map { interval.lower.lexicographicallyPrecedes($0) } ?? true
        }.sorted { $0.lower.lexicographicallyPrecedes($1.lower) }
        guard var last = sorted.first else { return }
        for next in sorted.dropFirst() {
            guard let end = last.upper else { break }
            if end.lexicographicallyPrecedes(next.lower) {
                append(last)
                last = next
            } else if let other = next.upper {
                if end.lexicographicallyPrecedes(other) { last.upper = other }
            } else {
                last.upper = nil
            }
        }
        append(last)
    }

    private mutating func append(_ interval: Interval) {
        beginnings.append(interval.lower.withUnsafeBytes(Self.beginning))
        let lower = bytes.count
        bytes += interval.lower
        let upper = bytes.count
        bytes += interval.upper ?? []
        bounds.append(
            Bounds(
                lower: lower, upper: upper, end: bytes.count, isOpen: interval.upper == nil))
    }

    /// How many ranges there are.
    var count: Int { bounds.count }

    // MARK: Questions

    /// Whether all keys of a range are in here, the range as in a RangeRequest. One that ends before
    /// it begins has none, and is if its first key would be, as in etcd.
    func contains(key: UnsafeRawBufferPointer, rangeEnd: UnsafeRawBufferPointer) -> Bool {
        bytes.withUnsafeBytes { bytes in
            guard let found = last(at: key, in: bytes) else { return false }
            let bounds = bounds[found]
            if bounds.isOpen { return true }
            let upper = UnsafeRawBufferPointer(rebasing: bytes[bounds.upper..<bounds.end])
            guard Self.compare(key, upper) < 0 else { return false }
            if rangeEnd.isEmpty { return true }
            if rangeEnd.count == 1, rangeEnd[0] == 0 { return false }
            return Self.compare(rangeEnd, upper) <= 0
        }
    }

    /// The last range that begins at or before `key`.
    private func last(at key: UnsafeRawBufferPointer, in bytes: UnsafeRawBufferPointer) -> Int? {
        let beginning = Self.beginning(of: key)
        let low = beginnings.withUnsafeBufferPointer { beginnings in
            var (low, high) = (0, beginnings.count)
            while low < high {
                let middle = (low &+ high) / 2
                let other = beginnings[middle]
                let isAtOrBefore =
                    other < beginning
                    || other == beginning
                        && Self.compare(lower(of: bounds[middle], in: bytes), key) <= 0
                if isAtOrBefore { low = middle &+ 1 } else { high = middle }
            }
            return low
        }
        return low == 0 ? nil : low - 1
    }

    private func lower(of bounds: Bounds, in bytes: UnsafeRawBufferPointer)
        -> UnsafeRawBufferPointer
    {
        UnsafeRawBufferPointer(rebasing: bytes[bounds.lower..<bounds.upper])
    }

    /// The first eight bytes as a number, zero bytes behind a shorter key: of two that differ the
    /// smaller begins the smaller key.
    private static func beginning(of key: UnsafeRawBufferPointer) -> UInt64 {
        if key.count >= 8 { return UInt64(bigEndian: key.loadUnaligned(as: UInt64.self)) }
        var number: UInt64 = 0
        for byte in key { number = number << 8 | UInt64(byte) }
        return key.isEmpty ? 0 : number << (8 * (8 - UInt64(key.count)))
    }

    /// Negative, 0 or positive, as memcmp.
    private static func compare(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
        let shared = min(a.count, b.count)
        if shared > 0, let left = a.baseAddress, let right = b.baseAddress {
            let order = memcmp(left, right, shared)
            if order != 0 { return Int(order) }
        }
        return a.count - b.count
    }
}

extension PermittedKeys.Interval {
    /// The keys that a permission is about.
    init(_ permission: Permission) {
        lower = permission.key
        upper =
            switch permission.rangeEnd {
            // The first key after a single one is it and a zero byte.
            case []: permission.key + [0]
            case [0]: nil
            default: permission.rangeEnd
            }
    }
}
