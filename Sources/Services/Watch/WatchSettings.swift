// Bounds and times of Watch, and what is counted.

import API

/// What holds for all watches of a member.
package struct WatchSettings: Sendable {
    /// Between progress notifications; etcd adds up to a tenth, fixed per stream.
    package var progressNanoseconds: UInt64 = 600_000_000_000
    /// A response of that size with more than one event is cut for those who allow it.
    package var fragmentBytes = Limits.requestBytes + Limits.requestOverheadBytes
    /// Events that have not been sent to all, in bytes; who needs older ones reads the store.
    package var logBytes = 32 << 20
    /// Events of one range that have not been sent to all, in number.
    package var pendingEvents = 4096
    /// The same over all ranges.
    package var allPendingEvents = 1 << 20
    /// A response that reaches this many bytes takes no further revision.
    package var responseBytes = 256 << 10
    /// The same for revisions (reference: semantics.md, Watch).
    package var responseRevisions = 1000
    /// Bytes that wait in a stream beyond which it is told no more until they are sent.
    package var streamBufferBytes = 128 << 10
    /// Records looked at in one slice of history.
    package var historyRecords = 2000
    /// Nanoseconds of a clock that goes on within a turn; what is measured with it is only shown.
    package var stopwatch: @Sendable () -> UInt64 = { 0 }

    package init() {}
}

/// Updated on the hub's executor, read on any thread.
package struct WatchCounters: Sendable {
    package let streams: Gauge
    package let watchers: Gauge
    /// Watchers that read history.
    package let slowWatchers: Gauge
    /// Events handed to watchers.
    package let events: Counter
    /// Events that wait for watchers.
    package let pendingEvents: Gauge
    /// Requests that were none, each of which ended its stream.
    package let receiveFailures: Counter
    package let times: WatchTimes

    package init(
        streams: Gauge = Gauge(), watchers: Gauge = Gauge(), slowWatchers: Gauge = Gauge(),
        events: Counter = Counter(), pendingEvents: Gauge = Gauge(),
        receiveFailures: Counter = Counter(), times: WatchTimes = WatchTimes()
    ) {
        self.streams = streams
        self.watchers = watchers
        self.slowWatchers = slowWatchers
        self.events = events
        self.pendingEvents = pendingEvents
        self.receiveFailures = receiveFailures
        self.times = times
    }
}

/// How long telling takes, in nanoseconds. Responses that go out in one slice of work are measured
/// together, and each is taken to have lasted as long as the others: a look at the clock for each
/// of a million responses a second would cost more than it tells.
package struct WatchTimes: Sendable {
    /// A response to a request: created, canceled, progress.
    package let control: Histogram
    /// A round of notifications by interval, over one stream.
    package let progress: Histogram
    /// A response with events.
    package let response: Histogram
    /// The same, divided by its events.
    package let event: Histogram

    package init(
        control: Histogram = Histogram(bounds: bounds),
        progress: Histogram = Histogram(bounds: bounds),
        response: Histogram = Histogram(bounds: bounds),
        event: Histogram = Histogram(bounds: bounds)
    ) {
        self.control = control
        self.progress = progress
        self.response = response
        self.event = event
    }

    /// As etcd shows them (reference: metrics.tsv).
    package static let bounds = Histogram.exponential(start: 0.001, count: 14)
}
