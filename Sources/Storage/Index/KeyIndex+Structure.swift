// Descents, splits and merges.
//
// A change that needs room splits one page, from the leaf up as far as its parents are full, and
// then starts again from the root: splits are rare, and so there is one way only to do it.

import API

/// A link from an inner page: the child and how many keys exist below it.
struct ChildLink {
    var page: UInt32
    var live: UInt32

    @inline(__always)
    init(page: UInt32, live: Int) {
        self.page = page
        self.live = UInt32(live)
    }
    @inline(__always)
    init(bits: UInt64) {
        page = UInt32(truncatingIfNeeded: bits)
        live = UInt32(truncatingIfNeeded: bits >> 32)
    }
    @inline(__always) var bits: UInt64 { UInt64(live) << 32 | UInt64(page) }
}

/// One page on the way down; in an inner page, which child was taken: 0 is the leftmost.
struct PathStep {
    var number: UInt32
    var page: IndexPage
    var child: Int
}

extension IndexPage {
    /// The link to child `i` of an inner page; there is one more than separators.
    @inline(__always)
    func child(_ i: Int) -> ChildLink {
        ChildLink(bits: i == 0 ? header.pointee.first : word(at: i - 1))
    }

    @inline(__always)
    func setChild(_ i: Int, _ link: ChildLink) {
        if i == 0 { header.pointee.first = link.bits } else { setWord(link.bits, at: i - 1) }
    }

    /// The child under which `key` belongs: right of the last separator at or below it.
    @inline(__always)
    func childIndex(for key: UnsafeRawBufferPointer) -> Int {
        let (index, found) = search(key)
        return found ? index + 1 : index
    }
}

extension KeyIndex {
    // MARK: Down

    /// Goes to the leaf where `key` belongs, noting the path.
    mutating func descend(
        to key: UnsafeRawBufferPointer
    ) -> (leaf: IndexPage, index: Int, found: Bool) {
        var number = root
        var depth = 0
        while true {
            let page = pool[number]
            if page.isLeaf {
                path[depth] = PathStep(number: number, page: page, child: 0)
                pathLength = depth + 1
                let (index, found) = page.search(key)
                return (page, index, found)
            }
            let child = page.childIndex(for: key)
            path[depth] = PathStep(number: number, page: page, child: child)
            number = page.child(child).page
            depth += 1
        }
    }

    /// The leaf where `key` belongs.
    @inline(__always)
    func leaf(for key: UnsafeRawBufferPointer) -> IndexPage {
        var page = pool[root]
        while !page.isLeaf { page = pool[page.child(page.childIndex(for: key)).page] }
        return page
    }

    /// The entry of `key`; its index is nil when there is none.
    @inline(__always)
    func leafPlace(of key: UnsafeRawBufferPointer) -> (leaf: IndexPage, index: Int?) {
        let leaf = leaf(for: key)
        let (index, found) = leaf.search(key)
        return (leaf, found ? index : nil)
    }

    /// Keys that exist in the tree below a page.
    func liveCount(of number: UInt32) -> Int {
        let page = pool[number]
        if page.isLeaf { return Int(page.header.pointee.live) }
        var sum = 0
        for i in 0...page.count { sum += Int(page.child(i).live) }
        return sum
    }

    /// Changes the counts of all links on the path; the leaf has changed its own.
    mutating func adjustLiveCounts(by n: Int) {
        for depth in 0..<(pathLength - 1) {
            let step = path[depth]
            var link = step.page.child(step.child)
            link.live = UInt32(Int(link.live) + n)
            step.page.setChild(step.child, link)
        }
    }

    // MARK: Growing

    /// Adds a key that is not there, at the place that `descend` told.
    mutating func insert(
        _ key: UnsafeRawBufferPointer, _ entry: PageEntry, _ leaf: IndexPage, _ index: Int
    ) {
        var (leaf, index) = (leaf, index)
        while !leaf.insert(key, entry, at: index, scratch: scratch, heap: &heap) {
            splitLeaf(insertingAt: index, key)
            (leaf, index, _) = descend(to: key)
        }
        keys += 1
        if LeafWord(bits: entry.word).isLive { adjustLiveCounts(by: 1) }
    }

    /// Inserts in a row at one end before the page is taken for one that only grows there.
    private static let longRun = 8

    /// Splits the last page of the path, or one above it when that has no room for a separator.
    private mutating func splitLeaf(insertingAt index: Int, _ key: UnsafeRawBufferPointer) {
        if pathLength == 1 { growRoot() }
        let step = path[pathLength - 1]
        let leaf = step.page
        // Keys that arrive in order leave full pages behind.
        let run = Int(leaf.header.pointee.run)
        if index == leaf.count && run >= Self.longRun {
            let separator = Self.separator(leaf.key(at: index - 1), Array(key))
            guard let right = addSibling(level: 0, separator, depth: pathLength - 1) else { return }
            right.page.header.pointee.run = Int8(run)
            linkLeaf(leaf, to: right)
        } else if index == 0 && run <= -Self.longRun {
            let separator = Self.separator(Array(key), leaf.key(at: 0))
            guard let right = addSibling(level: 0, separator, depth: pathLength - 1) else { return }
            right.page.replaceContent(with: leaf)
            leaf.reset(level: 0)
            leaf.header.pointee.run = Int8(run)
            leaf.header.pointee.first = UInt64(right.number)
        } else {
            let place = leaf.middle
            let separator = Self.separator(leaf.key(at: place - 1), leaf.key(at: place))
            guard let right = addSibling(level: 0, separator, depth: pathLength - 1) else { return }
            leaf.split(at: place, into: right.page, scratch: scratch)
            linkLeaf(leaf, to: right)
        }
        recountChildren(ofParentAt: pathLength - 2)
    }

    private func linkLeaf(_ leaf: IndexPage, to right: NewSibling) {
        right.page.header.pointee.first = leaf.header.pointee.first
        leaf.header.pointee.first = UInt64(right.number)
    }

    /// Splits the inner page at `depth` of the path.
    private mutating func splitInner(depth: Int) {
        var depth = depth
        if depth == 0 {
            growRoot()
            depth = 1
        }
        let page = path[depth].page
        let isRun = page.header.pointee.run >= Self.longRun
        let place = isRun ? page.count - 1 : page.middle
        let level = Int(page.header.pointee.level)
        guard let right = addSibling(level: level, page.key(at: place), depth: depth) else {
            return
        }
        page.split(at: place, into: right.page, scratch: scratch)
        // The separator moved up; its link is the leftmost of the right page.
        right.page.header.pointee.first = right.page.word(at: 0)
        right.page.remove(at: 0, heap: &heap)
        if isRun { right.page.header.pointee.run = Int8(Self.longRun) }
        recountChildren(ofParentAt: depth - 1)
    }

    private struct NewSibling {
        let number: UInt32
        let page: IndexPage
    }

    /// Gives the page at `depth` of the path an empty right sibling. nil when the parent had no
    /// room for it: then the parent was split, and the path is no longer true.
    private mutating func addSibling(
        level: Int, _ separator: [UInt8], depth: Int
    ) -> NewSibling? {
        let number = pool.allocate(level: level)
        let parent = path[depth - 1]
        let link = PageEntry(word: ChildLink(page: number, live: 0).bits)
        let inserted = separator.withUnsafeBytes {
            parent.page.insert($0, link, at: parent.child, scratch: scratch, heap: &heap)
        }
        guard inserted else {
            pool.release(number)
            splitInner(depth: depth - 1)
            return nil
        }
        return NewSibling(number: number, page: pool[number])
    }

    /// Sets the counts of the child on the path and the one right of it.
    private func recountChildren(ofParentAt depth: Int) {
        let parent = path[depth]
        for i in parent.child...parent.child + 1 { recount(parent.page, child: i) }
    }

    func recount(_ parent: IndexPage, child i: Int) {
        let number = parent.child(i).page
        parent.setChild(i, ChildLink(page: number, live: liveCount(of: number)))
    }

    /// Puts a page above the root, and at the path's beginning.
    private mutating func growRoot() {
        precondition(pathLength < Self.maximumHeight)
        let level = Int(pool[root].header.pointee.level) + 1
        let number = pool.allocate(level: level)
        let page = pool[number]
        page.setChild(0, ChildLink(page: root, live: liveCount(of: root)))
        root = number
        (path + 1).update(from: path, count: pathLength)
        path[0] = PathStep(number: number, page: page, child: 0)
        pathLength += 1
    }

    /// The shortest string above `left` and not above `right`.
    static func separator(_ left: [UInt8], _ right: [UInt8]) -> [UInt8] {
        let shared = left.withUnsafeBytes { left in
            right.withUnsafeBytes { Bytes.sharedPrefix(left, $0) }
        }
        return Array(right[...shared])
    }

    // MARK: Freeing

    /// Frees the histories and long keys below a page; the pages are the pool's.
    func freeBlocks(below number: UInt32, in heap: inout IndexHeap) {
        let page = pool[number]
        for i in 0..<page.count where page.slots[i].isLong {
            page.longKey(page.slots[i]).free(in: &heap)
        }
        if page.isLeaf {
            if page.header.pointee.histories > 0 {
                for i in 0..<page.count {
                    LeafWord(bits: page.word(at: i)).history?.free(in: &heap)
                }
            }
        } else {
            for i in 0...page.count { freeBlocks(below: page.child(i).page, in: &heap) }
        }
    }
}
