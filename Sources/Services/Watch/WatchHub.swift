// Everybody who watches, and what they are told.
//
// An applied change is matched once against the watched ranges and encoded once into a shared log
// (EventLog); at the turn's end the watchers of those ranges are told, in slices of about a
// millisecond (WatchHub+Delivery). A watcher whose client does not take its events waits in its
// stream with nothing but the next revision it needs; when its events have left the log meanwhile,
// or when it began in the past, it reads the store (WatchHub+History). So a slow watcher costs a
// bounded buffer, and slows nobody.
//
// The three promises (etcd, "Watch API guarantees"). Ordered: a watcher goes through revisions in
// one direction. Reliable: what left the log is read from the store, or the watcher is told that it
// was compacted. Atomic: a response ends between revisions, or says that it is a fragment.

import API
import DequeModule
import Storage

/// Tells watchers of changes. Shares its executor with the store, the applied state and the
/// connections whose calls are its streams.
package actor WatchHub: ExecutorActor, ChangeObserver {
    package nonisolated let executor: any ActorExecutor
    package nonisolated let unownedExecutor: UnownedSerialExecutor

    let identity: Applier.Identity
    let store: MVCCStore
    let settings: WatchSettings
    let counters: WatchCounters
    let random: any RandomSource
    /// Of the answers' headers.
    var term = Term.zero

    var index = WatchIndex<WatchGroup>()
    let log: EventLog
    /// The newest revision; kept as long as there are watchers.
    var newest = Revision(0)
    var watcherCount = 0
    /// Who may read what.
    var rights = AuthView(AuthState())
    /// How often rights have changed.
    var rightsEpoch = 0
    /// Streams that were not looked at since.
    var toCheck: [WatchStream] = []
    var isChecking = false
    var streams = ObjectSet<WatchStream>()

    /// Ranges with events that their watchers are to be told of.
    var due: Deque<WatchGroup> = []
    /// Streams with watchers that wait, and room.
    var ready: Deque<WatchStream> = []
    var isPumping = false
    /// Entries of all groups' `pending`.
    var pendingEvents = 0
    /// Responses with events since the start, and their events.
    struct Sent {
        var responses = 0
        var events = 0
    }
    var sent = Sent()
    /// Slices of history that were read lately.
    var slices: [HistorySlice] = []
    /// The header of the last response but for nothing.
    var header = EncodedHeader()
    private let previousPair = ResponseBuffer()
    /// Groups that a change matches, while it is looked at.
    private var matched: [WatchGroup] = []

    package init(
        _ identity: Applier.Identity, store: MVCCStore, settings: WatchSettings = WatchSettings(),
        on executor: any ActorExecutor, random: any RandomSource,
        counters: WatchCounters = WatchCounters()
    ) {
        precondition(store.executor === executor, "the hub shares the store's executor")
        self.identity = identity
        self.store = store
        self.settings = settings
        self.counters = counters
        self.random = random
        self.executor = executor
        unownedExecutor = executor.asUnownedSerialExecutor()
        log = EventLog(limitBytes: settings.logBytes)
    }

    /// Raft's term changed; answers carry it.
    package func termChanged(to term: Term) { self.term = term }

    /// Ends all streams: the member stops. Clients go on at another member, or at this one once it
    /// is back, only when the code is UNAVAILABLE: clientv3 gives a watch up that is CANCELLED.
    package func stop() {
        for stream in streams.inOrder {
            close(stream)
            stream.sink.finish(.stopped)
        }
    }

    // MARK: Changes

    package nonisolated func changed(_ revision: Revision, count: Int) {
        assumeIsolated { $0.take(revision, count) }
    }

    package nonisolated func replaced(_ revision: Revision) {
        assumeIsolated { $0.skip(to: revision) }
    }

    /// Changes up to `revision` came as a whole: whoever has not been told of them reads them from
    /// the store, or hears that they were compacted.
    private func skip(to revision: Revision) {
        let told = newest
        newest = revision
        slices.removeAll()
        for stream in streams.inOrder {
            for watcher in stream.watchers.inOrder {
                settlePosition(of: watcher, newest: told)
                guard watcher.next <= revision, !watcher.state.contains(.ended) else { continue }
                count(pending: -watcher.group.pending.count)
                watcher.group.drop(through: revision)
                setReadsHistory(watcher)
                wait(watcher)
            }
        }
    }

    private func take(_ revision: Revision, _ count: Int) {
        newest = revision
        do throws(StoreError) {
            try store.enter(with: self) { (store, hub) throws(StoreError) in
                try store.lastChanges(count) { (change) throws(StoreError) in
                    try hub.enter(with: change) { (hub, change) throws(StoreError) in
                        try hub.take(change)
                    }
                }
            }
        } catch {
            fail(error)
        }
        if !due.isEmpty { schedulePump() }
    }

    /// Takes one change into the log, if anybody watches its key.
    private func take(_ change: StoredChange) throws(StoreError) {
        index.forEach(containing: change.key) { matched.append($0) }
        defer { matched.removeAll(keepingCapacity: true) }
        guard !matched.isEmpty else { return }
        let revision = change.position.main
        let number = try append(
            change, to: log, withPrevious: matched.contains { $0.wantingPrevious > 0 })
        for group in matched {
            let before = group.pending.count
            let isFull = pendingEvents >= settings.allPendingEvents
            let limit = isFull ? 0 : settings.pendingEvents
            group.append(number, revision, limit: limit)
            count(pending: group.pending.count - before)
            if !group.isDue {
                group.becomeDue(since: revision)
                due.append(group)
            } else if group.passed > 0 {
                group.needsAnotherRound = true
            }
        }
    }

    /// Encodes a change.
    /// - Returns: the event's number in `log`.
    func append(
        _ change: StoredChange, to log: EventLog, withPrevious: Bool
    ) throws(StoreError) -> Int {
        guard withPrevious else {
            return log.append(
                change.position.main, isDelete: change.isDelete, encoded: change.encoded,
                previous: nil)
        }
        let pair = previousPair
        try store.enter(with: (change, pair)) { (store, input) throws(StoreError) in
            let (change, pair) = input
            try store.previous(of: change.key, before: change.position.main) {
                pair.bytes.append($0)
            }
        }
        defer { pair.clear() }
        return pair.bytes.withUnsafeBytes {
            log.append(
                change.position.main, isDelete: change.isDelete, encoded: change.encoded,
                previous: $0)
        }
    }

    func count(pending change: Int) {
        guard change != 0 else { return }
        pendingEvents += change
        counters.pendingEvents.add(Int64(change))
    }

    /// The store cannot be read: no stream can keep its promises.
    func fail(_ error: StoreError) {
        for stream in streams.inOrder {
            close(stream)
            stream.sink.finish(Status(error))
        }
    }
}
