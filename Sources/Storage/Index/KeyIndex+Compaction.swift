// Dropping what a compaction drops, some keys at a time, and closing the gaps it leaves.
//
// Between slices the index may be read and changed in every way: reads at or above the compaction's
// revision have the same answers before, during and after it. Pages are merged by compactions
// only, as only they remove keys.

import API

extension KeyIndex {
    /// Drops all changes that a compaction at `revision` drops (see `keeps`), from `key` on or
    /// from the beginning when it is nil.
    ///
    /// - Parameter budget: about how many keys to look at in this slice; the page at hand is
    ///   finished. Pages without histories have nothing to drop and count as one key.
    /// - Returns: the key to go on from, at the same revision; nil when all is done.
    package mutating func compact(
        to revision: Revision, from key: [UInt8]? = nil, budget: Int = .max
    ) -> [UInt8]? {
        precondition(budget > 0, "a slice that may look at nothing never ends")
        var (leaf, index, _) = (key ?? []).withUnsafeBytes { descend(to: $0) }
        var budget = budget
        while true {
            let successor = successor(of: leaf)
            if leaf.header.pointee.histories == 0 {
                budget -= 1
                guard let successor else { return nil }
                if budget <= 0 { return successor.page.key(at: 0) }
                (leaf, index) = (successor.page, 0)
                continue
            }
            budget -= leaf.count - index
            let anchor = leaf.key(at: 0)
            let next = successor?.page.key(at: 0)
            if compact(leaf, from: index, to: revision) { closeGaps(around: anchor) }
            guard let next else { return nil }
            if budget <= 0 { return next }
            (leaf, index, _) = next.withUnsafeBytes { descend(to: $0) }
        }
    }

    /// The next leaf that has entries.
    private func successor(of leaf: IndexPage) -> (number: UInt32, page: IndexPage)? {
        var number = UInt32(leaf.header.pointee.first)
        while number != 0 {
            let page = pool[number]
            if page.count > 0 { return (number, page) }
            number = UInt32(page.header.pointee.first)
        }
        return nil
    }

    /// Compacts the entries of a leaf. Returns whether any was removed.
    private mutating func compact(
        _ leaf: IndexPage, from first: Int, to revision: Revision
    ) -> Bool {
        var removed = 0
        for i in stride(from: leaf.count - 1, through: first, by: -1) {
            guard case .history(var history) = leaf.record(at: i) else { continue }
            guard history.compact(to: revision, in: &heap) else {
                leaf.remove(at: i, heap: &heap)
                removed += 1
                continue
            }
            leaf.setHistory(history, at: i)
            if history.count == 1, let only = history.newest,
                leaf.setSingle(only, at: i, scratch: scratch)
            {
                history.free(in: &heap)
            }
        }
        keys -= removed
        return removed > 0
    }

    // MARK: Merging

    /// Merges the leaf where `key` belongs with a neighbour if it is less than half full, and so
    /// on upwards.
    private mutating func closeGaps(around key: [UInt8]) {
        _ = key.withUnsafeBytes { descend(to: $0) }
        var depth = pathLength - 1
        while depth > 0, path[depth].page.used < IndexPage.size / 2 {
            let parent = path[depth - 1]
            let merged =
                merge(parent.page, child: parent.child)
                || merge(parent.page, child: parent.child - 1)
            if !merged { break }
            depth -= 1
        }
        while !pool[root].isLeaf && pool[root].count == 0 {
            let old = root
            root = pool[old].child(0).page
            pool.release(old)
        }
    }

    /// Merges child `i` of a page with the one right of it. False when there is none, or when
    /// they would fill a page so much that it were soon split again.
    private mutating func merge(_ parent: IndexPage, child i: Int) -> Bool {
        guard i >= 0, i < parent.count else { return false }
        let left = parent.child(i)
        let right = parent.child(i + 1)
        let merged = parent.key(at: i).withUnsafeBytes { separator in
            pool[left.page].absorb(
                pool[right.page], separator: separator, scratch: scratch, heap: &heap)
        }
        guard merged else { return false }
        pool.release(right.page)
        parent.remove(at: i, heap: &heap)
        parent.setChild(i, ChildLink(page: left.page, live: Int(left.live) + Int(right.live)))
        return true
    }
}
