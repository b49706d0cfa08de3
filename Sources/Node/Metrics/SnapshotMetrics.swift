// What is shown of snapshots between members, by etcd's names.

import API

public struct SnapshotMetrics: Sendable {
    /// 1 while another member's state takes the place of this one's.
    public let applying: Gauge
    /// Nanoseconds that the disk took to make a received snapshot durable.
    public let sync: Histogram
    /// Nanoseconds from a received snapshot's first chunk until it was durable.
    public let save: Histogram
    /// Nanoseconds that the store was read to make a snapshot.
    public let spool: Histogram
    private let registry: MetricsRegistry

    init(_ registry: MetricsRegistry) {
        self.registry = registry
        applying = registry.gauge(
            "etcd_server_snapshot_apply_in_progress_total",
            "1 if the server is applying the incoming snapshot. 0 if none.")
        spool = registry.histogram(
            "etcd_disk_backend_snapshot_duration_seconds",
            "How long a snapshot of the backend was held open.",
            bounds: Histogram.exponential(start: 0.01, count: 17))
        sync = registry.histogram(
            "etcd_snap_db_fsync_duration_seconds",
            "How long it took to sync a received snapshot.",
            bounds: Histogram.exponential(start: 0.001, count: 14))
        save = registry.histogram(
            "etcd_snap_db_save_total_duration_seconds",
            "How long it took to save a received snapshot.",
            bounds: Histogram.exponential(start: 0.1, count: 10))
    }

    /// One way of snapshots between this member and another.
    struct Link {
        let inFlight: Gauge
        let successes: Counter
        let failures: Counter
        /// Nanoseconds.
        let duration: Histogram
    }

    func sends(to member: MemberID) -> Link { link("send", ("To", member.hex)) }

    func receives(from member: MemberID) -> Link { link("receive", ("From", member.hex)) }

    private func link(_ way: String, _ label: MetricLabel) -> Link {
        Link(
            inFlight: registry.gauge(
                "etcd_network_snapshot_\(way)_inflights_total",
                "Total number of inflight snapshot \(way)s.", label),
            successes: registry.counter(
                "etcd_network_snapshot_\(way)_success",
                "Total number of successful snapshot \(way)s.", label),
            failures: registry.counter(
                "etcd_network_snapshot_\(way)_failures",
                "Total number of snapshot \(way) failures.", label),
            duration: registry.histogram(
                "etcd_network_snapshot_\(way)_total_duration_seconds",
                "Total latency distributions of snapshot \(way)s.",
                bounds: Histogram.exponential(start: 0.1, count: 10), label))
    }
}
