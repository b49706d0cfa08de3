// What an operator decides about leases, and what is counted of them.

import API

/// Follows from the election timeout and the feature gates (reference: flags.tsv).
public struct LeaseSettings: Sendable {
    /// In seconds; what is granted for less is raised to it.
    public var minimumTTL: Int64
    /// What every lease is given on top when the leadership changes: as long as nobody led, nobody
    /// could renew it.
    public var extensionNanoseconds: UInt64
    /// A renewal that waits for a leader is given up after this long.
    public var patienceNanoseconds: UInt64
    /// Gate LeaseCheckpoint: the leader records now and then what is left of long leases.
    public var takesCheckpoints = false
    /// Gate LeaseCheckpointPersist: checkpoints are kept in the store whatever the cluster's version.
    public var keepsCheckpoints = false
    /// Gate PriorityRequest: revocations are taken when other requests are not any more.
    public var revokesFirst = false

    /// - Parameter tickNanoseconds: the heartbeat interval.
    public init(electionTicks: Int = 10, tickNanoseconds: UInt64 = 100_000_000) {
        // Reference: semantics.md, Lease.
        let floor = UInt64(3 * electionTicks / 2) * tickNanoseconds
        minimumTTL = Int64((floor + 999_999_999) / 1_000_000_000)
        extensionNanoseconds = UInt64(electionTicks) * tickNanoseconds
        patienceNanoseconds = 5_000_000_000 + 2 * extensionNanoseconds
    }
}

/// Updated on the lessor's executor, read on any thread.
package struct LeaseCounters: Sendable {
    package let granted: Counter
    package let revoked: Counter
    package let renewed: Counter
    /// Revoked because their time was over.
    package let expired: Counter
    /// The TTLs granted, in seconds.
    package let ttls: Histogram
    /// Requests of LeaseKeepAlive that were none, each of which ended its stream.
    package let receiveFailures: Counter

    package init(
        granted: Counter = Counter(), revoked: Counter = Counter(), renewed: Counter = Counter(),
        expired: Counter = Counter(), ttls: Histogram = Histogram(bounds: ttlBounds, scale: 1),
        receiveFailures: Counter = Counter()
    ) {
        self.granted = granted
        self.revoked = revoked
        self.renewed = renewed
        self.expired = expired
        self.ttls = ttls
        self.receiveFailures = receiveFailures
    }

    /// As etcd shows them (reference: metrics.tsv).
    package static let ttlBounds = Histogram.exponential(start: 1, count: 24)
}
