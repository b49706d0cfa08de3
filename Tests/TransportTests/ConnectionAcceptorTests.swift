import API
import Glibc
import Logging
import Testing

@testable import Transport

@Suite("A port for HTTP/2 and HTTP/1")
struct ConnectionAcceptorTests {
    private static let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

    @Test("takes the preface for HTTP/2, in whatever pieces it comes", arguments: 1...24)
    func http2(size: Int) async throws {
        try await withPort { port in
            let client = try await port.connect()
            let text = Array((Self.preface + "frames").utf8)
            for start in stride(from: 0, to: text.count, by: size) {
                await client.send(Array(text[start..<min(start + size, text.count)]))
            }
            #expect(await client.receiveText(31) == "HTTP/2 \(Self.preface)")
        }
    }

    @Test(
        "takes all else for HTTP/1, as soon as it differs",
        arguments: [
            "G", "PRI * HTTP/2.0\r\n\r\nX", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r?", "\u{16}",
        ])
    func http1(start: String) async throws {
        try await withPort { port in
            let client = try await port.connect()
            for byte in start.utf8 { await client.send([byte]) }
            let answer = "HTTP/1 \(start)"
            #expect(await client.receiveText(answer.utf8.count) == answer)
        }
    }

    @Test("serves real requests to its HTTP/1 server")
    func servesHTTP1() async throws {
        try await withPort(server: true) { port in
            let client = try await port.connect()
            await client.send("P")
            await client.send("RI /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            #expect(await client.receiveAll().hasSuffix("\r\n\r\nPRI /x"))
        }
    }

    @Test("closes connections that say too little for too long")
    func halfOpen() async throws {
        try await withPort(timeoutNanoseconds: 20_000_000) { port in
            let silent = try await port.connect()
            let hesitant = try await port.connect()
            await hesitant.send("PRI * HTTP")
            for client in [silent, hesitant] {
                #expect(await client.untilClosed()?.name == "ECONNRESET")
            }
            await silent.until { _ in port.acceptor.undecidedCount == 0 }
        }
    }

    @Test("forgets clients that leave before they have said enough")
    func leavesEarly() async throws {
        try await withPort { port in
            let polite = try await port.connect()
            await polite.send("PRI")
            await polite.close()
            await polite.untilClosed()
            let rude = try await port.connect()
            await rude.send("PRI")
            await rude.abort()
            await rude.until { _ in port.acceptor.undecidedCount == 0 }
        }
    }

    @Test("leaks nothing when 10,000 connections are opened and dropped")
    func tenThousand() async {
        // In a process of its own, where nobody else opens descriptors.
        await #expect(processExitsWith: .success) {
            try await withPort(server: true) { port in
                try await port.openAndDrop(250, politely: true)
                let before = openDescriptors()
                for slice in 0..<40 {
                    try await port.openAndDrop(250, politely: slice % 2 == 0)
                }
                #expect(openDescriptors() == before)
                #expect(port.accepted == 10_250)
            }
        }
    }
}

// MARK: The port

private func withPort(
    timeoutNanoseconds: UInt64 = ConnectionAcceptor.readHeaderTimeoutNanoseconds,
    server: Bool = false, _ body: (Port) async throws -> Void
) async throws {
    try await withLoop { loop in
        let opened = await onLoop(loop) {
            Swift.Result { () throws(TransportError) -> Port in
                try Port(loop, timeoutNanoseconds, server)
            }
        }
        let port = try opened.get()
        try await body(port)
        await onLoop(loop) { port.acceptor.abort() }
    }
}

private func openDescriptors() -> Int {
    guard let directory = opendir("/proc/self/fd") else { return -1 }
    defer { closedir(directory) }
    var count = 0
    while readdir(directory) != nil { count += 1 }
    return count
}

/// A listener with an acceptor whose protocols answer with their name and the first bytes.
private final class Port: @unchecked Sendable {
    let loop: EventLoop
    let acceptor: ConnectionAcceptor
    let server: HTTP1Server
    private var listener: Listener?
    private var served: [TestPeer] = []
    private(set) var accepted = 0

    init(
        _ loop: EventLoop, _ timeoutNanoseconds: UInt64, _ usesServer: Bool
    ) throws(TransportError) {
        self.loop = loop
        let server = HTTP1Server(on: loop, clock: FixedClock()) {
            $1.respond(status: 200, text: "\($0.method) \($0.path)")
        }
        self.server = server
        nonisolated(unsafe) var keep: (TestPeer) -> Void = { _ in }
        func answer(_ name: String) -> ConnectionAcceptor.Serve {
            { stream, firstBytes in
                keep(TestPeer(stream))
                let text = Array("\(name) ".utf8) + firstBytes
                text.withUnsafeBytes { stream.write($0) }
            }
        }
        let acceptor = ConnectionAcceptor(
            on: loop, timeoutNanoseconds: timeoutNanoseconds, http2: answer("HTTP/2"),
            http1: usesServer ? { server.accept($0, firstBytes: $1) } : answer("HTTP/1"))
        self.acceptor = acceptor
        nonisolated(unsafe) var count: () -> Void = {}
        listener = try Listener(
            .tcp(host: "127.0.0.1", port: 0), on: loop, logger: Logger(label: "test")
        ) { socket in
            count()
            guard let stream = try? socket.open(on: loop) else { return }
            acceptor.accept(stream)
        }
        keep = { [unowned self] in served.append($0) }
        count = { [unowned self] in accepted += 1 }
    }

    func connect() async throws -> TestPeer {
        try await TestPeer.connect(to: listener?.endpoint ?? .unix(path: ""), on: loop)
    }

    /// Opens connections, says more or less on them, drops them and waits until nothing is left.
    func openAndDrop(_ count: Int, politely: Bool) async throws {
        var clients: [TestPeer] = []
        for number in 0..<count {
            let client = try await connect()
            switch number % 4 {
            case 1: await client.send("PRI * HT")
            case 2: await client.send("GET / HTTP/1.1\r\nHo")
            case 3: await client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            default: break
            }
            clients.append(client)
        }
        for client in clients { politely ? await client.close() : await client.abort() }
        for client in clients { await client.untilClosed() }
        await clients[0].until { [self] _ in
            acceptor.undecidedCount == 0 && server.connectionCount == 0
        }
    }
}
