// Work handed to a loop by other threads (and by itself).
//
// A wake of a sleeping thread costs microseconds, an append nanoseconds. So whoever adds to an
// inbox wakes the thread only when it sleeps and nobody has woken it yet, and the thread takes
// all there is in one swap: many posts, one lock and one wake per turn.

import API

/// A queue with many writers and one reader, the loop's thread.
struct Inbox: ~Copyable, Sendable {
    enum Item: Sendable {
        case work(@Sendable () -> Void)
        /// A piece of a Swift task; must be run exactly once.
        case job(UnownedJob)
    }

    enum Added {
        case queued
        /// The caller has to wake the thread: outside of the lock, lest it runs straight into it.
        case wakeNeeded
        /// The loop has stopped; the item is dropped.
        case refused
    }

    private struct State {
        var items: [Item] = []
        var asleep = false
        var closed = false
    }

    private let state = Locked(State())

    func add(_ item: Item) -> Added {
        state.withLock { state in
            if state.closed { return .refused }
            state.items.append(item)
            guard state.asleep else { return .queued }
            state.asleep = false
            return .wakeNeeded
        }
    }

    /// Exchanges the queue for `batch`, which must be empty and lends its storage.
    func swap(with batch: inout [Item]) {
        precondition(batch.isEmpty, "the last batch has not been run")
        state.withLock { state in Swift.swap(&state.items, &batch) }
    }

    /// Announces that the thread will block. False if there is work instead.
    func fallAsleep() -> Bool {
        state.withLock { state in
            state.asleep = state.items.isEmpty
            return state.asleep
        }
    }

    /// From now on everything is refused. False if there is work left and `force` is not set.
    func close(force: Bool) -> Bool {
        var dropped: [Item] = []  // closures may post as they are destroyed: not under the lock
        return state.withLock { state in
            guard state.items.isEmpty || force else { return false }
            Swift.swap(&state.items, &dropped)
            state.closed = true
            state.asleep = false
            return true
        }
    }
}
