// The memory of decoded requests, used again: a request in flight has an arena, and a new request
// takes one that an answered request has left.

import API
import Synchronization

/// Arenas at rest. From any thread: taken where a request is decoded, put back where it is settled.
final class ArenaPool: Sendable {
    /// An arena that nobody uses, on its way between threads.
    ///
    /// `@unchecked Sendable`: an arena has one user at a time; the lock orders their accesses.
    private struct Resting: @unchecked Sendable { let arena: Arena }

    private let resting = Mutex<[Resting]>([])
    private let limit: Int

    /// - Parameter limit: arenas kept; more than that are freed. They hold a few KiB each.
    init(limit: Int = 1024) { self.limit = limit }

    func take() -> Arena {
        resting.withLock { $0.popLast() }?.arena ?? Arena()
    }

    /// Resets `arena`: nothing that was decoded in it may be used any more.
    func putBack(_ arena: Arena) {
        arena.reset()
        let item = Resting(arena: arena)
        resting.withLock { resting in
            if resting.count < limit { resting.append(item) }
        }
    }
}
