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
    /// Requests that were none.
    public let receiveFailures: Counter
    /// Nanoseconds; what each is of, see `WatchTimes`.
    public let controlTime: Histogram
    public let progressTime: Histogram
    public let responseTime: Histogram
    public let eventTime: Histogram

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
        receiveFailures = registry.streamFailures(of: "watch")
        func time(_ of: String, _ help: String) -> Histogram {
            registry.histogram(
                "etcd_debugging_server_watch_send_loop_\(of)_seconds", help,
                bounds: Histogram.exponential(start: 0.001, count: 14))
        }
        controlTime = time(
            "control_stream_duration", "How long a response to a watch request took.")
        progressTime = time("progress_duration", "How long a round of progress notifications took.")
        responseTime = time(
            "watch_stream_duration", "How long a watch response with events took.")
        eventTime = time(
            "watch_stream_duration_per_event", "The same, divided by the events of the response.")
    }
}

extension MetricsRegistry {
    /// Requests of a kind of stream that were none; those that the client ends are not counted.
    func streamFailures(of stream: String) -> Counter {
        counter(
            "etcd_network_server_stream_failures_total",
            "The total number of stream failures from the local server.", ("Type", "receive"),
            ("API", stream))
    }
}
