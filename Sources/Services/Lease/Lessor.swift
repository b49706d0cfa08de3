// The leases: which there are, which keys they hold, and how long they live.
//
// That a lease exists, and what is attached to it, is decided by the log alone, on all members
// alike. How long it still lives only the leader knows, by its own monotonic clock: when it finds a
// lease's time over it proposes the revocation, and the lease is gone when that is applied.
//
//     granted --(attach, detach)--> granted --time is over, on the leader--> LeaseRevoke proposed
//         ^                             |                                          |
//         '--------- renewed -----------'                       applied: gone, with its keys
//
// Parts: what is here is the state as entries make it; expiry and leadership, and renewals, are in
// the files beside.

import API
import Consensus
import Storage

/// Where the lessor proposes what it decides. On the lessor's executor.
protocol LeaseLog: AnyObject, Sendable {
    /// Proposes to revoke `lease`, if this member leads in `term` when the proposal is made.
    /// - Parameter proposal: told when it comes to nothing.
    /// - Returns: whether it is under way; if not, `proposal` hears nothing.
    func proposeRevoke(_ lease: LeaseID, in term: Term, _ proposal: any Proposal) -> Bool
    /// Proposes to record what is left of leases, if this member leads in `term`.
    func proposeCheckpoints(_ leases: [LeaseFields], in term: Term)
}

/// Why a change of a lease is refused.
enum LeaseError: Error, Hashable {
    case notFound
    case exists
    case ttlTooLarge
}

/// The lessor. Shares its executor with the applied state, which enters it by plain calls.
package actor Lessor: ExecutorActor {
    package nonisolated let executor: any ActorExecutor
    package nonisolated let unownedExecutor: UnownedSerialExecutor

    let settings: LeaseSettings
    let counters: LeaseCounters
    /// Holds the lessor.
    weak var log: (any LeaseLog)?

    var leases: [LeaseID: Lease] = [:]
    private(set) var keys = AttachedKeys()

    /// The term in which this member leads and decides on expiry; nil while it does not.
    var leadership: Term?
    var deadlines = LeaseDeadlines()
    var checkpoints = LeaseDeadlines()
    /// Revocations proposed and not applied yet.
    var revoking = 0
    var timer: (any TimerHandle)?
    var waiting: [LeaseID: [WaitingRenewal]] = [:]

    /// 48 bytes: there may be hundreds of thousands.
    struct Lease {
        /// As granted, in seconds.
        var ttl: Int64
        /// As of the last checkpoint, in seconds; 0: the whole TTL.
        var remainingTTL: Int64
        /// When its time is over; only on the leader.
        var deadline = MonotonicTime.never
        /// The time of its entry in `deadlines`; entries of other times are left over.
        var queuedFor = MonotonicTime.never
        /// The time of its entry in `checkpoints`.
        var checkpointAt = MonotonicTime.never
        /// Its revocation is proposed.
        var isRevoking = false

        /// What it has to live when it is not renewed, in seconds.
        var secondsToLive: Int64 { remainingTTL > 0 ? remainingTTL : ttl }
    }

    package init(
        on executor: any ActorExecutor, settings: LeaseSettings = LeaseSettings(),
        counters: LeaseCounters = LeaseCounters()
    ) {
        self.executor = executor
        unownedExecutor = executor.asUnownedSerialExecutor()
        self.settings = settings
        self.counters = counters
    }

    /// Takes what the store held at the start, or what another member's state holds. This member
    /// does not lead.
    func restore(_ stored: StoredLeases) {
        precondition(leadership == nil, "a leader's leases are replaced")
        leases = stored.leases
        keys = stored.keys
        revoking = 0
        for id in waiting.keys where leases[id] == nil { answerRenewals(ofRevoked: id) }
    }
}

/// The leases of a state, as the lessor holds them. Made on any thread: it takes a while.
struct StoredLeases: Sendable {
    fileprivate(set) var leases: [LeaseID: Lessor.Lease] = [:]
    fileprivate(set) var keys = AttachedKeys()

    /// A key whose lease is not there has none, as in etcd.
    init(_ stored: [LeaseFields], attached: [StoreSummary.LeasedKey]) {
        leases.reserveCapacity(stored.count)
        for lease in stored {
            leases[lease.id] = Lessor.Lease(ttl: lease.ttl, remainingTTL: lease.remainingTTL)
        }
        for pair in attached where leases[pair.lease] != nil {
            pair.key.withUnsafeBytes { keys.attach($0, to: pair.lease) }
        }
    }
}

// MARK: - What entries do

extension Lessor {
    func contains(_ lease: LeaseID) -> Bool { leases[lease] != nil }

    /// Whether any key has a lease.
    var hasKeys: Bool { !keys.isEmpty }

    /// Makes a lease.
    /// - Returns: as it is in effect, to be kept in the store.
    func grant(_ id: LeaseID, ttl: Int64) throws(LeaseError) -> LeaseFields {
        // The service names a lease that its client did not; only a foreign entry comes without.
        guard id != .none else { throw .notFound }
        guard ttl <= Limits.leaseTTLSeconds else { throw .ttlTooLarge }
        guard leases[id] == nil else { throw .exists }
        let ttl = max(ttl, settings.minimumTTL)
        leases[id] = Lease(ttl: ttl, remainingTTL: 0)
        counters.granted.increment()
        counters.ttls.observe(UInt64(ttl))
        if leadership != nil {
            setDeadline(id, executor.now.advanced(bySeconds: ttl))
            scheduleCheckpoint(id)
        }
        return LeaseFields(id: id, ttl: ttl)
    }

    /// Ends a lease.
    /// - Returns: the keys that were attached, in byte order: they are to be deleted.
    func revoke(_ id: LeaseID) throws(LeaseError) -> [[UInt8]] {
        guard let lease = leases.removeValue(forKey: id) else { throw .notFound }
        counters.revoked.increment()
        if lease.isRevoking {
            revoking -= 1
            counters.expired.increment()
        }
        answerRenewals(ofRevoked: id)
        return keys.removeAll(of: id)
    }

    /// Records what was left of a lease when its leader looked.
    /// - Returns: the lease; nil when it is gone.
    func checkpoint(_ id: LeaseID, remainingTTL: Int64) -> LeaseFields? {
        guard var lease = leases[id] else { return nil }
        lease.remainingTTL = remainingTTL
        leases[id] = lease
        if leadership != nil { scheduleCheckpoint(id) }
        if remainingTTL == 0 { renewWaiting(id) }
        return LeaseFields(id: id, ttl: lease.ttl, remainingTTL: remainingTTL)
    }

    /// The key has this lease from now on, which exists; `.none` is no lease.
    func attach(_ key: UnsafeRawBufferPointer, to lease: LeaseID) {
        if keys.isEmpty && lease == .none { return }
        precondition(lease == .none || leases[lease] != nil, "a key of a lease that is not there")
        keys.attach(key, to: lease)
    }

    /// The key was deleted.
    func detach(_ key: UnsafeRawBufferPointer) { attach(key, to: .none) }
}

// MARK: - What clients ask

extension Lessor {
    /// How long a lease still lives, as the leader knows it; nil when there is no such lease.
    /// Truncated to seconds; negative when its time is over and it is not revoked yet.
    func timeToLive(_ id: LeaseID) -> (ttl: Int64, grantedTTL: Int64)? {
        guard let lease = leases[id] else { return nil }
        let now = executor.now
        let ttl =
            lease.deadline == .never
            ? lease.secondsToLive
            : lease.deadline > now
                ? Int64(lease.deadline.nanoseconds(since: now) / 1_000_000_000)
                : -Int64(now.nanoseconds(since: lease.deadline) / 1_000_000_000)
        return (ttl, lease.ttl)
    }

    /// Calls `visit` with each key of `lease`. The bytes are valid during the call only.
    func forEachKey(of lease: LeaseID, _ visit: (UnsafeRawBufferPointer) -> Void) {
        keys.forEach(of: lease, visit)
    }

    /// As `AttachedKeys`' own.
    func beginWalk(_ lease: LeaseID) -> AttachedKeys.Walk { keys.beginWalk(lease) }
    func goOn(
        with walk: AttachedKeys.Walk, after version: UInt64,
        while goesOn: (UnsafeRawBufferPointer) -> Bool
    ) -> AttachedKeys.WalkState {
        keys.goOn(with: walk, after: version, while: goesOn)
    }
    func end(_ walk: AttachedKeys.Walk) { keys.end(walk) }

    /// All leases: on the leader the one whose time is over first comes first.
    var list: [LeaseID] {
        leases.map { (deadline: $1.deadline, id: $0) }
            .sorted { ($0.deadline, $0.id) < ($1.deadline, $1.id) }
            .map(\.id)
    }
}

extension MonotonicTime {
    /// Later than anything.
    static let never = MonotonicTime(nanoseconds: .max)

    /// - Parameter seconds: at most `Limits.leaseTTLSeconds`, which is 285 years.
    func advanced(bySeconds seconds: Int64) -> MonotonicTime {
        advanced(byNanoseconds: UInt64(max(0, seconds)) * 1_000_000_000)
    }
}
