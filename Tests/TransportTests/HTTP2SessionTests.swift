import API
import Testing

@testable import Transport

/// Two sessions wired to each other without any stream.
private final class SessionPair: HTTP2SessionOwner {
    let client: HTTP2Session
    let server: HTTP2Session
    private let sink = OutputSink()
    var accepted: [RawStream] = []
    var consumes = true
    /// Which stream each DATA frame of the server belonged to, in order.
    var dataOrder: [UInt32] = []

    init(client: HTTP2Settings = HTTP2Settings(), server: HTTP2Settings = HTTP2Settings()) {
        self.client = HTTP2Session(isServer: false, settings: client)!
        self.server = HTTP2Session(isServer: true, settings: server)!
        self.server.owner = self
    }
    deinit {
        client.detach(.cancel)
        server.detach(.cancel)
    }

    func openStream() -> HTTP2Stream? {
        let stream = RawStream()
        stream.consumes = consumes
        accepted.append(stream)
        return stream
    }
    func outputPending() {}
    func receivedPing(isAck: Bool, payload: UInt64) {}
    func receivedGoAway(_ code: HTTP2ErrorCode, debugData: UnsafeRawBufferPointer) {}
    func receivedSettings() {}
    func streamClosed() {}

    /// Carries bytes both ways until neither side has any.
    func run() {
        while move(client, to: server) || move(server, to: client) {}
    }
    private func move(_ from: HTTP2Session, to: HTTP2Session) -> Bool {
        #expect(from.gather(into: sink, limit: 1 << 20))
        guard !sink.bytes.isEmpty else { return false }
        if from === server { note(Array(sink.bytes.bytes)) }
        #expect(to.receive(sink.bytes.bytes))
        sink.bytes.reset()
        return true
    }
    private func note(_ bytes: [UInt8]) {
        var place = 0
        while place + 9 <= bytes.count {
            let length = bytes[place..<place + 3].reduce(0) { $0 << 8 | Int($1) }
            let id = bytes[place + 5..<place + 9].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            if bytes[place + 3] == 0 { dataOrder.append(id) }
            place += 9 + length
        }
    }

    func request(_ body: Int = 0) -> RawStream {
        let stream = RawStream()
        [UInt8](repeating: 1, count: body).withUnsafeBytes { stream.output.append($0) }
        stream.outputEnd = .endStream
        withHeaderFields(RawPair.usual) { _ = client.submitRequest(stream, $0) }
        return stream
    }
    func respond(_ stream: RawStream, _ size: Int) {
        [UInt8](repeating: 2, count: size).withUnsafeBytes { stream.output.append($0) }
        server.queued(size, on: stream)
        stream.outputEnd = .endStream
        server.submitResponse(stream, ResponseHeaders.start.fields, hasBody: true)
    }
}

@Suite("An HTTP/2 session")
struct HTTP2SessionTests {
    private var smallWindows: HTTP2Settings {
        var settings = HTTP2Settings()
        settings.streamWindowBytes = 65_535
        settings.connectionWindowBytes = 65_535
        return settings
    }

    @Test("carries 1 MB each way through windows of 64 KB")
    func largeBodies() {
        let pair = SessionPair(client: smallWindows, server: smallWindows)
        let stream = pair.request(1_000_000)
        pair.run()
        #expect(pair.accepted[0].body.count == 1_000_000)
        pair.respond(pair.accepted[0], 1_000_000)
        pair.run()
        #expect(stream.body.count == 1_000_000)
        #expect(stream.closeCode == HTTP2ErrorCode.none && pair.server.openStreamCount == 0)
        #expect(pair.server.queuedBytes == 0)
    }

    @Test("sends 1 MB at once into the windows it offers by default: no wait for a round trip")
    func largeWindows() {
        let pair = SessionPair()
        pair.run()
        _ = pair.request(1_000_000)
        let sink = OutputSink()
        #expect(pair.client.gather(into: sink, limit: .max))
        #expect(sink.bytes.count > 1_000_000)
    }

    @Test(
        "shares a connection fairly: a small response is not stuck behind two large ones",
        arguments: [true, false])
    func fairness(usesExtensiblePriorities: Bool) {
        var settings = HTTP2Settings()
        settings.usesExtensiblePriorities = usesExtensiblePriorities
        let pair = SessionPair(server: settings)
        let streams = [pair.request(), pair.request(), pair.request()]
        pair.run()
        pair.respond(pair.accepted[0], 2_000_000)
        pair.respond(pair.accepted[1], 2_000_000)
        pair.respond(pair.accepted[2], 100)
        pair.run()
        #expect(streams.map(\.body.count) == [2_000_000, 2_000_000, 100])
        let small = pair.dataOrder.firstIndex(of: UInt32(streams[2].id)) ?? .max
        #expect(small <= 4, "the small response came as frame \(small)")
        // The large ones take turns: neither is more than a few frames ahead of the other.
        var ahead = 0
        var most = 0
        for id in pair.dataOrder {
            if id == UInt32(streams[0].id) { ahead += 1 }
            if id == UInt32(streams[1].id) { ahead -= 1 }
            most = max(most, abs(ahead))
        }
        #expect(most <= 4, "one was \(most) frames ahead")
    }

    @Test("gathers no more than it is asked for, and goes on from there")
    func bounded() {
        let pair = SessionPair()
        let stream = pair.request()
        pair.run()
        pair.respond(pair.accepted[0], 3_000_000)
        let sink = OutputSink()
        var total = 0
        while true {
            #expect(pair.server.gather(into: sink, limit: 100_000))
            if sink.bytes.isEmpty { break }
            #expect(sink.bytes.count < 100_000 + 20_000)
            total += sink.bytes.count
            #expect(pair.client.receive(sink.bytes.bytes))
            sink.bytes.reset()
        }
        #expect(stream.body.count == 3_000_000 && total > 3_000_000)
    }

    @Test("holds back a sender whose bytes are not consumed, other streams go on")
    func unconsumed() {
        let pair = SessionPair(server: smallWindows)
        pair.run()
        pair.consumes = false
        _ = pair.request(200_000)
        pair.run()
        #expect(pair.accepted[0].body.count == 65_535)
        pair.consumes = true
        pair.server.consumeConnection(65_535)
        let other = pair.request(1000)
        pair.run()
        #expect(pair.accepted[1].body.count == 1000)
        pair.respond(pair.accepted[1], 10)
        pair.run()
        #expect(other.body.count == 10)
        pair.accepted[0].consumes = true
        pair.server.consumeStream(65_535, on: pair.accepted[0])
        pair.run()
        #expect(pair.accepted[0].body.count == 200_000)
    }

    @Test("receives the same whatever pieces the bytes come in")
    func anyPieces() {
        for piece in [1, 2, 3, 7, 100] {
            let pair = SessionPair()
            _ = pair.request(500)
            let sink = OutputSink()
            #expect(pair.client.gather(into: sink, limit: .max))
            let bytes = Array(sink.bytes.bytes)
            for start in stride(from: 0, to: bytes.count, by: piece) {
                let part = bytes[start..<min(start + piece, bytes.count)]
                #expect(part.withUnsafeBytes { pair.server.receive($0) })
            }
            #expect(pair.accepted.count == 1 && pair.accepted[0].body.count == 500)
        }
    }
}

@Suite("A queue of bytes")
struct ByteQueueTests {
    @Test("gives back what was put in, in order, through growth and reuse")
    func order() {
        var queue = ByteQueue()
        var put: UInt8 = 0
        var taken: UInt8 = 0
        for step in 1..<500 {
            for _ in 0..<(step * 7 % 300) {
                withUnsafeBytes(of: put) { queue.append($0) }
                put &+= 1
            }
            let size = min(queue.count, step * 11 % 290)
            for byte in queue.bytes.prefix(size) {
                #expect(byte == taken)
                taken &+= 1
            }
            queue.consume(size)
        }
    }
}
