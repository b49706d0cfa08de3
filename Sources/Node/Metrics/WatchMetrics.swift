// What is shown of watches, by etcd's names.

import API

public struct WatchMetrics: Sendable {
    public let streams: Gauge
    public let watchers: Gauge
    /// Watchers that read history.
    public let slowWatchers: Gauge
    /// Events handed to watchers.
    public let events: Counter
    /// Events that wait for watchers.
    public let pendingEvents: Gauge

    init(_ registry: MetricsRegistry) {
        streams = registry.gauge(
            "etcd_debugging_mvcc_watch_stream_total", "Total number of watch streams.")
        watchers = registry.gauge(
            "etcd_debugging_mvcc_watcher_total", "Total number of watchers.")
        slowWatchers = registry.gauge(
            "etcd_debugging_mvcc_slow_watcher_total", "Total number of unsynced slow watchers.")
        events = registry.counter(
            "etcd_debugging_mvcc_events_total", "Total number of events sent.")
        pendingEvents = registry.gauge(
            "etcd_debugging_mvcc_pending_events_total", "Total number of pending events to be sent."
        )
    }
}
