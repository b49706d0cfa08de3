import API
import Testing

@testable import Transport

@Suite("Peer links") struct PeerLinkTests {
    @Test("Messages arrive in order, those given before the link was open too")
    func carries() {
        let world = PeerWorld()
        world.links.set(PeerWorld.other, urls: [PeerWorld.url])
        #expect(world.send("first"))
        world.executor.run()
        #expect(world.send("second"))
        let pieces = PeerMessage(head: Array("he".utf8), payload: Array("ad".utf8))
        #expect(world.links.send(pieces, to: PeerWorld.other, on: .messages))
        world.executor.run()
        #expect(world.receiver.texts(.messages) == ["first", "second", "head"])
        #expect(world.observer.heard == ["active 2"])
        #expect(world.observer.sentBytes == 15)
        #expect(world.receiver.callers.map(\.urls) == [["memory://1"], ["memory://1"]])
    }

    @Test("Messages of one turn to one member go out in one write")
    func oneWrite() {
        let world = PeerWorld()
        world.begin()
        let before = world.valves[0].writeCount
        for number in 0..<10 { world.send("\(number)") }
        world.executor.run()
        #expect(world.receiver.texts(.messages) == (0..<10).map { "\($0)" })
        #expect(world.valves[0].writeCount == before + 1)
    }

    @Test("Nobody listens: dialed again after pauses that grow to a second; what is sent is lost")
    func pauses() {
        let world = PeerWorld()
        world.listen(false)
        world.begin()
        #expect(!world.send("lost"))
        var moments: [Int] = []
        for tenMilliseconds in 0..<2000 {
            let before = world.observer.failures.count
            world.executor.advance(seconds: 0.01)
            if world.observer.failures.count > before { moments.append(tenMilliseconds * 10) }
        }
        let pauses = zip(moments, moments.dropFirst()).map { $1 - $0 }
        #expect(pauses.allSatisfy { $0 <= 1000 })
        #expect(pauses[0] < 200)
        #expect(pauses.suffix(5).allSatisfy { $0 >= 500 })
        #expect(world.observer.failures.last?.contains("ECONNREFUSED") == true)
        #expect(world.activeSince == nil)

        world.listen(true)
        world.executor.advance(seconds: 1)
        #expect(world.activeSince != nil)
        #expect(world.send("arrives"))
        world.executor.run()
        #expect(world.receiver.texts(.messages) == ["arrives"])
    }

    @Test("A call from the other side cuts the pause short")
    func heard() {
        let world = PeerWorld()
        world.listen(false)
        world.begin()
        world.executor.advance(seconds: 10)
        world.listen(true)
        world.links.heard(from: PeerWorld.other)
        world.executor.run()
        #expect(world.activeSince != nil)
    }

    @Test("The URLs are tried in turn, and new ones take the place of old ones")
    func severalURLs() {
        let world = PeerWorld()
        world.begin(["memory://nowhere", PeerWorld.url])
        #expect(world.activeSince != nil)

        world.links.set(PeerWorld.other, urls: ["memory://new"])
        world.listen(false)
        world.listen(true, at: "memory://new")
        #expect(world.activeSince != nil, "a change of URLs closes nothing")
        for valve in world.valves { valve.abort() }
        world.executor.run()
        #expect(world.observer.heard == ["active 2", "inactive 2"])
        world.executor.advance(seconds: 0.2)
        #expect(world.observer.heard.last == "active 2")
    }

    @Test("A member without URLs is no member to send to, until it has some")
    func noURLs() {
        let world = PeerWorld()
        world.begin([])
        #expect(!world.send("lost"))
        #expect(world.observer.failures.last?.contains("no peer URLs") == true)
        world.links.set(PeerWorld.other, urls: [PeerWorld.url])
        world.executor.run()
        #expect(world.send("arrives"))
    }

    @Test("A heartbeat passes while 64 MB of appends are stuck")
    func lanesAreIndependent() {
        let world = PeerWorld()
        world.begin()
        world.valves[PeerLane.appends.rawValue].hold()
        let append = PeerMessage(head: [1], payload: Array(repeating: 7, count: 1 << 20))
        for _ in 0..<64 {
            #expect(world.links.send(append, to: PeerWorld.other, on: .appends))
            world.executor.run()
        }
        #expect(world.receiver.bytes == 0)
        world.send("heartbeat")
        world.executor.run()
        #expect(world.receiver.texts(.messages) == ["heartbeat"])
        world.valves[PeerLane.appends.rawValue].open()
        world.executor.advance(seconds: 0.1)
        #expect(world.receiver.bytes == 64 * ((1 << 20) + 1) + 9)
        #expect(world.observer.lostCount == 0)
    }

    @Test("A lane takes so much and no more; what it took arrives, once and in order")
    func bounded() {
        var settings = PeerSettings()
        settings.maxLaneMessages = 100
        settings.laneBufferBytes = 1 << 10
        let world = PeerWorld(settings: settings)
        world.begin()
        world.valves[0].hold()
        var taken: [String] = []
        for number in 0..<100_000 {
            let text = "message \(number)"
            if world.send(text) { taken.append(text) }
            if number % 100 == 0 { world.executor.run() }
        }
        #expect(taken.count < 60_000)
        world.valves[0].open()
        world.executor.run()
        #expect(world.receiver.texts(.messages) == taken)
    }

    @Test("A lane is bounded in bytes too, but for one message of any size")
    func boundedInBytes() {
        var settings = PeerSettings()
        settings.maxLaneBytes = 1000
        let world = PeerWorld(settings: settings)
        world.links.set(PeerWorld.other, urls: [PeerWorld.url])
        let large = PeerMessage(head: Array(repeating: 1, count: 5000))
        #expect(world.links.send(large, to: PeerWorld.other, on: .messages))
        #expect(!world.links.send(large, to: PeerWorld.other, on: .messages))
        world.executor.run()
        #expect(world.receiver.bytes == 5000)
    }

    @Test("What waits when a link breaks is lost and told so; nothing arrives twice")
    func neverTwice() {
        let world = PeerWorld()
        world.begin()
        world.send("before")
        world.executor.run()
        world.valves[0].hold()
        world.send("under way")
        world.executor.run()
        world.valves[0].abort()
        world.executor.run()
        #expect(world.observer.lostCount == 1)
        #expect(!world.send("in the pause"))
        world.executor.advance(seconds: 0.2)
        world.send("after")
        world.executor.run()
        #expect(world.receiver.texts(.messages) == ["before", "after"])
    }

    @Test("Garbage on a lane closes it, with the reason; the other lane goes on")
    func garbage() {
        let world = PeerWorld()
        world.begin()
        world.send("garbage", on: .appends)
        world.send("fine")
        world.executor.run()
        #expect(world.observer.failures == ["that is garbage"])
        #expect(world.receiver.texts(.messages) == ["fine"])
        #expect(world.observer.heard == ["active 2"])
        world.executor.advance(seconds: 0.2)
        world.send("again", on: .appends)
        world.executor.run()
        #expect(world.receiver.texts(.appends) == ["again"])
    }

    @Test("A link that was taken down is silent, and so are its connections")
    func removed() {
        let world = PeerWorld()
        world.begin()
        world.links.remove(PeerWorld.other)
        #expect(!world.send("lost"))
        world.executor.advance(seconds: 5)
        #expect(world.server.connectionCount == 0)
        #expect(world.observer.heard == ["active 2"])
        #expect(world.links.status(of: PeerWorld.other) == nil)
    }
}

@Suite("Peers: dead or slow") struct PeerLivenessTests {
    @Test("A member that answers no ping for five seconds is dead")
    func dead() {
        let world = PeerWorld()
        world.begin()
        world.executor.advance(seconds: 2.5)
        #expect(world.observer.roundTrips.count == 2)
        for valve in world.valves { valve.isDead = true }
        for _ in 0..<40 {
            world.send("heartbeat")
            world.executor.advance(seconds: 0.1)
        }
        #expect(world.activeSince != nil)
        for _ in 0..<30 {
            world.send("heartbeat")
            world.executor.advance(seconds: 0.1)
        }
        #expect(world.observer.heard.prefix(2) == ["active 2", "inactive 2"])
        #expect(world.observer.failures.contains { $0.contains("no sign of life") })
    }

    @Test("A member that takes bytes slowly is slow, and its appends arrive in the end")
    func slow() {
        let world = PeerWorld()
        world.begin()
        let valve = world.valves[PeerLane.appends.rawValue]
        valve.hold()
        let append = PeerMessage(head: [1], payload: Array(repeating: 7, count: 4 << 20))
        #expect(world.links.send(append, to: PeerWorld.other, on: .appends))
        // 64 KB a second: a ping behind the megabyte in the buffer waits for more than 16 s.
        for _ in 0..<80 {
            valve.trickle(64 << 10)
            world.executor.advance(seconds: 1)
        }
        #expect(world.observer.failures.isEmpty)
        #expect(world.receiver.bytes == (4 << 20) + 1)
    }

    @Test("One that takes none of what waits is dead")
    func stuck() {
        let world = PeerWorld()
        world.begin()
        world.valves[PeerLane.appends.rawValue].hold()
        let append = PeerMessage(head: [1], payload: Array(repeating: 7, count: 4 << 20))
        #expect(world.links.send(append, to: PeerWorld.other, on: .appends))
        world.executor.advance(seconds: 7)
        #expect(world.observer.failures.contains { $0.contains("no sign of life") })
        #expect(world.observer.lostCount == 1)
        #expect(world.activeSince != nil, "the other lane is alive")
    }
}

@Suite("Peers: refused by name") struct PeerRefusalTests {
    @Test("A member of another cluster")
    func otherCluster() {
        let world = PeerWorld(cluster: ClusterID(0xBAD))
        world.begin()
        #expect(
            world.observer.failures.first
                == "cluster ID mismatch: got bad, this member is of c1")
        #expect(world.receiver.callers.isEmpty)
        #expect(!world.send("lost"))
    }

    @Test("A call for another member")
    func otherMember() {
        let world = PeerWorld(listener: MemberID(3))
        world.begin()
        #expect(
            world.observer.failures.first
                == "member ID mismatch: the call is for 2, this member is 3")
    }

    @Test("A member that goes by the id of the one it calls")
    func ownID() {
        let world = PeerWorld()
        func refusal(from caller: MemberID) -> PeerRefusal? {
            world.acceptor.refusal(
                of: PeerHello(
                    cluster: ClusterID(0xC1), from: caller, to: PeerWorld.other, urls: []))
        }
        #expect(refusal(from: MemberID(1)) == nil)
        #expect(refusal(from: PeerWorld.other) == .ownMember(PeerWorld.other))
    }

    @Test("A member that was removed is told so, at its next call or at once")
    func removed() {
        let world = PeerWorld()
        world.begin()
        world.admission.removed = [MemberID(1)]
        world.acceptor.removed(MemberID(1))
        world.executor.run()
        #expect(
            world.observer.heard.sorted()
                == ["active 2", "inactive 2", "removed, says 2", "removed, says 2"])
        world.executor.advance(seconds: 0.1)
        #expect(world.observer.heard.count { $0 == "removed, says 2" } == 4)
        #expect(world.observer.heard.count { $0 == "active 2" } == 1)
        #expect(
            world.observer.failures.last
                == "the member has been permanently removed from the cluster")
    }

    @Test(
        "A version nobody here speaks, and a caller who does not say who it is",
        arguments: [
            ("2-3", "incompatible version"), ("", "does not say which member"),
            ("1-", "does not say which member"), ("3-1", "does not say which member"),
            ("1-1", ""), ("0-9", ""),
        ])
    func version(versions: String, refusal: String) {
        let world = PeerWorld()
        let (near, far) = MemoryStream.pair(a: world.executor, b: world.executor)
        world.server.accept(far)
        let client = GRPCClientConnection(near)
        let metadata = [
            ("cairn-versions", versions), ("cairn-cluster", "c1"), ("cairn-from", "1"),
            ("cairn-to", "2"),
        ].map { (name: $0.0, value: Array($0.1.utf8)) }
        let handler = KeepingHandler()
        let call = client?.streaming(
            GRPCClientMethod(PeerLane.messages.path),
            options: GRPCCallOptions(metadata: metadata), handler: handler)
        world.executor.run()
        if refusal.isEmpty {
            #expect(handler.messages == [[1, 0, 0, 0]])
            #expect(call?.isOpen == true)
        } else {
            #expect(handler.end?.status?.message.contains(refusal) == true)
        }
        client?.abort()
        world.executor.run()
    }

    @Test("A member that stops says so")
    func stops() {
        let world = PeerWorld()
        world.begin()
        world.acceptor.stop()
        world.executor.run()
        #expect(world.observer.failures.first == "the member does not take calls of members now")
        #expect(world.observer.heard == ["active 2", "inactive 2"])
    }
}

final class KeepingHandler: GRPCClientStreamHandler {
    var messages: [[UInt8]] = []
    var end: GRPCCallEnd?
    var writableCount = 0
    func received(_ message: sending UnsafeRawBufferPointer) { messages.append(Array(message)) }
    func writable() { writableCount += 1 }
    func finished(_ end: GRPCCallEnd) { self.end = end }
}
