// The changes of one key that has more to tell than its newest put.
//
// Changes lie in one block in the order they were made, 16 bytes each. A life of the key (etcd: a
// generation) runs from a put to the delete that ends it. Only the oldest life can have lost its
// beginning to a compaction, so the block keeps when that one began and the version of its first
// remaining change; all else follows from places in the array: every change knows how far behind
// it its life begins. So a read at any revision is one binary search.
//
// A compaction removes the oldest changes only (ondisk.md, "Compaction at R": the newest change
// at or below R and all above it stay), so distances stay true; one that points before the
// beginning means the beginning.
//
// The block belongs to one leaf entry; this struct is a view of it, not its owner.

import API
import Glibc

struct KeyHistory {
    struct Header {
        /// When the oldest life began.
        var created: Int64
        /// The version of the first change kept.
        var version: Int64
        var count: UInt32
        var capacity: UInt32
    }
    struct Change {
        var main: Int64
        /// The top bit says that it is a delete.
        var subAndKind: UInt32
        /// How many places before this one its life begins.
        var distance: UInt32

        static let deleteBit: UInt32 = 1 << 31

        @inline(__always)
        init(_ position: RevisionPosition, isDelete: Bool, distance: Int) {
            precondition(position.sub >= 0 && position.sub <= KeyHistory.maximumSub)
            main = position.main.rawValue
            subAndKind = UInt32(position.sub) | (isDelete ? Self.deleteBit : 0)
            self.distance = UInt32(distance)
        }
        var isDelete: Bool { subAndKind & Self.deleteBit != 0 }
        var position: RevisionPosition {
            RevisionPosition(main: Revision(main), sub: Int64(subAndKind & ~Self.deleteBit))
        }
    }

    /// One transaction changes fewer keys than that: their index would fill 100 GB.
    static let maximumSub: Int64 = Int64(Int32.max)

    private(set) var block: UnsafeMutableRawPointer

    @inline(__always)
    init(block: UnsafeMutableRawPointer) { self.block = block }

    /// A history that begins with `first`, a put of the given life and version, or a delete.
    init(
        first: RevisionPosition, isDelete: Bool, created: Revision, version: Int64, capacity: Int,
        in heap: inout IndexHeap
    ) {
        block = heap.allocate(Self.size(capacity: capacity))
        header.initialize(
            to: Header(
                created: created.rawValue, version: version, count: 1, capacity: UInt32(capacity)))
        changes.initialize(to: Change(first, isDelete: isDelete, distance: 0))
    }

    private static func size(capacity: Int) -> Int {
        MemoryLayout<Header>.size + capacity * MemoryLayout<Change>.stride
    }

    @inline(__always)
    private var header: UnsafeMutablePointer<Header> {
        block.assumingMemoryBound(to: Header.self)
    }
    @inline(__always)
    private var changes: UnsafeMutablePointer<Change> {
        (block + MemoryLayout<Header>.size).assumingMemoryBound(to: Change.self)
    }

    var count: Int { Int(header.pointee.count) }
    var last: RevisionPosition { changes[count - 1].position }
    var endsWithDelete: Bool { changes[count - 1].isDelete }

    /// The key as the change at `place` left it; nil after a delete.
    @inline(__always)
    func version(after place: Int) -> IndexedVersion? {
        let change = changes[place]
        if change.isDelete { return nil }
        let start = place - Int(change.distance)
        if start <= 0 {
            return IndexedVersion(
                modified: change.position, created: Revision(header.pointee.created),
                version: header.pointee.version + Int64(place))
        }
        return IndexedVersion(
            modified: change.position, created: Revision(changes[start].main),
            version: Int64(change.distance) + 1)
    }

    /// The key now; nil when it is deleted.
    var newest: IndexedVersion? { version(after: count - 1) }

    /// The key as it stood at `revision`; nil when it did not exist.
    func version(at revision: Revision) -> IndexedVersion? {
        let place = lastPlace(at: revision)
        return place < 0 ? nil : version(after: place)
    }

    /// The place of the newest change at or below `revision`; -1 when all are above.
    private func lastPlace(at revision: Revision) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if changes[middle].main <= revision.rawValue { low = middle + 1 } else { high = middle }
        }
        return low - 1
    }

    /// Adds the newest change; a put of a deleted key begins a new life.
    mutating func append(_ position: RevisionPosition, isDelete: Bool, in heap: inout IndexHeap) {
        let place = count
        let previous = changes[place - 1]
        precondition(position > previous.position, "a change before one that is known already")
        precondition(!(isDelete && previous.isDelete), "a delete of a deleted key")
        let distance = previous.isDelete ? 0 : min(place, Int(previous.distance) + 1)
        if place == Int(header.pointee.capacity) {
            resize(capacity: place + max(1, place / 2), in: &heap)
        }
        (changes + place).initialize(
            to: Change(position, isDelete: isDelete, distance: distance))
        header.pointee.count = UInt32(place + 1)
    }

    /// Whether a compaction at `revision` keeps the change at `position`.
    func keeps(_ position: RevisionPosition, compactingAt revision: Revision) -> Bool {
        if position.main > revision { return true }
        let place = lastPlace(at: revision)
        guard place >= 0, changes[place].position == position else { return false }
        return !changes[place].isDelete || position.main == revision
    }

    /// Drops what a compaction at `revision` drops. False when nothing is left: then the block is
    /// freed, and so is the view.
    mutating func compact(to revision: Revision, in heap: inout IndexHeap) -> Bool {
        let place = lastPlace(at: revision)
        if place < 0 { return true }
        let dropsLast = changes[place].isDelete && changes[place].main < revision.rawValue
        let first = dropsLast ? place + 1 : place
        if first == count {
            free(in: &heap)
            return false
        }
        if first > 0 { removeChanges(before: first, in: &heap) }
        return true
    }

    private mutating func removeChanges(before first: Int, in heap: inout IndexHeap) {
        let left = count - first
        if let version = version(after: first) {
            header.pointee.created = version.created.rawValue
            header.pointee.version = version.version
        }
        memmove(changes, changes + first, left * MemoryLayout<Change>.stride)
        header.pointee.count = UInt32(left)
        if Int(header.pointee.capacity) > left + left / 2 + 1 {
            resize(capacity: left, in: &heap)
        }
    }

    private mutating func resize(capacity: Int, in heap: inout IndexHeap) {
        block = heap.resize(
            block, from: Self.size(capacity: Int(header.pointee.capacity)),
            to: Self.size(capacity: capacity))
        header.pointee.capacity = UInt32(capacity)
    }

    func free(in heap: inout IndexHeap) {
        heap.free(block, size: Self.size(capacity: Int(header.pointee.capacity)))
    }

    /// Bytes of memory.
    var cost: Int { IndexHeap.cost(Self.size(capacity: Int(header.pointee.capacity))) }

    /// Whether changes ascend and no delete follows a delete; for checks.
    var isOrdered: Bool {
        (1..<max(1, count)).allSatisfy {
            changes[$0 - 1].position < changes[$0].position
                && !(changes[$0 - 1].isDelete && changes[$0].isDelete)
        }
    }

    /// Calls `visit` with the changes from `revision` on, oldest first, until it says false.
    func changes(
        from revision: Revision, _ visit: (RevisionPosition, _ isDelete: Bool) -> Bool
    ) {
        var place = lastPlace(at: Revision(revision.rawValue - 1)) + 1
        while place < count, visit(changes[place].position, changes[place].isDelete) { place += 1 }
    }

    /// Calls `body` with every change, oldest first.
    func forEachChange(_ body: (RevisionPosition, _ isDelete: Bool) -> Void) {
        for place in 0..<count { body(changes[place].position, changes[place].isDelete) }
    }
}
