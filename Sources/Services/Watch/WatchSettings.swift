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

    package init(
        streams: Gauge = Gauge(), watchers: Gauge = Gauge(), slowWatchers: Gauge = Gauge(),
        events: Counter = Counter(), pendingEvents: Gauge = Gauge()
    ) {
        self.streams = streams
        self.watchers = watchers
        self.slowWatchers = slowWatchers
        self.events = events
        self.pendingEvents = pendingEvents
    }
}
