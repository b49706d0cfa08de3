// One watcher: a range, some wishes, and how far it has been told. Hundreds of thousands may be
// idle, so it is small, and what watchers of the same range have in common is in their WatchGroup.

import API

/// Confined to the hub.
final class Watcher {
    struct Options: OptionSet {
        let rawValue: UInt8
        static let previous = Options(rawValue: 1)
        static let noPuts = Options(rawValue: 2)
        static let noDeletes = Options(rawValue: 4)
        static let fragments = Options(rawValue: 8)
        static let progress = Options(rawValue: 16)
    }

    let id: WatchID
    let options: Options
    /// Where it stands in its stream's matters.
    var state = State()
    /// Its place in `group.watchers`.
    var place: Int32 = 0
    let group: WatchGroup
    /// Unsafe: a stream removes its watchers before it goes.
    unowned(unsafe) let stream: WatchStream
    /// The revision that was asked for; 0 is none.
    let start: Revision
    /// All events of earlier revisions have been sent, or were not wanted.
    var next: Revision
    /// Events of revision `next` that were sent already, in fragments.
    var sentOfNext = 0

    struct State: OptionSet {
        var rawValue: UInt8 = 0
        /// In `stream.waiting`: there is more to tell than could be told so far.
        static let waiting = State(rawValue: 1)
        /// What it is to be told next must be read from the store.
        static let readsHistory = State(rawValue: 2)
        /// Fell behind a compaction and was told so; the id stays taken (semantics.md, Watch).
        static let ended = State(rawValue: 4)
        /// Removed; may still be in a queue.
        static let gone = State(rawValue: 8)
        /// Had events since the last progress notification was due.
        static let hasNews = State(rawValue: 16)
        /// In `stream.progressDue`.
        static let progressDue = State(rawValue: 32)
    }

    init(
        _ id: WatchID, _ options: Options, group: WatchGroup, stream: WatchStream,
        start: Revision, next: Revision
    ) {
        self.id = id
        self.options = options
        self.group = group
        self.stream = stream
        self.start = start
        self.next = next
    }

    func wants(_ event: EventLog.Event) -> Bool {
        !options.contains(event.isDelete ? .noDeletes : .noPuts)
    }
}
