// What is counted as requests are applied and read.

import API

/// Updated on the applier's executor, read on any thread.
package struct ApplierCounters: Sendable {
    package let puts: Counter
    /// Comparisons of transactions included.
    package let ranges: Counter
    package let deletes: Counter
    /// Transactions of more than one operation, reading ones included.
    package let txns: Counter
    /// Bytes of keys and values put.
    package let putBytes: Gauge
    package let leases: LeaseCounters
    package let times: ApplierTimes
    package let applies: ApplyTimes
    /// The revision of users and roles.
    package let authRevision: Gauge
    /// Requests that were not proposed, were lost, or took too long.
    package let failedProposals: Counter
    package let promotions: PromotionCounters

    package init(
        puts: Counter = Counter(), ranges: Counter = Counter(), deletes: Counter = Counter(),
        txns: Counter = Counter(), putBytes: Gauge = Gauge(),
        leases: LeaseCounters = LeaseCounters(), authRevision: Gauge = Gauge(),
        times: ApplierTimes = ApplierTimes(), applies: ApplyTimes = ApplyTimes(),
        failedProposals: Counter = Counter(),
        promotions: PromotionCounters = PromotionCounters()
    ) {
        self.puts = puts
        self.ranges = ranges
        self.deletes = deletes
        self.txns = txns
        self.putBytes = putBytes
        self.leases = leases
        self.authRevision = authRevision
        self.times = times
        self.applies = applies
        self.failedProposals = failedProposals
        self.promotions = promotions
    }
}

/// How long reads take, in nanoseconds of `stopwatch`.
package struct ApplierTimes: Sendable {
    /// Monotonic; an executor's own time stands still within a turn.
    package let stopwatch: @Sendable () -> UInt64
    /// Ranges, from their first slice to their last.
    package let served: Histogram
    /// Those that were refused or given up.
    package let failed: Histogram
    /// Of all tables.
    package let hash: Histogram
    package let hashOfRevision: Histogram

    package init(
        served: Histogram = Histogram(bounds: []), failed: Histogram = Histogram(bounds: []),
        hash: Histogram = Histogram(bounds: []), hashOfRevision: Histogram = Histogram(bounds: []),
        stopwatch: @escaping @Sendable () -> UInt64 = { 0 }
    ) {
        self.stopwatch = stopwatch
        self.served = served
        self.failed = failed
        self.hash = hash
        self.hashOfRevision = hashOfRevision
    }
}

/// Promotions of learners by this member, as the leader.
package struct PromotionCounters: Sendable {
    package let successes: Counter
    /// Told what the caller is told.
    package let failed: @Sendable (_ reason: String) -> Void

    package init(
        successes: Counter = Counter(),
        failed: @escaping @Sendable (_ reason: String) -> Void = { _ in }
    ) {
        self.successes = successes
        self.failed = failed
    }
}
