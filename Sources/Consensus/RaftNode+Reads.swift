// Linearizable reads: gathered during a turn, one ReadIndex round for all of them.

import API

extension RaftNode {
    /// Tells `waiter` when this member's applied state holds everything that any member had
    /// acknowledged before this call, so that a read then is linearizable. All reads of a turn
    /// share one round.
    public func readBarrier(_ waiter: any ReadWaiter) {
        guard !isStopped, !isWithdrawn else { return waiter.readFailed(.stopped) }
        guard reads.count < options.maxReads else { return waiter.readFailed(.tooManyRequests) }
        guard reads.join(waiter, tick: ticks) else { return }
        executor.atTurnEnd(.gather) { [self] in askForReads() }
    }

    func askForReads() {
        guard !isStopped, let context = reads.ask(tick: ticks) else { return }
        handle(.read(context))
    }

    func releaseReads() {
        for waiter in reads.release(applied: core.applied) { waiter.readReady() }
    }

    func tickReads() {
        for waiter in reads.expire(before: ticks - options.requestTicks) {
            counters.failedReads.increment()
            waiter.readFailed(.timedOut)
        }
        if let context = reads.askAgain(tick: ticks, patience: options.readRetryTicks) {
            counters.slowReads.increment()
            handle(.read(context))
        }
        askForReads()
    }
}
