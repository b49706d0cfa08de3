// All watchers of one range, on whatever streams: an event is matched once for all of them.

import API

/// Confined to the hub.
final class WatchGroup {
    let range: KeyRange
    private(set) var watchers: [Watcher] = []
    /// How many of them want previous pairs.
    private(set) var wantingPrevious = 0

    /// Numbers of the range's events in the log that not all watchers have been told of.
    private(set) var pending: [Int] = []
    /// The revision of the last of them.
    private(set) var newestPending = Revision(0)
    /// A watcher that has not been told of this revision has missed events that are no longer
    /// pending.
    private(set) var droppedThrough = Revision(0)

    /// In the hub's queue, to be told of what is pending.
    private(set) var isDue = false
    /// If it is due: the revision since which. Who waits for nothing had been told of all before.
    private(set) var dueSince = Revision(0)
    /// How many watchers the present round has passed.
    var passed = 0
    /// Events came when the present round was under way.
    var needsAnotherRound = false
    /// Watchers that wait in their streams for pending events.
    var waiting = 0

    init(_ range: KeyRange) { self.range = range }

    // MARK: Watchers

    func add(_ watcher: Watcher) {
        watcher.place = Int32(watchers.count)
        watchers.append(watcher)
        if watcher.options.contains(.previous) { wantingPrevious += 1 }
    }

    /// - Returns: a watcher that the round under way would miss because it took the other's place.
    func remove(_ watcher: Watcher) -> Watcher? {
        let place = Int(watcher.place)
        precondition(watchers[place] === watcher)
        let last = watchers.removeLast()
        if watcher.options.contains(.previous) { wantingPrevious -= 1 }
        guard last !== watcher else { return nil }
        watchers[place] = last
        last.place = Int32(place)
        return isDue && place < passed && watchers.count >= passed ? last : nil
    }

    // MARK: Events

    /// - Parameter limit: how many events may be pending; beyond, all are dropped.
    func append(_ number: Int, _ revision: Revision, limit: Int) {
        #if CAIRN_BUGS
            if DeliberateBug.made == .reorderEvents, newestPending == revision, !pending.isEmpty {
                return pending.insert(number, at: pending.count - 1)
            }
        #endif
        newestPending = revision
        if pending.count < limit { pending.append(number) } else { drop(through: revision) }
    }

    /// Something is to be told, from `revision` on.
    func becomeDue(since revision: Revision) {
        isDue = true
        dueSince = revision
        passed = 0
    }

    /// All but those who wait have been told.
    func endRound() { isDue = false }

    /// Lets go what is pending and not told: its watchers have to read it from the store.
    func drop(through revision: Revision) {
        pending.removeAll()
        droppedThrough = max(droppedThrough, revision)
    }

    /// All have been told.
    func settle() { pending.removeAll(keepingCapacity: pending.count <= 64) }

    /// Forgets what the log has let go.
    func trim(to log: EventLog) {
        guard let oldest = pending.first, oldest < log.first else { return }
        let rest = pending.firstIndex { $0 >= log.first } ?? pending.count
        pending.removeFirst(rest)
        droppedThrough = max(droppedThrough, log.evictedThrough)
    }
}
