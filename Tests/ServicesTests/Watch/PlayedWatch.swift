// A store that is watched, without Raft or connections: writes are applied by the test, clients are
// played and take what they are sent when it pleases them.

import API
import TestSupport
import Testing

@testable import Services
@testable import Storage

/// The client's end of a stream. Unchecked: confined to the test's thread.
final class PlayedWatcher: WatchSink, @unchecked Sendable {
    /// How many bytes may wait to be taken.
    var room: Int
    private(set) var waiting: [[UInt8]] = []
    private(set) var waitingBytes = 0
    private(set) var most = 0
    private(set) var status: Status?
    var isFinished = false

    init(room: Int = .max) { self.room = room }

    var isWritable: Bool { waitingBytes < room && !isFinished }

    func send(capacity: Int, _ write: (UnsafeMutableRawBufferPointer) -> Int) -> Bool {
        guard isWritable else { return false }
        let message = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
            count = write(UnsafeMutableRawBufferPointer(buffer))
        }
        waiting.append(message)
        waitingBytes += message.count
        most = max(most, waitingBytes)
        return true
    }

    func finish(_ status: Status?) {
        self.status = status
        isFinished = true
    }

    fileprivate func take(_ limit: Int) throws -> [WatchAnswer] {
        let taken = waiting.prefix(limit)
        waiting.removeFirst(taken.count)
        waitingBytes -= taken.reduce(0) { $0 + $1.count }
        return try taken.map { try WatchAnswer($0) }
    }
}

/// A stream as its client has it.
final class PlayedWatchStream {
    let client: PlayedWatcher
    let stream: WatchStream
    private let world: PlayedWatch

    init(_ client: PlayedWatcher, _ world: PlayedWatch) {
        self.client = client
        self.world = world
        stream = WatchStream(client)
        world.onHub(stream) { $0.open($1) }
    }

    func send(_ request: [UInt8]) {
        world.onHub(stream) { hub, stream in
            let arena = Arena()
            let operation = try? WatchRequest.decode(request, in: arena).operation
            switch operation {
            case .create(let request): hub.create(WatchOrder(request), on: stream)
            case .cancel(let id): hub.cancel(id, on: stream)
            case .progress: hub.requestProgress(of: stream)
            case nil: break
            }
        }
    }

    /// Takes responses that wait, and lets the hub know of the room.
    func take(_ limit: Int = .max) throws -> [WatchAnswer] {
        let taken = try client.take(limit)
        if client.isWritable { world.onHub(stream) { $0.resume($1) } }
        return taken
    }

    /// All responses, until no more come, as text.
    func read() throws -> [String] {
        var all: [String] = []
        while case let some = try take(), !some.isEmpty { all += some.map(\.description) }
        return all
    }

    func leave() { world.onHub(stream) { $0.close($1) } }
}

/// Unchecked: confined to the test's thread.
final class PlayedWatch: @unchecked Sendable {
    let directory: TemporaryDirectory
    let core = DeterministicExecutor()
    let committer = DeterministicExecutor()
    let store: MVCCStore
    let hub: WatchHub
    let counters = WatchCounters()
    private var index = LogIndex.zero

    init(_ adjust: (inout WatchSettings) -> Void = { _ in }) throws {
        directory = try TemporaryDirectory()
        let (core, committer, counters) = (core, committer, counters)
        store = try MVCCStore.open(
            StoreConfiguration(path: directory.path + "/cairn.mdb"), on: core,
            committingOn: committer
        ).store
        var settings = WatchSettings()
        adjust(&settings)
        hub = WatchHub(
            PlayedMember.identity, store: store, settings: settings, on: core,
            random: SeededRandom(seed: 1), counters: counters)
    }

    /// As a member that stops: an open stream's watchers and their ranges hold each other.
    deinit {
        core.turn { hub.assumeIsolated { $0.stop() } }
        core.die()
        committer.die()
    }

    /// In a turn of its own.
    func onHub(_ stream: WatchStream, _ body: @Sendable (isolated WatchHub, WatchStream) -> Void) {
        core.turn { hub.enter(with: stream, body) }
    }

    func stream(room: Int = .max) -> PlayedWatchStream {
        PlayedWatchStream(PlayedWatcher(room: room), self)
    }

    var revision: Int64 {
        core.turn { store.assumeIsolated { $0.revision.rawValue } }
    }

    // MARK: Writes

    enum Change {
        case put(String, String)
        case delete(String)
        /// All keys from the first to below the second.
        case deleteRange(String, String)
    }

    /// One transaction, in a turn of its own.
    func apply(_ changes: Change...) { core.turn { applyWithinTurn(changes) } }

    /// Several transactions within a turn, as a batch of entries is applied.
    func applyBatch(_ batch: [[Change]]) {
        core.turn { for each in batch { applyWithinTurn(each) } }
    }

    func applyWithinTurn(_ changes: [Change]) {
        index = index.next
        store.enter(with: (index, changes)) { store, input in
            do {
                guard try store.beginApply(at: input.0, term: Term(1)) else { return }
                for change in input.1 { try store.perform(change) }
                store.endApply()
            } catch { Issue.record(error) }
        }
    }

    func put(_ key: String, _ value: String) { apply(.put(key, value)) }
    func delete(_ key: String) { apply(.delete(key)) }

    /// What was applied goes to the file.
    func commit() {
        core.turn { store.assumeIsolated { $0.flush { _ in } } }
        for _ in 0..<4 {
            committer.runUntilIdle()
            core.runUntilIdle()
        }
    }

    /// Forgets what was before `revision`.
    func compact(_ revision: Int64) {
        core.turn {
            index = index.next
            store.enter(with: index) { store, index in
                do {
                    #expect(try store.beginApply(at: index, term: Term(1)))
                    try store.compact(to: Revision(revision))
                    store.endApply()
                } catch { Issue.record(error) }
            }
        }
    }
}

extension MVCCStore {
    fileprivate func perform(_ change: PlayedWatch.Change) throws {
        switch change {
        case .put(let key, let value):
            var (key, value) = (key, value)
            _ = try key.withUTF8 { key in
                try value.withUTF8 {
                    try put(key: UnsafeRawBufferPointer(key), value: UnsafeRawBufferPointer($0))
                }
            }
        case .delete(let key):
            try KeyRange(key: Array(key.utf8), end: .singleKey).withBounds { bounds in
                _ = try deleteRange(bounds)
            }
        case .deleteRange(let key, let end):
            try KeyRange(key: Array(key.utf8), end: .before(Array(end.utf8))).withBounds {
                _ = try deleteRange($0)
            }
        }
    }
}
