// Who is interested in a key: found at every change, among hundreds of thousands of watched ranges.
//
// Most watchers want one key and are found by a hash of it; the others want a range and are found
// in an interval tree. A range is kept once, whoever watches it, with one element.

import API

/// Elements by the range of keys they are for. Confined to its owner.
struct WatchIndex<Element: AnyObject> {
    private var points = PointTable<Element>()
    private var intervals = IntervalTree<Element>()

    /// Ranges kept.
    var count: Int { points.count + intervals.count }
    var isEmpty: Bool { count == 0 }

    /// The element of exactly `range`.
    func find(_ range: KeyRange) -> Element? {
        switch range.end {
        case .singleKey: range.key.withUnsafeBytes { points.find($0) }
        case .open: intervals.find(range.key, nil)
        case .before(let end): intervals.find(range.key, end)
        }
    }

    /// Adds `range`, which is not kept yet and not empty.
    mutating func insert(_ range: KeyRange, _ element: Element) {
        switch range.end {
        case .singleKey: points.insert(range.key, element)
        case .open: intervals.insert(range.key, nil, element)
        case .before(let end): intervals.insert(range.key, end, element)
        }
    }

    /// Removes `range`, which is kept.
    mutating func remove(_ range: KeyRange) {
        switch range.end {
        case .singleKey: points.remove(range.key)
        case .open: intervals.remove(range.key, nil)
        case .before(let end): intervals.remove(range.key, end)
        }
    }

    /// Calls `body` with the elements whose ranges hold `key`.
    /// - Complexity: O(1) for single keys, O((1 + found) log n) for ranges; no allocation.
    @inline(__always)
    func forEach(containing key: UnsafeRawBufferPointer, _ body: (Element) -> Void) {
        if points.count > 0, let element = points.find(key) { body(element) }
        if intervals.count > 0 { intervals.forEach(containing: key, body) }
    }
}
