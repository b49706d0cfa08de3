// What a stream leaves behind when it is over: nothing. A watcher and its range hold each other
// while it lasts, the hub and the store while anybody watches; a cycle that outlived them would
// cost a server the memory of every watcher that ever was.

import API
import TestSupport
import Testing

@testable import Services
@testable import Storage

/// Weak references to all that one stream with watchers consists of.
private struct Remains {
    private weak var stream: WatchStream?
    private weak var client: PlayedWatcher?
    private var watchers: [Weak<Watcher>] = []
    private var groups: [Weak<WatchGroup>] = []

    private struct Weak<Object: AnyObject> { weak var object: Object? }

    init(_ played: PlayedWatchStream) {
        stream = played.stream
        client = played.client
        watchers = played.stream.watchers.values.map { Weak(object: $0) }
        groups = played.stream.watchers.values.map { Weak(object: $0.group) }
    }

    var isWhole: Bool {
        stream != nil && client != nil && !watchers.isEmpty
            && watchers.allSatisfy { $0.object != nil } && groups.allSatisfy { $0.object != nil }
    }

    var names: [String] {
        var names: [String] = []
        if stream != nil { names.append("stream") }
        if client != nil { names.append("client") }
        names += watchers.compactMap(\.object).map { "watcher \($0.id.rawValue)" }
        names += groups.compactMap(\.object).map { "range \($0.range)" }
        return names
    }
}

@Suite("After the end of a watch nothing of it is left")
struct WatchLifetimeTests {
    /// A stream with watchers of every kind: of a key and of ranges, told of everything, behind in
    /// the log and in history, behind a compaction, still to begin, waiting for progress.
    private func busyStream(_ world: PlayedWatch) throws -> PlayedWatchStream {
        for value in 1...20 { world.put("a", "\(value)") }
        world.compact(5)
        let stream = world.stream()
        stream.send(WatchCommand.create("a", progress: true))
        stream.send(WatchCommand.create("a", start: 6, previous: true))
        stream.send(WatchCommand.create("a", to: "c", start: 2))
        stream.send(WatchCommand.create("b", to: "\0", progress: true))
        stream.send(WatchCommand.create("z", start: 1000))
        _ = try stream.read()
        stream.client.room = 1
        world.put("a", "21")
        for value in 22...30 { world.put("a", "\(value)") }
        stream.send(WatchCommand.create("a", start: 6))
        stream.send(WatchCommand.progress)
        world.core.advance(byMilliseconds: 1500)
        return stream
    }

    private func world() throws -> PlayedWatch {
        try PlayedWatch {
            $0.progressNanoseconds = 1_000_000_000
            $0.pendingEvents = 4
        }
    }

    @Test("that its client leaves")
    func clientLeaves() throws {
        let world = try world()
        let remains: Remains
        do {
            let stream = try busyStream(world)
            remains = Remains(stream)
            #expect(remains.isWhole)
            stream.leave()
        }
        #expect(remains.names == [])
    }

    @Test("that its client leaves when its events are about to be told")
    func leavesBeforeTold() throws {
        let world = try world()
        let remains: Remains
        do {
            let stream = try busyStream(world)
            remains = Remains(stream)
            world.onHub(stream.stream) { hub, stream in
                world.applyWithinTurn([.put("a", "31"), .put("b", "1")])
                hub.close(stream)
                world.applyWithinTurn([.put("a", "32")])
            }
        }
        #expect(remains.names == [])
    }

    @Test("whose watchers are cancelled, but the stream, which takes its turn")
    func cancelled() throws {
        let world = try world()
        let stream = try busyStream(world)
        let remains = Remains(stream)
        for id in stream.stream.watchers.keys { stream.send(WatchCommand.cancel(id.rawValue)) }
        stream.client.room = .max
        _ = try stream.read()
        #expect(remains.names == ["stream", "client"])
    }

    @Test("that the hub ends, and nothing of the hub once its last owner lets it go")
    func hubStops() throws {
        weak var hub: WatchHub?
        weak var store: MVCCStore?
        let remains: Remains
        do {
            let world = try world()
            (hub, store) = (world.hub, world.store)
            let stream = try busyStream(world)
            remains = Remains(stream)
            world.core.turn { world.hub.assumeIsolated { $0.stop() } }
            #expect(stream.client.isFinished)
        }
        #expect(remains.names == [])
        #expect(hub == nil && store == nil)
    }
}
