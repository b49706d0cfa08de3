// Linearizable reads of this member: gathered, confirmed by the leader in one round, and let go
// once the applied state has caught up.
//
//     gathering  ->  confirming (one round at a time)  ->  applying
//
// While a round is under way, later reads gather for the next one: they began after it did, so
// its answer is too old for them.

import API
import DequeModule

struct ReadBarriers {
    private struct Batch {
        var waiters: [any ReadWaiter] = []
        /// The tick the first of them came in.
        var since = 0
    }

    private struct Round {
        var batch: Batch
        /// It was asked for with these; any answer will do, all were asked after the reads began.
        var contexts: ClosedRange<UInt64>
        var askedAt: Int
    }

    private var gathering = Batch()
    private var confirming: Round?
    /// Ascending by index.
    private var applying: Deque<(index: LogIndex, batch: Batch)> = []
    private var nextContext: UInt64
    private(set) var count = 0

    /// - Parameter firstContext: by chance, so that a late answer to an earlier life of this
    ///   member does not fit.
    init(firstContext: UInt64) { nextContext = firstContext >> 1 }

    /// - Returns: whether `ask` has to be called at the end of the turn.
    mutating func join(_ waiter: any ReadWaiter, tick: Int) -> Bool {
        if gathering.waiters.isEmpty { gathering.since = tick }
        gathering.waiters.append(waiter)
        count += 1
        return gathering.waiters.count == 1 && confirming == nil
    }

    /// Begins a round for all that gathered, unless one is under way.
    mutating func ask(tick: Int) -> ReadContext? {
        guard confirming == nil, !gathering.waiters.isEmpty else { return nil }
        let context = newContext()
        confirming = Round(
            batch: gathering, contexts: context.rawValue...context.rawValue, askedAt: tick)
        gathering = Batch()
        return context
    }

    /// Asks again if the round's last question is `patience` ticks old.
    mutating func askAgain(tick: Int, patience: Int) -> ReadContext? {
        guard let round = confirming, tick - round.askedAt >= patience else { return nil }
        let context = newContext()
        confirming?.contexts = round.contexts.lowerBound...context.rawValue
        confirming?.askedAt = tick
        return context
    }

    /// The leader's answer. Waiters become ready through `release`.
    mutating func confirmed(_ read: ReadState) {
        guard let round = confirming, round.contexts.contains(read.context.rawValue) else {
            return
        }
        confirming = nil
        // Answers of two leaders may come in any order.
        let index = max(read.index, applying.last?.index ?? .zero)
        applying.append((index, round.batch))
    }

    /// Waiters whose index is applied.
    mutating func release(applied: LogIndex) -> [any ReadWaiter] {
        guard let first = applying.first, first.index <= applied else { return [] }
        var ready: [any ReadWaiter] = []
        while let first = applying.first, first.index <= applied {
            if ready.isEmpty { ready = first.batch.waiters } else { ready += first.batch.waiters }
            applying.removeFirst()
        }
        count -= ready.count
        return ready
    }

    /// Waiters of the round under way; it is given up.
    mutating func abandonRound() -> [any ReadWaiter] {
        guard let round = confirming else { return [] }
        confirming = nil
        count -= round.batch.waiters.count
        return round.batch.waiters
    }

    /// Waiters that came before `tick`.
    mutating func expire(before tick: Int) -> [any ReadWaiter] {
        var expired: [any ReadWaiter] = []
        while let first = applying.first, first.batch.since < tick {
            expired += first.batch.waiters
            applying.removeFirst()
        }
        count -= expired.count
        if let round = confirming, round.batch.since < tick { expired += abandonRound() }
        if !gathering.waiters.isEmpty, gathering.since < tick {
            count -= gathering.waiters.count
            expired += gathering.waiters
            gathering = Batch()
        }
        return expired
    }

    private mutating func newContext() -> ReadContext {
        nextContext &+= 1
        return ReadContext(nextContext)
    }
}
