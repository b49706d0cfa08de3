import API
import Testing

@testable import Transport

@Suite("Calls between members") struct PeerCallTests {
    private static let echo = GRPCClientMethod("/test.Echo/Echo")
    private static let open = GRPCClientMethod("/test.Open/Echo")

    private func world() -> PeerWorld {
        PeerWorld { methods in
            methods.unary("/test.Echo/Echo") { call, request in
                let from = call.context.peer?.from.hex ?? "nobody"
                call.respond(Array("\(from): ".utf8) + Array(request))
            }
            methods.unary("/test.Open/Echo") { call, request in call.respond(request) }
            methods.unary("/test.Echo/Never") { _, _ in }
        }
    }

    private func call(
        _ world: PeerWorld, _ text: String, _ method: GRPCClientMethod = echo,
        to member: MemberID = PeerWorld.other, seconds: UInt64 = 5
    ) -> UnaryOutcome {
        let outcome = UnaryOutcome()
        world.links.call(
            member, method, Array(text.utf8), timeout: seconds * 1_000_000_000
        ) { outcome.complete($0) }
        world.executor.run()
        return outcome
    }

    @Test("A call is answered; the callee knows who calls")
    func answered() {
        let world = world()
        world.begin()
        #expect(call(world, "hello").text == "1: hello")
        #expect(call(world, "again").text == "1: again")
        #expect(world.server.connectionCount == 3, "one connection for all calls")
    }

    @Test("Nobody there: UNAVAILABLE, and the next call dials again")
    func unavailable() {
        let world = world()
        world.listen(false)
        world.begin()
        #expect(call(world, "hello").status?.code == .unavailable)
        world.listen(true)
        #expect(call(world, "hello").text == "1: hello")
        #expect(call(world, "hello", to: MemberID(9)).status?.code == .unavailable)
    }

    @Test("No answer in time")
    func timeout() {
        let world = world()
        world.begin()
        let outcome = call(world, "hello", GRPCClientMethod("/test.Echo/Never"), seconds: 2)
        world.executor.advance(seconds: 1.9)
        #expect(!outcome.isDone)
        world.executor.advance(seconds: 0.2)
        #expect(outcome.status?.code == .deadlineExceeded)
    }

    @Test("A connection that is lost ends its calls with UNAVAILABLE, each once")
    func lost() {
        let world = world()
        world.begin()
        let outcome = call(world, "hello", GRPCClientMethod("/test.Echo/Never"), seconds: 60)
        #expect(!outcome.isDone)
        world.valves[2].isDead = true
        world.executor.advance(seconds: 7)
        #expect(outcome.status?.code == .unavailable)
        #expect(call(world, "hello").text == "1: hello")
    }

    @Test("A connection without calls is left alone, however long")
    func idle() {
        let world = world()
        world.begin()
        #expect(call(world, "hello").text == "1: hello")
        world.executor.advance(seconds: 60)
        #expect(call(world, "hello").text == "1: hello")
        #expect(world.valves.count == 3)
    }

    @Test("A link that is taken down ends its calls")
    func removed() {
        let world = world()
        world.begin()
        let outcome = call(world, "hello", GRPCClientMethod("/test.Echo/Never"), seconds: 60)
        world.links.remove(PeerWorld.other)
        #expect(outcome.status?.code == .unavailable)
    }

    @Test("A URL can be called whose member is not known, for what is open to everyone only")
    func byURL() {
        let world = world()
        let open = UnaryOutcome()
        let closed = UnaryOutcome()
        let urls = ["memory://nowhere", PeerWorld.url]
        world.links.call(anyOf: urls, Self.open, [65], timeout: 1_000_000_000) {
            open.complete($0)
        }
        world.links.call(anyOf: urls, Self.echo, [65], timeout: 1_000_000_000) {
            closed.complete($0)
        }
        world.executor.run()
        #expect(open.text == "A")
        #expect(closed.status?.message == "the call does not say which member it is from")
        world.executor.run()
        #expect(world.server.connectionCount == 0)
    }
}

@Suite("Streams between members") struct PeerStreamTests {
    private static let method = GRPCClientMethod("/test.Stream/Echo")

    /// Echoes what comes; takes nothing while it is told to wait.
    private final class Echo: StreamingHandler, @unchecked Sendable {
        var call: StreamingCall?
        var received = 0
        var waits = false
        var isCancelled = false
        func received(_ message: sending UnsafeRawBufferPointer) {
            received += 1
            if message.count < 100 { call?.send(Array(message)) }
            if waits { call?.pauseReceiving() }
        }
        func halfClosed() { call?.finish() }
        func writable() {}
        func cancelled() { isCancelled = true }
    }

    private let echo = Echo()

    private func world() -> PeerWorld {
        PeerWorld { [echo] methods in
            methods.bidirectional("/test.Stream/Echo") { call in
                echo.call = call
                return echo
            }
        }
    }

    @Test("A stream says when it can be written, and brings the answers")
    func answers() {
        let world = world()
        world.begin()
        let handler = KeepingHandler()
        let stream = world.links.open(
            PeerWorld.other, Self.method, metadata: [("part", Array("7".utf8))],
            handler: handler)
        #expect(!stream.isWritable)
        world.executor.run()
        #expect(handler.writableCount == 1)
        #expect(stream.send([1, 2, 3]))
        stream.halfClose()
        world.executor.run()
        #expect(handler.messages == [[1, 2, 3]])
        #expect(handler.end.map { $0.status == nil } == true)
        #expect(!stream.isOpen)
        world.executor.run()
        #expect(world.server.connectionCount == 2, "its connection is gone")
    }

    @Test("A receiver that waits holds the sender up, and heartbeats pass")
    func backpressure() {
        let world = world()
        world.begin()
        echo.waits = true
        let handler = KeepingHandler()
        let stream = world.links.open(PeerWorld.other, Self.method, handler: handler)
        world.executor.run()
        var sent = 0
        while sent < 1000, stream.send(Array(repeating: 1, count: 256 << 10)) {
            sent += 1
            world.executor.run()
        }
        #expect(sent < 100)
        #expect(echo.received == 1)
        world.send("heartbeat")
        world.executor.run()
        #expect(world.receiver.texts(.messages) == ["heartbeat"])
        echo.waits = false
        echo.call?.resumeReceiving()
        world.executor.run()
        #expect(echo.received == sent)
        #expect(stream.isWritable)
        stream.cancel()
        world.executor.run()
        #expect(echo.isCancelled)
        #expect(handler.end?.status?.code == .cancelled)
    }

    @Test("Failures are told: nobody there, link cut, link taken down, no such member")
    func failures() {
        let world = world()
        world.begin()
        let unknown = KeepingHandler()
        #expect(!world.links.open(MemberID(9), Self.method, handler: unknown).isOpen)
        #expect(unknown.end?.status?.code == .unavailable)

        let cut = KeepingHandler()
        _ = world.links.open(PeerWorld.other, Self.method, handler: cut)
        world.executor.run()
        world.valves.last?.abort()
        world.executor.run()
        #expect(cut.end?.status?.code == .unavailable)
        #expect(echo.isCancelled)

        let down = KeepingHandler()
        _ = world.links.open(PeerWorld.other, Self.method, handler: down)
        world.executor.run()
        world.links.remove(PeerWorld.other)
        #expect(down.end?.status?.code == .unavailable)

        let absent = KeepingHandler()
        world.listen(false)
        world.begin()
        _ = world.links.open(PeerWorld.other, Self.method, handler: absent)
        world.executor.run()
        #expect(absent.end?.status?.message.contains("ECONNREFUSED") == true)
    }
}
