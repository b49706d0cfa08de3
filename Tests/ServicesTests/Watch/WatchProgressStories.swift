import API
import TestSupport
import Testing

@testable import Services

@Suite("Watch: progress")
struct WatchProgressStories {
    @Test("by request: one answer for all watchers of the stream, nothing without any")
    func byRequest() throws {
        let world = try PlayedWatch()
        let stream = world.stream()
        stream.send(WatchCommand.progress)
        #expect(try stream.read() == [])
        stream.send(WatchCommand.create("a"))
        stream.send(WatchCommand.create("b"))
        world.put("c", "1")
        stream.send(WatchCommand.progress)
        #expect(try stream.read() == ["#0 created @1", "#1 created @1", "#-1 @2"])
    }

    @Test("by request: nothing before the store has reached each start")
    func future() throws {
        let world = try PlayedWatch()
        let stream = world.stream()
        stream.send(WatchCommand.create("a", start: 3))
        stream.send(WatchCommand.progress)
        world.put("b", "1")
        stream.send(WatchCommand.progress)
        #expect(try stream.read() == ["#0 created @1"])
        world.put("b", "2")
        #expect(try stream.read() == [], "it is not asked for again")
        stream.send(WatchCommand.progress)
        #expect(try stream.read() == ["#-1 @3"])
    }

    @Test("by request: events that are pending go first")
    func pending() throws {
        let world = try PlayedWatch()
        let stream = world.stream()
        stream.send(WatchCommand.create("a"))
        _ = try stream.read()
        // In one turn: the request comes before the events were handed out.
        world.onHub(stream.stream) { hub, stream in
            world.applyWithinTurn([.put("a", "1")])
            hub.requestProgress(of: stream)
            world.applyWithinTurn([.put("a", "2")])
        }
        #expect(try stream.read() == ["#0 2: a=1 @2", "#-1 @2", "#0 3: a=2 @3"])
    }

    @Test("by request: a client that does not take its events hears of it after them")
    func blocked() throws {
        let world = try PlayedWatch()
        let stream = world.stream(room: 1)
        stream.send(WatchCommand.create("a"))
        _ = try stream.read()
        world.onHub(stream.stream) { hub, stream in
            for value in 1...3 { world.applyWithinTurn([.put("a", "\(value)")]) }
            hub.requestProgress(of: stream)
        }
        world.put("a", "4")
        #expect(
            try stream.read() == ["#0 2: a=1 3: a=2 4: a=3 @4", "#0 5: a=4 @5", "#-1 @5"])
    }

    @Test("by interval: those who want it, when they had no events since the last time")
    func interval() throws {
        let world = try PlayedWatch { $0.progressNanoseconds = 1_000_000_000 }
        let stream = world.stream()
        stream.send(WatchCommand.create("a", progress: true))
        stream.send(WatchCommand.create("a"))
        _ = try stream.read()
        world.core.advance(byMilliseconds: 999)
        #expect(try stream.read() == [])
        world.core.advance(byMilliseconds: 1)
        #expect(try stream.read() == ["#0 @1"])
        world.put("a", "1")
        world.put("b", "1")
        _ = try stream.read()
        world.core.advance(byMilliseconds: 1000)
        #expect(try stream.read() == [], "it had events")
        world.core.advance(byMilliseconds: 1000)
        #expect(try stream.read() == ["#0 @3"])
        stream.leave()
        world.core.advance(byMilliseconds: 5000)
        #expect(try stream.read() == [])
    }

    @Test("by interval: thousands on a stream that takes a few at a time are all told")
    func many() throws {
        let world = try PlayedWatch { $0.progressNanoseconds = 1_000_000_000 }
        let stream = world.stream(room: 2000)
        for key in 0..<3000 {
            stream.send(WatchCommand.create("k\(key)", progress: true))
            _ = try stream.take()
        }
        world.core.advance(byMilliseconds: 1000)
        var told: Set<Int64> = []
        while case let some = try stream.take(), !some.isEmpty { told.formUnion(some.map(\.id)) }
        #expect(told.count == 3000)
        #expect(stream.client.most < 2100)
    }
}
