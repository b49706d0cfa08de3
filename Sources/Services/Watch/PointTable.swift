// A hash table of keys that is asked with bytes wherever they lie: Swift's Dictionary would want an
// array made of every changed key. Open addressing, linear probing, at most three quarters full.

import Storage

struct PointTable<Element: AnyObject> {
    private struct Slot {
        let hash: Int
        let key: [UInt8]
        let element: Element
    }
    private var slots: [Slot?] = []
    private(set) var count = 0

    private var mask: Int { slots.count - 1 }

    /// Seeded by chance per process, so that nobody can choose keys that collide.
    private static func hash(_ key: UnsafeRawBufferPointer) -> Int {
        var hasher = Hasher()
        hasher.combine(bytes: key)
        return hasher.finalize()
    }

    /// The slot of `key`, or the free one where it would go. The table is not empty.
    private func place(of key: UnsafeRawBufferPointer, hash: Int) -> Int {
        var place = hash & mask
        while let slot = slots[place] {
            let isSame =
                slot.hash == hash
                && slot.key.withUnsafeBytes { Bytes.compare($0, key) == 0 }
            if isSame { break }
            place = (place + 1) & mask
        }
        return place
    }

    func find(_ key: UnsafeRawBufferPointer) -> Element? {
        guard count > 0 else { return nil }
        return slots[place(of: key, hash: Self.hash(key))]?.element
    }

    mutating func insert(_ key: [UInt8], _ element: Element) {
        if (count + 1) * 4 > slots.count * 3 { resize(to: max(16, slots.count * 2)) }
        let hash = key.withUnsafeBytes { Self.hash($0) }
        let place = key.withUnsafeBytes { self.place(of: $0, hash: hash) }
        precondition(slots[place] == nil, "a key is inserted once")
        slots[place] = Slot(hash: hash, key: key, element: element)
        count += 1
    }

    mutating func remove(_ key: [UInt8]) {
        precondition(count > 0, "a key that is not in the table")
        var hole = key.withUnsafeBytes { place(of: $0, hash: Self.hash($0)) }
        precondition(slots[hole] != nil, "a key that is not in the table")
        slots[hole] = nil
        count -= 1
        // What follows closes up, so that no search ends early (Knuth, volume 3, 6.4, algorithm R).
        var next = (hole + 1) & mask
        while let slot = slots[next] {
            let home = slot.hash & mask
            if (next - home) & mask >= (next - hole) & mask {
                slots[hole] = slot
                slots[next] = nil
                hole = next
            }
            next = (next + 1) & mask
        }
        if slots.count > 16, count * 8 < slots.count { resize(to: slots.count / 2) }
    }

    private mutating func resize(to size: Int) {
        let old = slots
        slots = Array(repeating: nil, count: size)
        for case let slot? in old {
            var place = slot.hash & mask
            while slots[place] != nil { place = (place + 1) & mask }
            slots[place] = slot
        }
    }
}
