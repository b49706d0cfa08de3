// Which of many ranges hold a key: an AVL tree of intervals by their lower end, where each node
// knows the highest upper end below it (Cormen et al., Introduction to Algorithms, 14.3).
//
// Balanced by heights and not by chance: the order in which clients create watchers is theirs.

import Storage

/// Elements by half-open ranges of keys. Nodes lie in one array and refer to each other by place.
struct IntervalTree<Element: AnyObject> {
    private struct Node {
        let lower: [UInt8]
        /// nil: no upper end.
        let upper: [UInt8]?
        let element: Element?
        var left: Int32 = -1
        var right: Int32 = -1
        var height: Int32 = 1
        /// The node with the highest upper end in this subtree.
        var highest: Int32
    }
    private var nodes: [Node] = []
    private var unused: [Int32] = []
    private var root: Int32 = -1

    var count: Int { nodes.count - unused.count }
    /// Levels; for checks.
    var height: Int { Int(height(of: root)) }

    // MARK: Order

    private static func compare(_ a: [UInt8], _ b: [UInt8]) -> Int {
        a.withUnsafeBytes { a in b.withUnsafeBytes { b in Bytes.compare(a, b) } }
    }

    /// No end is after every end.
    private static func compare(end a: [UInt8]?, _ b: [UInt8]?) -> Int {
        guard let a else { return b == nil ? 0 : 1 }
        guard let b else { return -1 }
        return compare(a, b)
    }

    private func order(_ lower: [UInt8], _ upper: [UInt8]?, at node: Int32) -> Int {
        let node = nodes[Int(node)]
        let order = Self.compare(lower, node.lower)
        return order != 0 ? order : Self.compare(end: upper, node.upper)
    }

    private func isBelowEnd(_ key: UnsafeRawBufferPointer, of node: Int32) -> Bool {
        guard let upper = nodes[Int(node)].upper else { return true }
        return upper.withUnsafeBytes { Bytes.compare(key, $0) < 0 }
    }

    // MARK: Reading

    func find(_ lower: [UInt8], _ upper: [UInt8]?) -> Element? {
        var place = root
        while place >= 0 {
            let order = order(lower, upper, at: place)
            if order == 0 { return nodes[Int(place)].element }
            place = order < 0 ? nodes[Int(place)].left : nodes[Int(place)].right
        }
        return nil
    }

    /// Calls `body` with the elements whose ranges hold `key`, in order of their lower ends.
    func forEach(containing key: UnsafeRawBufferPointer, _ body: (Element) -> Void) {
        visit(root, key, body)
    }

    private func visit(_ place: Int32, _ key: UnsafeRawBufferPointer, _ body: (Element) -> Void) {
        guard place >= 0, isBelowEnd(key, of: nodes[Int(place)].highest) else { return }
        visit(nodes[Int(place)].left, key, body)
        let begins = nodes[Int(place)].lower.withUnsafeBytes { Bytes.compare($0, key) <= 0 }
        guard begins else { return }
        if isBelowEnd(key, of: place), let element = nodes[Int(place)].element { body(element) }
        visit(nodes[Int(place)].right, key, body)
    }

    // MARK: Changing

    mutating func insert(_ lower: [UInt8], _ upper: [UInt8]?, _ element: Element) {
        let place = unused.popLast() ?? Int32(nodes.count)
        let node = Node(lower: lower, upper: upper, element: element, highest: place)
        if Int(place) == nodes.count { nodes.append(node) } else { nodes[Int(place)] = node }
        root = insert(place, below: root)
    }

    private mutating func insert(_ new: Int32, below place: Int32) -> Int32 {
        guard place >= 0 else { return new }
        let order = order(nodes[Int(new)].lower, nodes[Int(new)].upper, at: place)
        precondition(order != 0, "a range is inserted once")
        if order < 0 {
            nodes[Int(place)].left = insert(new, below: nodes[Int(place)].left)
        } else {
            nodes[Int(place)].right = insert(new, below: nodes[Int(place)].right)
        }
        return balanced(place)
    }

    mutating func remove(_ lower: [UInt8], _ upper: [UInt8]?) {
        var removed: Int32 = -1
        root = remove(lower, upper, below: root, &removed)
        // The element and the keys go at once, the place is used again.
        nodes[Int(removed)] = Node(lower: [], upper: nil, element: nil, highest: -1)
        unused.append(removed)
    }

    private mutating func remove(
        _ lower: [UInt8], _ upper: [UInt8]?, below place: Int32, _ removed: inout Int32
    ) -> Int32 {
        precondition(place >= 0, "a range that is not in the tree")
        let order = order(lower, upper, at: place)
        if order < 0 {
            let left = remove(lower, upper, below: nodes[Int(place)].left, &removed)
            nodes[Int(place)].left = left
        } else if order > 0 {
            let right = remove(lower, upper, below: nodes[Int(place)].right, &removed)
            nodes[Int(place)].right = right
        } else {
            removed = place
            let (left, right) = (nodes[Int(place)].left, nodes[Int(place)].right)
            guard left >= 0, right >= 0 else { return max(left, right) }
            var successor: Int32 = -1
            let rest = takeFirst(right, &successor)
            nodes[Int(successor)].left = left
            nodes[Int(successor)].right = rest
            return balanced(successor)
        }
        return balanced(place)
    }

    /// Takes the lowest node out of a subtree.
    private mutating func takeFirst(_ place: Int32, _ first: inout Int32) -> Int32 {
        guard nodes[Int(place)].left >= 0 else {
            first = place
            return nodes[Int(place)].right
        }
        let left = takeFirst(nodes[Int(place)].left, &first)
        nodes[Int(place)].left = left
        return balanced(place)
    }

    // MARK: Balance

    private func height(of place: Int32) -> Int32 { place < 0 ? 0 : nodes[Int(place)].height }

    /// Height and highest end from the children's.
    private mutating func update(_ place: Int32) {
        let (left, right) = (nodes[Int(place)].left, nodes[Int(place)].right)
        nodes[Int(place)].height = 1 + max(height(of: left), height(of: right))
        var highest = place
        for child in [left, right] where child >= 0 {
            let candidate = nodes[Int(child)].highest
            let isHigher =
                Self.compare(
                    end: nodes[Int(candidate)].upper, nodes[Int(highest)].upper) > 0
            if isHigher { highest = candidate }
        }
        nodes[Int(place)].highest = highest
    }

    private func lean(_ place: Int32) -> Int32 {
        height(of: nodes[Int(place)].left) - height(of: nodes[Int(place)].right)
    }

    /// The root of the subtree once its two sides differ by one level at most.
    private mutating func balanced(_ place: Int32) -> Int32 {
        let lean = lean(place)
        if lean > 1 {
            let left = nodes[Int(place)].left
            if self.lean(left) < 0 { nodes[Int(place)].left = rotatedLeft(left) }
            return rotatedRight(place)
        }
        if lean < -1 {
            let right = nodes[Int(place)].right
            if self.lean(right) > 0 { nodes[Int(place)].right = rotatedRight(right) }
            return rotatedLeft(place)
        }
        update(place)
        return place
    }

    private mutating func rotatedRight(_ place: Int32) -> Int32 {
        let top = nodes[Int(place)].left
        nodes[Int(place)].left = nodes[Int(top)].right
        nodes[Int(top)].right = place
        update(place)
        update(top)
        return top
    }

    private mutating func rotatedLeft(_ place: Int32) -> Int32 {
        let top = nodes[Int(place)].right
        nodes[Int(place)].right = nodes[Int(top)].left
        nodes[Int(top)].left = place
        update(place)
        update(top)
        return top
    }
}
