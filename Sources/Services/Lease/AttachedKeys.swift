// Which key belongs to which lease, found from either side.
//
// A member may have a lease with a key or two for each of a hundred thousand clients, and every Put
// asks whether its key had a lease. So a key is kept once, its lease's keys are a chain through the
// same nodes, and they are found by a hash of the bytes as they come, without making an array.

import API

/// The keys that have a lease. Confined to one executor.
///
/// Memory: about 90 bytes for each key on top of its own, and 40 for each lease that has keys.
struct AttachedKeys {
    private struct Node {
        /// Empty: free; `next` is the next free one then.
        var key: [UInt8]
        var lease: LeaseID
        /// The change that attached it: down a chain it gets less.
        var change: UInt64 = 0
        var hash: UInt32
        /// Neighbours among the lease's keys; -1 is none.
        var next: Int32
        var previous: Int32
    }

    /// The keys of one lease.
    private struct Chain {
        var first: Int32 = -1
        var count: Int32 = 0
        var version: UInt64 = 0

        /// - Returns: who was first before.
        mutating func push(_ number: Int32, _ change: UInt64) -> Int32 {
            defer { first = number }
            (count, version) = (count + 1, change)
            return first
        }

        mutating func pop(_ change: UInt64, first next: Int32?) {
            (count, version) = (count - 1, change)
            if let next { first = next }
        }
    }

    private var nodes: [Node] = []
    private var firstFree: Int32 = -1
    /// Open addressing with linear probing: a node's number, or -1.
    private var slots: [Int32] = []
    private var chains: [LeaseID: Chain] = [:]
    private var changes: UInt64 = 0
    /// The next key of each walk that is under way: few at a time.
    private var walks: [(walk: Walk, next: Int32)] = []
    private var walksBegun: UInt64 = 0
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    /// `.none` when the key has none.
    func lease(of key: UnsafeRawBufferPointer) -> LeaseID {
        guard count > 0, let slot = find(key, Self.hash(key)) else { return .none }
        return nodes[Int(slots[slot])].lease
    }

    /// Calls `visit` with each key of `lease`, the last attached first. The bytes are valid during
    /// the call only.
    func forEach(of lease: LeaseID, _ visit: (UnsafeRawBufferPointer) -> Void) {
        walk(lease) { key in
            visit(key)
            return true
        }
    }

    /// As `forEach`, for as long as `goesOn` says so.
    /// - Parameter version: keys that were attached up to this one are passed over.
    func walk(
        _ lease: LeaseID, after version: UInt64 = 0, while goesOn: (UnsafeRawBufferPointer) -> Bool
    ) {
        _ = walk(from: chains[lease]?.first ?? -1, after: version, while: goesOn)
    }

    /// - Returns: the key at which it stopped; -1 for none.
    private func walk(
        from first: Int32, after version: UInt64, while goesOn: (UnsafeRawBufferPointer) -> Bool
    ) -> Int32 {
        var number = first
        while number >= 0 {
            let node = nodes[Int(number)]
            if node.change <= version { return -1 }
            guard node.key.withUnsafeBytes(goesOn) else { break }
            number = node.next
        }
        return number
    }

    /// How many keys `lease` has, and a number that stands for these: with others, or the same in
    /// another order, it is another. Keys that are attached later come after this version.
    func version(of lease: LeaseID) -> (count: Int, version: UInt64) {
        chains[lease].map { (Int($0.count), $0.version) } ?? (0, 0)
    }

    /// Attaches `key` to `lease`, away from any other it had; `.none` only detaches it.
    mutating func attach(_ key: UnsafeRawBufferPointer, to lease: LeaseID) {
        precondition(!key.isEmpty, "an empty key")
        let hash = Self.hash(key)
        if count > 0, let slot = find(key, hash) {
            let number = slots[slot]
            guard nodes[Int(number)].lease != lease else { return }
            unchain(number)
            if lease == .none { return remove(number, at: slot) }
            return chain(number, to: lease)
        }
        guard lease != .none else { return }
        let number = take(Node(key: [UInt8](key), lease: lease, hash: hash, next: -1, previous: -1))
        place(number, hash)
        chain(number, to: lease)
    }

    /// Detaches all keys of `lease`.
    /// - Returns: the keys, in byte order.
    mutating func removeAll(of lease: LeaseID) -> [[UInt8]] {
        var keys: [[UInt8]] = []
        while let number = chains[lease]?.first {
            let node = nodes[Int(number)]
            keys.append(node.key)
            unchain(number)
            guard let slot = slot(of: number, node.hash) else {
                preconditionFailure("an attached key is not in its table")
            }
            remove(number, at: slot)
        }
        guard keys.count > 1 else { return keys }
        return keys.sorted { $0.lexicographicallyPrecedes($1) }
    }

    // MARK: Walks in slices

    /// A walk over the keys that a lease has when it begins; keys may come and go meanwhile.
    struct Walk: Hashable { fileprivate let number: UInt64 }

    enum WalkState {
        /// There are more keys.
        case more
        case ended
        /// There is no such walk: this is another state than that in which it began.
        case unknown
    }

    mutating func beginWalk(_ lease: LeaseID) -> Walk {
        walksBegun += 1
        let walk = Walk(number: walksBegun)
        walks.append((walk, chains[lease]?.first ?? -1))
        return walk
    }

    /// Goes on with a walk for as long as `goesOn` says so. The key at which it does not is seen
    /// again.
    /// - Parameter version: keys that were attached up to this one are passed over.
    mutating func goOn(
        with walk: Walk, after version: UInt64, while goesOn: (UnsafeRawBufferPointer) -> Bool
    ) -> WalkState {
        guard let place = walks.firstIndex(where: { $0.walk == walk }) else { return .unknown }
        walks[place].next = self.walk(from: walks[place].next, after: version, while: goesOn)
        if walks[place].next >= 0 { return .more }
        walks.remove(at: place)
        return .ended
    }

    mutating func end(_ walk: Walk) { walks.removeAll { $0.walk == walk } }

    // MARK: The chain of a lease

    private mutating func chain(_ number: Int32, to lease: LeaseID) {
        changes += 1
        let first = chains[lease, default: Chain()].push(number, changes)
        nodes[Int(number)].lease = lease
        nodes[Int(number)].change = changes
        nodes[Int(number)].previous = -1
        nodes[Int(number)].next = first
        if first >= 0 { nodes[Int(first)].previous = number }
    }

    private mutating func unchain(_ number: Int32) {
        let (next, previous) = (nodes[Int(number)].next, nodes[Int(number)].previous)
        if next >= 0 { nodes[Int(next)].previous = previous }
        if previous >= 0 { nodes[Int(previous)].next = next }
        for place in walks.indices where walks[place].next == number { walks[place].next = next }
        let lease = nodes[Int(number)].lease
        if previous < 0 && next < 0 {
            chains[lease] = nil
            return
        }
        changes += 1
        chains[lease]?.pop(changes, first: previous < 0 ? next : nil)
    }

    // MARK: Nodes

    private mutating func take(_ node: Node) -> Int32 {
        count += 1
        guard firstFree >= 0 else {
            nodes.append(node)
            return Int32(nodes.count - 1)
        }
        let number = firstFree
        firstFree = nodes[Int(number)].next
        nodes[Int(number)] = node
        return number
    }

    private mutating func remove(_ number: Int32, at slot: Int) {
        close(slot)
        nodes[Int(number)] = Node(
            key: [], lease: .none, hash: 0, next: firstFree, previous: -1)
        firstFree = number
        count -= 1
        guard count == 0 else { return }
        // A storm is over: what it took goes back.
        nodes = []
        slots = []
        firstFree = -1
    }

    // MARK: The table

    private static func hash(_ key: UnsafeRawBufferPointer) -> UInt32 {
        var hasher = Hasher()
        hasher.combine(bytes: key)
        return UInt32(truncatingIfNeeded: hasher.finalize())
    }

    private var mask: Int { slots.count - 1 }

    private func find(_ key: UnsafeRawBufferPointer, _ hash: UInt32) -> Int? {
        var slot = Int(hash) & mask
        while slots[slot] >= 0 {
            let node = nodes[Int(slots[slot])]
            if node.hash == hash, node.key.count == key.count,
                node.key.withUnsafeBytes({ $0.elementsEqual(key) })
            {
                return slot
            }
            slot = (slot + 1) & mask
        }
        return nil
    }

    private func slot(of number: Int32, _ hash: UInt32) -> Int? {
        var slot = Int(hash) & mask
        while slots[slot] >= 0 {
            if slots[slot] == number { return slot }
            slot = (slot + 1) & mask
        }
        return nil
    }

    private mutating func place(_ number: Int32, _ hash: UInt32) {
        if 4 * count > 3 * slots.count {
            let old = slots
            slots = Array(repeating: -1, count: max(16, 2 * old.count))
            for other in old where other >= 0 { settle(other, nodes[Int(other)].hash) }
        }
        settle(number, hash)
    }

    private mutating func settle(_ number: Int32, _ hash: UInt32) {
        var slot = Int(hash) & mask
        while slots[slot] >= 0 { slot = (slot + 1) & mask }
        slots[slot] = number
    }

    /// Empties a slot and moves up what probed past it (Knuth, volume 3, 6.4, algorithm R).
    private mutating func close(_ slot: Int) {
        var hole = slot
        var next = (hole + 1) & mask
        while slots[next] >= 0 {
            let home = Int(nodes[Int(slots[next])].hash) & mask
            if (next - home) & mask >= (next - hole) & mask {
                slots[hole] = slots[next]
                hole = next
            }
            next = (next + 1) & mask
        }
        slots[hole] = -1
    }
}
