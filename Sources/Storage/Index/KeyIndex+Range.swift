// Reading many keys: counting by links, visiting by leaves.

import API

/// How a visit ended.
package enum VisitEnd: Hashable, Sendable {
    /// All keys of the range were visited.
    case complete
    /// The caller had enough.
    case stopped
    /// The budget is spent; the rest begins at this key.
    case paused(next: [UInt8])
}

extension KeyIndex {
    /// How many keys of `bounds` exist at `revision`, or now when it is nil.
    /// - Complexity: O(log n) now and at any revision that nothing was changed after. Otherwise
    ///   all keys of the range are visited: see `visit` for a way to do it in slices.
    package func count(in bounds: KeyBounds, at revision: Revision? = nil) -> Int {
        if case .single = bounds.upper { return get(bounds.lower, at: revision) == nil ? 0 : 1 }
        if isNewest(revision) {
            if bounds.isEmpty { return 0 }
            let end =
                switch bounds.upper {
                case .single, .open: liveKeys
                case .before(let upper): rank(of: upper)
                }
            return end - rank(of: bounds.lower)
        }
        var count = 0
        _ = visit(bounds, at: revision) { _, _ in
            count += 1
            return true
        }
        return count
    }

    /// How many keys of `range` exist at `revision`, or now when it is nil.
    package func count(in range: KeyRange, at revision: Revision? = nil) -> Int {
        range.withBounds { count(in: $0, at: revision) }
    }

    /// Calls `body` with the keys of `bounds` that exist at `revision` (now when it is nil), in
    /// order, until it returns false. The key's bytes are valid during the call only; the index
    /// must not be changed meanwhile.
    ///
    /// - Parameter budget: how many keys may be looked at, from 1; those that did not exist then and are
    ///   skipped included. A visit that paused goes on with the key it names as the lower bound.
    /// - Complexity: O(log n + keys looked at). Now, a stretch of deleted keys costs one descent.
    package func visit<Failure: Error>(
        _ bounds: KeyBounds, at revision: Revision? = nil, budget: Int = .max,
        _ body: (UnsafeRawBufferPointer, IndexedVersion) throws(Failure) -> Bool
    ) throws(Failure) -> VisitEnd {
        precondition(budget > 0, "a visit that may look at nothing never ends")
        if case .single = bounds.upper {
            guard let version = get(bounds.lower, at: revision) else { return .complete }
            return try body(bounds.lower, version) ? .complete : .stopped
        }
        if bounds.isEmpty { return .complete }
        let past = isNewest(revision) ? nil : revision
        var leaf = leaf(for: bounds.lower)
        var index = leaf.search(bounds.lower).index
        var budget = budget
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: IndexPage.longKey, alignment: 1)
        defer { buffer.deallocate() }
        while true {
            if past == nil && leaf.header.pointee.live == 0 && index < leaf.count {
                guard let next = firstLive(from: leaf, index) else { return .complete }
                (leaf, index) = next
            }
            let (end, isLast) = end(of: bounds.upper, in: leaf)
            let stop = budget < end - index ? index + budget : max(end, index)
            let prefix = leaf.prefixLength
            buffer.copyMemory(from: leaf.prefix)
            budget -= stop - index
            while index < stop {
                let record = leaf.record(at: index)
                let version =
                    if let past { record.version(at: past) } else { record.newest }
                if let version {
                    let slot = leaf.slots[index]
                    let key: UnsafeRawBufferPointer
                    if slot.isLong {
                        key = leaf.longKey(slot).bytes
                    } else {
                        UnsafeMutableRawBufferPointer(rebasing: buffer[prefix...])
                            .copyMemory(from: leaf.storedBytes(slot))
                        key = UnsafeRawBufferPointer(rebasing: buffer[..<(prefix + slot.length)])
                    }
                    guard try body(key, version) else { return .stopped }
                }
                index += 1
            }
            if index < end { return .paused(next: leaf.key(at: index)) }
            let next = UInt32(leaf.header.pointee.first)
            if isLast || next == 0 { return .complete }
            leaf = pool[next]
            index = 0
        }
    }

    /// As above, for a range given as arrays.
    package func visit<Failure: Error>(
        _ range: KeyRange, at revision: Revision? = nil, budget: Int = .max,
        _ body: (UnsafeRawBufferPointer, IndexedVersion) throws(Failure) -> Bool
    ) throws(Failure) -> VisitEnd {
        try range.withBounds { (bounds) throws(Failure) in
            try visit(bounds, at: revision, budget: budget, body)
        }
    }

    /// Whether the keys at `revision` are those of now.
    private func isNewest(_ revision: Revision?) -> Bool {
        guard let revision else { return true }
        return revision >= newest.main
    }

    /// The first entry of a leaf that is not below `upper`, and whether later leaves are beyond.
    private func end(
        of upper: KeyBounds.Upper, in leaf: IndexPage
    ) -> (index: Int, isLast: Bool) {
        guard case .before(let upper) = upper else { return (leaf.count, false) }
        let index = leaf.search(upper).index
        return (index, index < leaf.count)
    }

    // MARK: Order statistics

    /// How many keys that exist now are below `key`.
    func rank(of key: UnsafeRawBufferPointer) -> Int {
        var page = pool[root]
        var rank = 0
        while !page.isLeaf {
            let child = page.childIndex(for: key)
            for i in 0..<child { rank += Int(page.child(i).live) }
            page = pool[page.child(child).page]
        }
        return rank + liveEntries(of: page, before: page.search(key).index)
    }

    private func liveEntries(of leaf: IndexPage, before end: Int) -> Int {
        if Int(leaf.header.pointee.live) == leaf.count { return end }
        var live = 0
        for i in 0..<end where LeafWord(bits: leaf.word(at: i)).isLive { live += 1 }
        return live
    }

    /// The first key that exists now at or after a place; nil when there is none.
    private func firstLive(from leaf: IndexPage, _ index: Int) -> (IndexPage, Int)? {
        let key = leaf.key(at: index)
        return key.withUnsafeBytes { place(ofRank: rank(of: $0)) }
    }

    /// The key that has `rank` living keys below it and lives; nil beyond the last.
    func place(ofRank rank: Int) -> (IndexPage, Int)? {
        var page = pool[root]
        var left = rank
        while !page.isLeaf {
            var child = 0
            while child <= page.count, left >= Int(page.child(child).live) {
                left -= Int(page.child(child).live)
                child += 1
            }
            if child > page.count { return nil }
            page = pool[page.child(child).page]
        }
        for i in 0..<page.count where LeafWord(bits: page.word(at: i)).isLive {
            if left == 0 { return (page, i) }
            left -= 1
        }
        return nil
    }
}
