import API
import TestSupport
import Testing

@testable import Services

/// etcd's three promises, over many watchers that read slowly, leave and come back.
@Suite("Watch promises")
struct WatchPromises {
    /// A watcher as its client sees it: what it must have been told, and how far it was.
    private final class Follower {
        let range: (key: String, end: String)
        let previous: Bool
        let hidesDeletes: Bool
        var stream: PlayedWatchStream?
        var id: Int64 = 0
        var next: Int64
        var events: [WatchEvent] = []
        init(
            _ range: (key: String, end: String), previous: Bool, hidesDeletes: Bool, next: Int64
        ) {
            self.range = range
            self.previous = previous
            self.hidesDeletes = hidesDeletes
            self.next = next
        }

        func wants(_ event: WatchEvent) -> Bool {
            if hidesDeletes && event.isDelete { return false }
            if range.end.isEmpty { return event.key == range.key }
            return event.key >= range.key && (range.end == "\0" || event.key < range.end)
        }
    }

    /// All that happened, from the test's own bookkeeping.
    private struct Chronicle {
        var values: [String: String] = [:]
        var events: [WatchEvent] = []
        var revision: Int64 = 1

        mutating func record(_ changes: [PlayedWatch.Change]) {
            let next = revision + 1
            var made: [WatchEvent] = []
            for change in changes {
                switch change {
                case .put(let key, let value):
                    made.append(event(next, key, value))
                    values[key] = value
                case .delete(let key):
                    if values[key] != nil { made.append(event(next, key, nil)) }
                    values[key] = nil
                case .deleteRange(let low, let high):
                    for key in values.keys.sorted() where key >= low && key < high {
                        made.append(event(next, key, nil))
                        values[key] = nil
                    }
                }
            }
            if !made.isEmpty { revision = next }
            events += made
        }

        private func event(_ revision: Int64, _ key: String, _ value: String?) -> WatchEvent {
            var event = WatchEvent()
            event.isDelete = value == nil
            event.key = key
            event.value = value ?? ""
            event.modified = revision
            event.previous = values[key]
            return event
        }
    }

    @Test("ordered, reliable, atomic: 1000 watchers, slow readers, reconnects", arguments: 1...3)
    func promises(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        // Small enough that everything overflows: the log, the lists, the streams.
        let world = try PlayedWatch {
            $0.logBytes = 20_000
            $0.pendingEvents = 12
            $0.allPendingEvents = 500
            $0.responseBytes = 2000
            $0.historyRecords = 50
        }
        var chronicle = Chronicle()
        var followers: [Follower] = []
        var streams: [(stream: PlayedWatchStream, members: [Int64: Follower])] = []

        func key() -> String { "k\(Int.random(in: 0..<40, using: &random))" }
        func newRange() -> (String, String) {
            switch Int.random(in: 0..<4, using: &random) {
            case 0: return ("k1", "k2")
            case 1: return ("k", "\0")
            case 2: return ("k\(Int.random(in: 0..<4, using: &random))", "k9")
            default: return (key(), "")
            }
        }
        func connect(_ group: [Follower]) throws {
            let stream = world.stream(room: Int.random(in: 1...6000, using: &random))
            var members: [Int64: Follower] = [:]
            for (place, follower) in group.enumerated() {
                // As WatchCall does: a request waits for room.
                while !stream.client.isWritable { try take(stream, members, 5) }
                stream.send(
                    WatchCommand.create(
                        follower.range.key, to: follower.range.end, start: follower.next,
                        id: Int64(place + 1), filters: follower.hidesDeletes ? [1] : [],
                        previous: follower.previous))
                members[Int64(place + 1)] = follower
            }
            streams.append((stream, members))
        }
        func take(_ stream: PlayedWatchStream, _ members: [Int64: Follower], _ limit: Int) throws {
            for answer in try stream.take(limit) where !answer.isCreated {
                let follower = try #require(members[answer.id])
                try #require(!answer.isCanceled, "\(answer)")
                let first = try #require(answer.events.first)
                // Atomic: no response goes on in a revision that another one began.
                try #require(first.modified >= follower.next)
                follower.events += answer.events
                follower.next = (answer.events.last?.modified ?? 0) + 1
            }
        }

        for _ in 0..<1000 {
            let range = newRange()
            followers.append(
                Follower(
                    range, previous: Bool.random(using: &random),
                    hidesDeletes: Int.random(in: 0..<5, using: &random) == 0,
                    next: Int64.random(in: 1...60, using: &random)))
        }
        for start in stride(from: 0, to: 1000, by: 20) {
            try connect(Array(followers[start..<start + 20]))
        }
        for step in 0..<150 {
            var batch: [[PlayedWatch.Change]] = []
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                var changes: [PlayedWatch.Change] = []
                switch Int.random(in: 0..<8, using: &random) {
                case 0: changes = [.delete(key())]
                case 1: changes = [.deleteRange("k1", "k15"), .put("k2", "s\(step)")]
                case 2:
                    changes = Set((0..<5).map { _ in key() }).sorted().map {
                        .put($0, "\(step)")
                    }
                default: changes = [.put(key(), "\(step)")]
                }
                chronicle.record(changes)
                batch.append(changes)
            }
            world.applyBatch(batch)
            if step % 10 == 0 { world.commit() }
            for _ in 0..<25 {
                let place = Int.random(in: 0..<streams.count, using: &random)
                let (stream, members) = streams[place]
                if Int.random(in: 0..<12, using: &random) == 0 {
                    stream.leave()
                    streams.remove(at: place)
                    try connect(members.values.sorted { $0.next < $1.next })
                } else {
                    try take(stream, members, Int.random(in: 1...30, using: &random))
                }
            }
        }
        for (stream, members) in streams {
            while !stream.client.waiting.isEmpty { try take(stream, members, .max) }
        }
        #expect(world.revision == chronicle.revision)

        for (place, follower) in followers.enumerated() {
            var told = follower.events
            for index in told.indices {
                told[index].created = 0
                told[index].version = 0
            }
            // A watcher that came back asks from where it was; the first start was its own.
            let first = told.first?.modified ?? .max
            let due = chronicle.events.filter { $0.modified >= first && follower.wants($0) }
                .map { event in
                    var event = event
                    if !follower.previous { event.previous = nil }
                    return event
                }
            try #require(told == due, "watcher \(place) of seed \(seed)")
            let missed = chronicle.events.first {
                $0.modified >= 61 && $0.modified < first && follower.wants($0)
            }
            try #require(missed == nil, "watcher \(place) of seed \(seed) missed its beginning")
        }
        #expect(world.counters.slowWatchers.value == 0)
        #expect(world.counters.pendingEvents.value == 0)
        #expect(world.counters.events.value > 100_000)
    }
}
