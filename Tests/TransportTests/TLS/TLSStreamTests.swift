import API
import TestSupport
import Testing

@testable import Transport

@Suite("A TLS stream")
struct TLSStreamTests {
    @Test("carries bytes both ways, each write as one write below")
    func carries() throws {
        let world = try TLSWorld()
        let wire = world.connect()
        let client = try world.dial(world.clientSettings(), over: wire).get()
        let server = try #require(world.served.first)
        client.send("ping")
        world.executor.run()
        #expect(server.text == "ping")
        // Many records, gathered in one write.
        let long = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 ^ ($0 >> 8)) }
        let writes = wire.writeCount
        client.send(long)
        #expect(wire.writeCount == writes + 1)
        world.executor.run()
        #expect(Array(server.got[4...]) == long)
        server.send(long)
        world.executor.run()
        #expect(client.got == long)
    }

    @Test(
        "keeps the order when the reader pauses inside of what has come", arguments: [1, 7, 5000])
    func pauses(pieceBytes: Int) throws {
        let world = try TLSWorld()
        let wire = world.connect()
        let client = try world.dial(world.clientSettings(), over: wire).get()
        let server = try #require(world.served.first)
        wire.pieceBytes = pieceBytes
        server.onReceived = { [unowned server] in server.stream.pauseReading() }
        let sent = (0..<150_000).map { UInt8(truncatingIfNeeded: $0 ^ ($0 >> 8)) }
        client.send(sent)
        client.stream.close()
        var turns = 0
        while server.got.count < sent.count, turns < 200_000 {
            #expect(!server.hasEnd)
            server.stream.resumeReading()
            world.executor.run()
            turns += 1
        }
        #expect(server.got == sent)
        server.stream.resumeReading()
        world.executor.run()
        #expect(server.hasEnd)
    }

    @Test("tells an orderly end, and an end without a farewell, after all that came before")
    func ends() throws {
        let world = try TLSWorld()
        for isOrderly in [true, false] {
            let wire = world.connect()
            let client = try world.dial(world.clientSettings(), over: wire).get()
            let server = try #require(world.served.last)
            client.send("last words")
            if isOrderly { client.stream.close() } else { wire.close() }
            world.executor.run()
            #expect(server.text == "last words")
            #expect(server.hasEnd)
            server.stream.close()
            world.executor.run()
            #expect(server.isClosed)
            #expect(server.error == nil)
        }
    }

    @Test("is closed with an error when a record was changed on its way")
    func changed() throws {
        let world = try TLSWorld()
        let wire = world.connect()
        let client = try world.dial(world.clientSettings(), over: wire).get()
        let server = try #require(world.served.first)
        // What looks like a record of 32 bytes of data, and was encrypted by nobody.
        let forged: [UInt8] = [23, 3, 3, 0, 32] + [UInt8](repeating: 7, count: 32)
        forged.withUnsafeBytes { wire.write($0) }
        world.executor.run()
        #expect(server.got.isEmpty)
        #expect(server.isClosed)
        #expect(server.error?.name == "EPROTO")
        #expect(client.isClosed)
    }

    @Test("hands on nothing of a record that is cut off")
    func cut() throws {
        let world = try TLSWorld()
        let wire = world.connect()
        let client = try world.dial(world.clientSettings(), over: wire).get()
        let server = try #require(world.served.first)
        wire.takes = false
        wire.record = []
        client.send([UInt8](repeating: 1, count: 1000))
        let record = try #require(wire.record)
        // The same connection cannot go on; a second wire end stands for a network that lost the
        // rest.
        wire.dropWaiting()
        wire.takes = true
        record.dropLast(10).withUnsafeBytes { wire.write($0) }
        wire.close()
        world.executor.run()
        #expect(server.got.isEmpty)
        #expect(server.hasEnd)
    }

    @Test("agrees on what is spoken")
    func agrees() throws {
        let world = try TLSWorld()
        #expect(try world.dial().applicationProtocol == "h2")
        let http1 = try world.dial(
            world.clientSettings(), over: world.connect(for: .http1)
        ).get()
        #expect(http1.applicationProtocol == "http/1.1")
    }

    @Test("lets go of everything when its handler goes")
    func letsGo() throws {
        let world = try TLSWorld()
        weak var stream: TLSStream?
        let wire = world.connect()
        do {
            let client = try world.dial(world.clientSettings(), over: wire).get()
            stream = client.stream as? TLSStream
            #expect(stream != nil)
        }
        world.executor.run()
        #expect(stream == nil)
        #expect(wire.isClosed)
        #expect(world.served.first?.hasEnd == true)
    }
}

extension TLSEnd {
    var applicationProtocol: String? { stream.security?.applicationProtocol }
}

@Suite("The state of a TLS connection")
struct TLSStreamStateTests {
    @Test("input goes to the handshake, then to the handler while it reads, then nowhere")
    func input() {
        var state = TLSStreamState()
        #expect(state.receives() == .shakeHands)
        state.established()
        #expect(state.receives() == .nothing)
        #expect(state.resumes() == .decrypt)
        #expect(state.receives() == .decrypt)
        state.pauses()
        #expect(state.receives() == .nothing)
        #expect(state.closes() == true)
        #expect(state.resumes() == .nothing)
        #expect(state.receives() == .nothing)
        #expect(state.isGone() == true)
        #expect(state.isGone() == false)
    }

    @Test("an end is told once, to who reads, behind what came before it")
    func end() {
        var state = TLSStreamState()
        state.established()
        #expect(state.ends() == .nothing)
        #expect(state.drained() == .nothing)
        #expect(state.resumes() == .decrypt)
        #expect(state.drained() == .tellEnd)
        #expect(state.drained() == .nothing)
        #expect(state.ends() == .nothing)
        #expect(state.drained() == .nothing)
    }

    @Test("an end within the handshake gives it up; no farewell is due then")
    func early() {
        var state = TLSStreamState()
        #expect(state.ends() == .abort)
        #expect(state.closes() == false)
        #expect(state.closes() == false)
        #expect(state.phase == .closing)
    }
}
