// Leases by the time something is due for them.
//
// Most leases are renewed long before their time is over, so a renewal does not touch the queue: the
// lease's entry keeps its old time, and when that comes it is put back at the new one. A renewed
// lease costs the queue one step for each TTL, not one for each renewal.

import API
import HeapModule

/// A queue of leases by time, one entry for each. Confined to one executor.
struct LeaseDeadlines {
    struct Entry: Comparable {
        let time: MonotonicTime
        let lease: LeaseID

        static func < (a: Self, b: Self) -> Bool { (a.time, a.lease) < (b.time, b.lease) }
    }

    private var queue = Heap<Entry>()

    var count: Int { queue.count }

    mutating func add(_ lease: LeaseID, at time: MonotonicTime) {
        queue.insert(Entry(time: time, lease: lease))
    }

    /// Whether an entry's time has come.
    func isDue(_ now: MonotonicTime) -> Bool {
        guard let first = queue.min else { return false }
        return first.time <= now
    }

    /// Takes the entry whose time came first, if it has come.
    mutating func next(due now: MonotonicTime) -> Entry? {
        isDue(now) ? queue.popMin() : nil
    }

    mutating func removeAll() { queue = Heap() }
}
