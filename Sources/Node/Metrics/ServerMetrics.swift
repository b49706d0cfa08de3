// The metrics of a member, by etcd's names (reference: metrics.tsv). Each part is handed to the
// component that updates it; what is only shown is read at the scrape.

import API
import Consensus
import Services
import Storage

/// Made once per member; its instruments are updated from any thread.
public struct ServerMetrics: Sendable {
    public let registry: MetricsRegistry
    public let raft: RaftMetrics
    public let disk: DiskMetrics
    public let store: StoreMetrics
    public let leases: LeaseMetrics
    public let server: RequestMetrics
    public let health: HealthMetrics
    public let watch: WatchMetrics
    public let snapshots: SnapshotMetrics
    public let passwordHashes: Counter

    public init(registry: MetricsRegistry = MetricsRegistry()) {
        self.registry = registry
        raft = RaftMetrics(registry)
        disk = DiskMetrics(registry)
        store = StoreMetrics(registry)
        leases = LeaseMetrics(registry)
        server = RequestMetrics(registry)
        health = HealthMetrics(registry)
        watch = WatchMetrics(registry)
        snapshots = SnapshotMetrics(registry)
        registry.gauge(
            "etcd_server_version", "Which version is running. 1 for the version of the label.",
            ("server_version", ProductVersion.etcd)
        ).set(1)
        registry.gauge(
            "cairn_build_info", "1 for the version of Cairn of the label.",
            ("version", ProductVersion.cairn)
        ).set(1)
        passwordHashes = registry.counter(
            "cairn_auth_password_hashes_total",
            "Passwords that were hashed with bcrypt, for users made and for logins.")
        ProcessMetrics.register(in: registry)
    }

    /// Once the member's id is known.
    public func setIdentity(_ member: MemberID) {
        registry.gauge(
            "etcd_server_id", "Server or member ID in hexadecimal format.",
            ("server_id", member.hex)
        ).set(1)
    }

    /// Which switches are on.
    public func setGates(_ gates: FeatureGates) {
        for gate in FeatureGates.known {
            registry.gauge(
                "etcd_server_feature_enabled", "Whether a feature gate is on. 1 if it is.",
                ("name", gate.name), ("stage", gate.isAlpha ? "ALPHA" : "BETA")
            ).set(gates[gate.name] ? 1 : 0)
        }
    }

    /// An alarm of any member was raised or cleared.
    func setAlarm(_ alarm: AlarmFields, isActive: Bool) {
        guard let type = alarm.metricName else { return }
        registry.gauge(
            "etcd_debugging_server_alarms", "Alarms for every member in cluster.",
            ("server_id", alarm.member.hex), ("alarm_type", type)
        ).set(isActive ? 1 : 0)
    }

    /// Once the cluster's version is decided.
    /// - Parameter version: major and minor, such as `3.7`.
    public func setClusterVersion(_ version: String) {
        registry.gauge(
            "etcd_cluster_version", "Which version the cluster runs. 1 for the current one.",
            ("cluster_version", version)
        ).set(1)
    }
}

public struct RaftMetrics: Sendable {
    public let hasLeader: Gauge
    public let isLeader: Gauge
    public let isLearner: Gauge
    public let leaderChanges: Counter
    /// The highest committed index.
    public let committed: Gauge
    /// The highest applied index.
    public let applied: Gauge
    public let pendingProposals: Gauge
    public let failedProposals: Counter
    public let node: RaftCounters

    init(_ registry: MetricsRegistry) {
        hasLeader = registry.gauge(
            "etcd_server_has_leader", "Whether or not a leader exists. 1 is existence, 0 is not.")
        isLeader = registry.gauge(
            "etcd_server_is_leader", "Whether or not this member is a leader. 1 if it is.")
        isLearner = registry.gauge(
            "etcd_server_is_learner", "Whether or not this member is a learner. 1 if it is.")
        leaderChanges = registry.counter(
            "etcd_server_leader_changes_seen_total", "The number of leader changes seen.")
        committed = registry.gauge(
            "etcd_server_proposals_committed_total", "The highest committed Raft index.")
        applied = registry.gauge(
            "etcd_server_proposals_applied_total", "The highest applied Raft index.")
        pendingProposals = registry.gauge(
            "etcd_server_proposals_pending", "The current number of pending proposals.")
        failedProposals = registry.counter(
            "etcd_server_proposals_failed_total", "The total number of failed proposals seen.")
        node = RaftCounters(
            lateHeartbeats: registry.counter(
                "etcd_server_heartbeat_send_failures_total",
                "The total number of leader heartbeats that were late."),
            failedReads: registry.counter(
                "etcd_server_read_indexes_failed_total",
                "The total number of failed read indexes seen."),
            slowReads: registry.counter(
                "etcd_server_slow_read_indexes_total",
                "The total number of read indexes not in sync with the leader's in time."))
    }
}

public struct DiskMetrics: Sendable {
    /// Nanoseconds.
    public let walFsync: Histogram
    /// Nanoseconds.
    public let walWrite: Histogram
    public let walWrittenBytes: Gauge
    /// Nanoseconds.
    public let backendCommit: Histogram
    /// Nanoseconds.
    public let defragmentation: Histogram
    public let defragmentsInFlight: Gauge
    // A snapshot of etcd's is a file; here it is a record in the log, of a state that the store has.
    private let snapshotEncoding: Histogram
    private let snapshotSync: Histogram
    private let snapshotSave: Histogram

    init(_ registry: MetricsRegistry) {
        let bounds = Histogram.exponential(start: 0.001, count: 14)
        walFsync = registry.histogram(
            "etcd_disk_wal_fsync_duration_seconds", "How long fsync of the WAL took.",
            bounds: bounds)
        walWrite = registry.histogram(
            "etcd_disk_wal_write_duration_seconds", "How long a write to the WAL took.",
            bounds: bounds)
        walWrittenBytes = registry.gauge(
            "etcd_disk_wal_write_bytes_total", "Total number of bytes written to the WAL.")
        backendCommit = registry.histogram(
            "etcd_disk_backend_commit_duration_seconds", "How long a backend commit took.",
            bounds: bounds)
        defragmentation = registry.histogram(
            "etcd_disk_backend_defrag_duration_seconds", "How long a defragmentation took.",
            bounds: Histogram.exponential(start: 0.1, count: 13))
        defragmentsInFlight = registry.gauge(
            "etcd_disk_defrag_inflight",
            "Whether or not defrag is active on the member. 1 means active, 0 means not.")
        snapshotEncoding = registry.histogram(
            "etcd_debugging_snap_save_marshalling_duration_seconds",
            "How long encoding a snapshot's record took.", bounds: bounds)
        snapshotSync = registry.histogram(
            "etcd_snap_fsync_duration_seconds", "How long fsync of a snapshot's record took.",
            bounds: bounds)
        snapshotSave = registry.histogram(
            "etcd_debugging_snap_save_total_duration_seconds",
            "How long saving a snapshot's record took.", bounds: bounds)
        registry.gauge(
            "etcd_mvcc_db_open_read_transactions", "Open read transactions of the backend."
        ) { Double(OpenReaders.count.value) }
    }

    /// In nanoseconds.
    func savedSnapshot(_ encoding: UInt64, sync: UInt64, total: UInt64) {
        snapshotEncoding.observe(encoding)
        snapshotSync.observe(sync)
        snapshotSave.observe(total)
    }
}

public struct StoreMetrics: Sendable {
    public let puts: Counter
    public let ranges: Counter
    public let deletes: Counter
    public let txns: Counter
    public let keys: Gauge
    public let currentRevision: Gauge
    public let compactRevision: Gauge
    public let fileBytes: Gauge
    public let usedBytes: Gauge
    public let putBytes: Gauge
    public let authRevision: Gauge
    public let quotaBytes: Gauge
    public let compactedRevisions: Counter
    /// Unix time in seconds.
    public let lastCompaction: Gauge
    /// Nanoseconds.
    public let compactionTime: Histogram
    /// Slices of compactions, in nanoseconds.
    public let compactionPauses: Histogram
    public let indexCompactionPauses: Histogram
    public let slowApplies: Counter
    /// Nanoseconds.
    let applyTimes: ApplyTimes
    /// Nanoseconds.
    public let hashTime: Histogram
    /// Nanoseconds.
    public let revisionHashTime: Histogram
    /// Nanoseconds.
    public let rangeTime: Histogram
    /// Of those that were refused. Nanoseconds.
    public let failedRangeTime: Histogram

    init(_ registry: MetricsRegistry) {
        puts = registry.counter("etcd_mvcc_put_total", "Total number of puts seen.")
        ranges = registry.counter("etcd_mvcc_range_total", "Total number of ranges seen.")
        deletes = registry.counter("etcd_mvcc_delete_total", "Total number of deletes seen.")
        txns = registry.counter("etcd_mvcc_txn_total", "Total number of transactions seen.")
        keys = registry.gauge("etcd_debugging_mvcc_keys_total", "Total number of keys.")
        currentRevision = registry.gauge(
            "etcd_debugging_mvcc_current_revision", "The current revision of the store.")
        compactRevision = registry.gauge(
            "etcd_debugging_mvcc_compact_revision", "The revision of the last compaction.")
        compactRevision.set(-1)
        fileBytes = registry.gauge(
            "etcd_mvcc_db_total_size_in_bytes", "Size of the backend file in bytes.")
        usedBytes = registry.gauge(
            "etcd_mvcc_db_total_size_in_use_in_bytes", "Bytes of the backend file in use.")
        authRevision = registry.gauge(
            "etcd_debugging_auth_revision", "The current revision of auth store.")
        putBytes = registry.gauge(
            "etcd_debugging_mvcc_total_put_size_in_bytes",
            "Bytes of keys and values put since the start.")
        quotaBytes = registry.gauge(
            "etcd_server_quota_backend_bytes", "The backend's quota in bytes.")
        compactedRevisions = registry.counter(
            "etcd_debugging_mvcc_db_compaction_keys_total",
            "Total number of revisions that compactions deleted.")
        lastCompaction = registry.gauge(
            "etcd_debugging_mvcc_db_compaction_last",
            "The unix time of the last compaction. 0 after a start.")
        compactionTime = registry.histogram(
            "etcd_debugging_mvcc_db_compaction_total_duration_milliseconds",
            "How long a compaction took.",
            bounds: Histogram.exponential(start: 100, count: 14), scale: 1e6)
        compactionPauses = registry.histogram(
            "etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds",
            "For how long a slice of a compaction held other requests up.",
            bounds: Histogram.exponential(start: 1, count: 13), scale: 1e6)
        indexCompactionPauses = registry.histogram(
            "etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds",
            "For how long a slice of the index's compaction held other requests up.",
            bounds: Histogram.exponential(start: 0.5, count: 14), scale: 1e6)
        slowApplies = registry.counter(
            "etcd_server_slow_apply_total", "The total number of slow apply requests.")
        applyTimes = ApplyTimes(slow: slowApplies) { kind, succeeded in
            registry.histogram(
                "etcd_server_apply_duration_seconds", "How long applying a request took.",
                bounds: Histogram.exponential(start: 0.0001, count: 20), ("version", "v3"),
                ("op", kind.name), ("success", succeeded ? "true" : "false"))
        }
        hashTime = registry.histogram(
            "etcd_mvcc_hash_duration_seconds", "How long a hash of the whole backend took.",
            bounds: Histogram.exponential(start: 0.01, count: 15))
        revisionHashTime = registry.histogram(
            "etcd_mvcc_hash_rev_duration_seconds", "How long a hash by revision took.",
            bounds: Histogram.exponential(start: 0.01, count: 15))
        func rangeTimes(_ success: String) -> Histogram {
            registry.histogram(
                "etcd_server_range_duration_seconds", "How long a range took in the store.",
                bounds: Histogram.exponential(start: 0.0001, count: 20), ("success", success))
        }
        rangeTime = rangeTimes("true")
        failedRangeTime = rangeTimes("false")
    }
}

public struct LeaseMetrics: Sendable {
    public let granted: Counter
    public let revoked: Counter
    public let renewed: Counter
    public let expired: Counter
    /// Seconds.
    public let ttls: Histogram
    /// Requests of LeaseKeepAlive that were none.
    public let receiveFailures: Counter

    init(_ registry: MetricsRegistry) {
        granted = registry.counter(
            "etcd_debugging_lease_granted_total", "The total number of granted leases.")
        revoked = registry.counter(
            "etcd_debugging_lease_revoked_total", "The total number of revoked leases.")
        renewed = registry.counter(
            "etcd_debugging_lease_renewed_total",
            "The number of renewed leases seen by the leader.")
        expired = registry.counter(
            "etcd_debugging_server_lease_expired_total", "The total number of expired leases.")
        ttls = registry.histogram(
            "etcd_debugging_lease_ttl_total", "Bucketed histogram of lease TTLs.",
            bounds: Histogram.exponential(start: 1, count: 24), scale: 1)
        receiveFailures = registry.streamFailures(of: "lease-keepalive")
    }
}

public struct HealthMetrics: Sendable {
    public let successes: Counter
    public let failures: Counter
    private let registry: MetricsRegistry

    init(_ registry: MetricsRegistry) {
        self.registry = registry
        successes = registry.counter(
            "etcd_server_health_success", "The total number of successful health checks.")
        failures = registry.counter(
            "etcd_server_health_failures", "The total number of failed health checks.")
    }

    /// One run of a check of /livez or /readyz.
    /// - Parameter type: `livez` or `readyz`.
    public func checked(type: String, name: String, succeeded: Bool) {
        registry.gauge(
            "etcd_server_healthcheck", "The result of each kind of healthcheck.", ("type", type),
            ("name", name)
        ).set(succeeded ? 1 : 0)
        registry.counter(
            "etcd_server_healthchecks_total", "The total number of each kind of healthcheck.",
            ("type", type), ("name", name), ("status", succeeded ? "success" : "error")
        ).increment()
    }
}

extension AlarmFields {
    /// Its kind, as a label; nil for what is no alarm.
    fileprivate var metricName: String? {
        switch alarm {
        case .none: nil
        case .noSpace: "NOSPACE"
        case .corrupt: "CORRUPT"
        }
    }
}
