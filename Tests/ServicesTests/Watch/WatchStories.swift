import API
import TestSupport
import Testing

@testable import Services

/// semantics.md, section Watch, line by line.
@Suite("Watch")
struct WatchStories {
    @Test("a watcher is told of puts and deletes of its key, and of nothing else")
    func key() throws {
        let world = try PlayedWatch()
        let stream = world.stream()
        stream.send(WatchCommand.create("a"))
        #expect(try stream.read() == ["#0 created @1"])
        world.put("a", "1")
        world.put("b", "1")
        world.put("a", "2")
        world.delete("a")
        #expect(
            try stream.read() == ["#0 2: a=1 @2", "#0 4: a=2 @4", "#0 5: a gone @5"])
    }

    @Test("events of a put are the full pair, of a delete key and revision")
    func events() throws {
        let world = try PlayedWatch()
        let stream = world.stream()
        stream.send(WatchCommand.create("a"))
        world.put("a", "1")
        world.put("a", "2")
        world.delete("a")
        let events = try stream.take().flatMap(\.events)
        #expect(events.map(\.created) == [2, 2, 0])
        #expect(events.map(\.version) == [1, 2, 0])
        #expect(events.map(\.modified) == [2, 3, 4])
        #expect(events.map(\.isDelete) == [false, false, true])
    }

    @Test("range ends are those of Range; an empty key is one zero byte")
    func ranges() throws {
        let world = try PlayedWatch()
        let stream = world.stream()
        stream.send(WatchCommand.create("b", to: "d"))
        stream.send(WatchCommand.create("c", to: "\0"))
        stream.send(WatchCommand.create("", to: "\0"))
        _ = try stream.read()
        for key in ["a", "b", "c", "d"] { world.put(key, "1") }
        var told: [Int64: [String]] = [:]
        for answer in try stream.take() { told[answer.id, default: []] += answer.events.map(\.key) }
        #expect(told == [0: ["b", "c"], 1: ["c", "d"], 2: ["a", "b", "c", "d"]])
    }

    @Test("a range the wrong way round and a negative revision fail, and the stream goes on")
    func refusals() throws {
        let world = try PlayedWatch()
        let stream = world.stream()
        stream.send(WatchCommand.create("b", to: "b"))
        stream.send(WatchCommand.create("b", to: "a"))
        stream.send(WatchCommand.create("b", start: -1))
        stream.send(WatchCommand.create("b", id: 7))
        stream.send(WatchCommand.create("c", id: 7))
        let empty = "#-1 created canceled (mvcc: watcher range is empty) @1"
        let compacted =
            "#-1 created canceled (etcdserver: mvcc: required revision has been compacted) @1"
        let duplicate =
            "#-1 created canceled (mvcc: duplicate watch ID provided on the WatchStream) @1"
        #expect(
            try stream.read() == [empty, empty, compacted, "#7 created @1", duplicate])
        world.put("b", "1")
        #expect(try stream.read() == ["#7 2: b=1 @2"])
    }

    @Test("the server takes the lowest number that its counter has not passed and nobody uses")
    func ids() throws {
        let world = try PlayedWatch()
        let stream = world.stream()
        for id in [0, 1, 0, 3, 0, 0] { stream.send(WatchCommand.create("a", id: Int64(id))) }
        stream.send(WatchCommand.cancel(0))
        stream.send(WatchCommand.create("a"))
        let ids = try stream.take().filter(\.isCreated).map(\.id)
        #expect(ids == [0, 1, 2, 3, 4, 5, 6])
    }

    @Test("a cancelled watcher is told no more; an unknown one is not answered")
    func cancel() throws {
        let world = try PlayedWatch()
        let stream = world.stream()
        stream.send(WatchCommand.create("a"))
        stream.send(WatchCommand.create("a"))
        _ = try stream.read()
        stream.send(WatchCommand.cancel(0))
        stream.send(WatchCommand.cancel(0))
        stream.send(WatchCommand.cancel(99))
        world.put("a", "1")
        #expect(try stream.read() == ["#0 canceled @1", "#1 2: a=1 @2"])
    }

    @Test("a past revision is told from the history, then goes on")
    func history() throws {
        let world = try PlayedWatch()
        world.put("a", "1")
        world.put("b", "1")
        world.commit()
        world.put("a", "2")
        world.delete("b")
        for range in ["", "\0"] {
            let stream = world.stream()
            stream.send(WatchCommand.create("a", to: range, start: 3))
            let past = range.isEmpty ? "4: a=2" : "3: b=1 4: a=2 5: b gone"
            #expect(try stream.read() == ["#0 created @5", "#0 \(past) @5"])
        }
        let stream = world.stream()
        stream.send(WatchCommand.create("a", start: 5))
        #expect(try stream.read() == ["#0 created @5"])
        world.put("a", "3")
        #expect(try stream.read() == ["#0 6: a=3 @6"])
    }

    @Test("a revision to come is waited for")
    func future() throws {
        let world = try PlayedWatch()
        let stream = world.stream()
        stream.send(WatchCommand.create("a", start: 4))
        for value in 1...4 { world.put("a", "\(value)") }
        #expect(try stream.read() == ["#0 created @1", "#0 4: a=3 @4", "#0 5: a=4 @5"])
    }

    @Test("a start before the last compaction: created, then canceled with its revision")
    func compactedStart() throws {
        let world = try PlayedWatch()
        for value in 1...5 { world.put("a", "\(value)") }
        world.compact(4)
        let stream = world.stream()
        stream.send(WatchCommand.create("a", start: 3))
        #expect(try stream.read() == ["#0 created @6", "#0 canceled compacted 4 @0"])
        stream.send(WatchCommand.create("a", start: 4))
        #expect(try stream.read() == ["#1 created @6", "#1 4: a=3 5: a=4 6: a=5 @6"])

        // Until the client cancels it the id is taken, and progress is not told.
        stream.send(WatchCommand.progress)
        #expect(try stream.read() == [])
        stream.send(WatchCommand.cancel(0))
        stream.send(WatchCommand.progress)
        #expect(try stream.read() == ["#0 canceled @6", "#-1 @6"])
    }

    @Test("previous pairs come to those who want them, but not for creations")
    func previous() throws {
        let world = try PlayedWatch()
        let stream = world.stream()
        stream.send(WatchCommand.create("a", previous: true))
        stream.send(WatchCommand.create("a"))
        _ = try stream.read()
        world.put("a", "1")
        world.put("a", "2")
        world.delete("a")
        let told = Set(try stream.read())
        #expect(
            told == [
                "#0 2: a=1 @2", "#0 3: a=2 was 1 @3", "#0 4: a gone was 2 @4",
                "#1 2: a=1 @2", "#1 3: a=2 @3", "#1 4: a gone @4",
            ])
        world.compact(3)
        let late = world.stream()
        late.send(WatchCommand.create("a", start: 3, previous: true))
        #expect(
            try late.read() == ["#0 created @4", "#0 3: a=2 4: a gone was 2 @4"],
            "what was compacted is left out")
    }

    @Test("filters leave events out, and a response left empty is not sent")
    func filters() throws {
        let world = try PlayedWatch()
        let stream = world.stream()
        stream.send(WatchCommand.create("a", to: "z", id: 1, filters: [0]))
        stream.send(WatchCommand.create("a", to: "z", id: 2, filters: [1]))
        stream.send(WatchCommand.create("a", to: "z", id: 3, filters: [0, 1]))
        _ = try stream.read()
        world.put("a", "1")
        world.apply(.put("b", "1"), .delete("a"))
        var told: [Int64: [String]] = [:]
        for answer in try stream.take() {
            told[answer.id, default: []] += answer.events.map(\.description)
        }
        #expect(told == [1: ["3: a gone"], 2: ["2: a=1", "3: b=1"]])
        let late = world.stream()
        late.send(WatchCommand.create("a", to: "z", start: 1, filters: [0]))
        #expect(try late.read() == ["#0 created @3", "#0 3: a gone @3"])
    }

    @Test("events of one revision come in one response, in the order they happened")
    func atomic() throws {
        let world = try PlayedWatch()
        let stream = world.stream()
        stream.send(WatchCommand.create("a", to: "z"))
        world.apply(.put("c", "1"), .put("a", "1"), .put("b", "1"))
        world.apply(.deleteRange("a", "c"), .put("c", "2"))
        let expected = [
            "2: c=1 2: a=1 2: b=1", "3: a gone 3: b gone 3: c=2",
        ]
        let told = try stream.read().dropFirst()
        #expect(told == ["#0 \(expected[0]) @2", "#0 \(expected[1]) @3"])
        let late = world.stream()
        late.send(WatchCommand.create("a", to: "z", start: 2))
        #expect(try late.read().last == "#0 \(expected[0]) \(expected[1]) @3")
    }

    @Test("a response from the history holds 1000 revisions at most")
    func thousand() throws {
        let world = try PlayedWatch()
        for value in 1...2500 { world.put("a", "\(value)") }
        for end in ["", "z"] {
            let stream = world.stream()
            stream.send(WatchCommand.create("a", to: end, start: 2))
            var answers: [WatchAnswer] = []
            while case let some = try stream.take(), !some.isEmpty { answers += some }
            #expect(answers.dropFirst().map(\.events.count) == [1000, 1000, 500])
            #expect(answers.allSatisfy { $0.revision == 2501 })
        }
    }

    @Test("large revisions come in parts to those who allow it, whole to others")
    func fragments() throws {
        let world = try PlayedWatch { $0.fragmentBytes = 1000 }
        let value = String(repeating: "v", count: 300)
        let stream = world.stream(room: 1)
        stream.send(WatchCommand.create("a", to: "z", id: 1, fragment: true))
        _ = try stream.read()
        world.apply(.put("a", "s"))
        world.apply(
            .put("b", value), .put("c", value), .put("d", value), .put("e", value),
            .put("f", value))
        world.apply(.put("g", String(repeating: "v", count: 3000)))
        let late = world.stream()
        late.send(WatchCommand.create("a", to: "z", start: 2, id: 1, fragment: true))
        for stream in [stream, late] {
            var answers: [WatchAnswer] = []
            while case let some = try stream.take(), !some.isEmpty {
                answers += some.filter { !$0.isCreated }
            }
            #expect(
                answers.map { $0.events.map(\.key) } == [
                    ["a"], ["b", "c"], ["d", "e"], ["f"], ["g"],
                ])
            #expect(answers.map(\.isFragment) == [false, true, true, false, false])
        }
        let whole = world.stream()
        whole.send(WatchCommand.create("a", to: "z", start: 3))
        #expect(try whole.take().last?.events.count == 6)
    }

    @Test("a client that leaves takes its watchers along")
    func leave() throws {
        let world = try PlayedWatch()
        let (one, two) = (world.stream(), world.stream())
        for _ in 0..<3 { one.send(WatchCommand.create("a")) }
        two.send(WatchCommand.create("a"))
        #expect(world.counters.watchers.value == 4 && world.counters.streams.value == 2)
        one.leave()
        one.leave()
        #expect(world.counters.watchers.value == 1 && world.counters.streams.value == 1)
        world.put("a", "1")
        #expect(try two.read() == ["#0 created @1", "#0 2: a=1 @2"])
        #expect(one.client.waiting.count == 3, "what was sent before")
        two.leave()
        world.put("a", "2")
        #expect(world.counters.watchers.value == 0 && world.counters.events.value == 1)
    }

    @Test("a member that stops ends all streams")
    func stop() throws {
        let world = try PlayedWatch()
        let stream = world.stream()
        stream.send(WatchCommand.create("a"))
        world.onHub(stream.stream) { hub, _ in hub.stop() }
        #expect(stream.client.status == .stopped)
        world.put("a", "1")
        #expect(stream.client.waiting.count == 1)
    }

    @Test("how long telling took is counted for each response, and shared by its events")
    func times() throws {
        let clock = Counter()
        let world = try PlayedWatch {
            $0.stopwatch = {
                clock.increment(by: 6_000_000)
                return clock.value
            }
        }
        let stream = world.stream()
        stream.send(WatchCommand.create("a", to: "c"))
        stream.send(WatchCommand.create("a"))
        stream.send(WatchCommand.cancel(7))
        world.apply(.put("a", "1"), .put("b", "1"))
        _ = try stream.read()
        let times = world.counters.times
        // Two responses with three events, in six milliseconds.
        #expect(times.control.reading.buckets.reduce(0, +) == 2)
        #expect(times.response.reading.buckets.reduce(0, +) == 2)
        #expect(times.response.reading.sum == 0.006)
        #expect(times.event.reading.buckets.reduce(0, +) == 2)
        #expect(times.event.reading.sum == 0.004)
    }

    @Test("a watcher without events is not behind: it is told of news, and of no compaction")
    func idleIsNotBehind() throws {
        let world = try PlayedWatch { $0.pendingEvents = 1 }
        let stream = world.stream(room: 1)
        stream.send(WatchCommand.create("y", id: 1))
        _ = try stream.read()
        stream.send(WatchCommand.create("z", id: 2))
        _ = try stream.read()
        for value in 2...8 { world.put("b", "\(value)") }
        // The first leaves no room for the second's, of which there are more than may be pending.
        world.put("y", "9")
        world.put("z", "10")
        world.put("z", "11")
        world.compact(9)
        #expect(try stream.read() == ["#1 9: y=9 @9", "#2 10: z=10 11: z=11 @11"])
    }
}
