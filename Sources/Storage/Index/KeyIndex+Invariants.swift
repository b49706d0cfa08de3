// What must hold of the tree after every change; for tests.

import API

/// A broken invariant, in words.
struct BrokenInvariant: Error, CustomStringConvertible {
    let description: String
}

extension KeyIndex {
    /// Looks at every page. O(n).
    package func checkInvariants() throws {
        var walk = Walk()
        try check(root, level: Int(pool[root].header.pointee.level), nil, nil, &walk)
        if let last = walk.leaves.last {
            try require(pool[last].header.pointee.first == 0, "the last leaf has a successor")
        }
        for (leaf, next) in zip(walk.leaves, walk.leaves.dropFirst()) {
            try require(pool[leaf].header.pointee.first == UInt64(next), "leaf \(leaf) skips one")
        }
        try require(walk.keys == keys, "\(walk.keys) keys, not \(keys)")
        try require(walk.pages == pool.pagesInUse, "\(pool.pagesInUse - walk.pages) pages lost")
        try require(walk.heap == heap.bytes, "\(walk.heap) bytes in blocks, not \(heap.bytes)")
    }

    /// Pages from the root to a leaf.
    var levels: Int { Int(pool[root].header.pointee.level) + 1 }

    private struct Walk {
        var keys = 0
        var pages = 0
        var heap = 0
        var leaves: [UInt32] = []
    }

    private func require(_ condition: Bool, _ broken: @autoclosure () -> String) throws {
        if !condition { throw BrokenInvariant(description: broken()) }
    }

    /// Checks the page and what is below; all keys are in `[low, high)`. Returns its living keys.
    @discardableResult
    private func check(
        _ number: UInt32, level: Int, _ low: [UInt8]?, _ high: [UInt8]?, _ walk: inout Walk
    ) throws -> Int {
        let page = pool[number]
        walk.pages += 1
        try require(Int(page.header.pointee.level) == level, "page \(number): wrong level")
        try checkSpace(of: page, number, &walk)
        var previous: [UInt8]?
        for i in 0..<page.count {
            let key = page.key(at: i)
            let name = "page \(number), entry \(i)"
            try require(low.map { !key.lexicographicallyPrecedes($0) } ?? true, "\(name): too low")
            try require(high.map { key.lexicographicallyPrecedes($0) } ?? true, "\(name): too high")
            try require(
                previous.map { $0.lexicographicallyPrecedes(key) } ?? true, "\(name): disorder")
            try require(
                page.slots[i].head == Bytes.head(page.suffix(at: i)), "\(name): wrong head")
            try require(
                page.slots[i].isLong == (key.count > IndexPage.longKey), "\(name): wrong place")
            previous = key
        }
        return page.isLeaf
            ? try checkLeaf(page, number, &walk)
            : try checkChildren(of: page, number, low, high, &walk)
    }

    private func checkSpace(of page: IndexPage, _ number: UInt32, _ walk: inout Walk) throws {
        var size = 0
        for i in 0..<page.count {
            let slot = page.slots[i]
            size += slot.size
            let start = Int(slot.offset) - (slot.isSettled ? IndexPage.settledSize : 0)
            try require(
                start >= Int(page.header.pointee.entriesStart)
                    && start + slot.size <= IndexPage.size - page.prefixLength,
                "page \(number), entry \(i): out of place")
            if slot.isLong { walk.heap += page.longKey(slot).cost }
        }
        let entries = IndexPage.size - page.prefixLength - Int(page.header.pointee.entriesStart)
        try require(
            entries == size + Int(page.header.pointee.garbage), "page \(number): bytes lost")
        try require(page.gap >= 0, "page \(number): slots and entries overlap")
    }

    private func checkLeaf(
        _ page: IndexPage, _ number: UInt32, _ walk: inout Walk
    ) throws -> Int {
        walk.leaves.append(number)
        walk.keys += page.count
        var live = 0
        var histories = 0
        for i in 0..<page.count {
            let word = LeafWord(bits: page.word(at: i))
            if word.isLive { live += 1 }
            try require(
                word.isLive == (page.record(at: i).newest != nil),
                "page \(number), entry \(i): neither dead nor alive")
            if let history = word.history {
                histories += 1
                walk.heap += history.cost
                try require(history.isOrdered, "page \(number), entry \(i): history disordered")
            }
        }
        try require(
            live == Int(page.header.pointee.live)
                && histories == Int(page.header.pointee.histories), "page \(number): wrong counts")
        return live
    }

    private func checkChildren(
        of page: IndexPage, _ number: UInt32, _ low: [UInt8]?, _ high: [UInt8]?,
        _ walk: inout Walk
    ) throws -> Int {
        var sum = 0
        for i in 0...page.count {
            let link = page.child(i)
            let live = try check(
                link.page, level: Int(page.header.pointee.level) - 1,
                i == 0 ? low : page.key(at: i - 1), i == page.count ? high : page.key(at: i), &walk)
            try require(live == Int(link.live), "page \(number), child \(i): wrong count")
            sum += live
        }
        return sum
    }
}
