import API
import Glibc
import Testing

@testable import Transport

@Suite("A socket stream")
struct SocketStreamTests {
    /// Two ends of a connection over loopback.
    private func withConnection(
        _ endpoint: Endpoint = .tcp(host: "127.0.0.1", port: 0),
        _ body: (_ client: TestPeer, _ server: TestPeer) async throws -> Void
    ) async throws {
        try await withLoop { loop in
            let listener = try await TestListener.open(endpoint, on: loop)
            let client = try await TestPeer.connect(to: listener.endpoint, on: loop)
            try await body(client, await listener.next())
        }
    }

    @Test(
        "carries bytes both ways",
        arguments: [
            Endpoint.tcp(host: "127.0.0.1", port: 0), .tcp(host: "localhost", port: 0),
            .tcp(host: "::1", port: 0), .unix(path: "/tmp/cairn-\(getpid())-both-ways.sock"),
        ])
    func carries(endpoint: Endpoint) async throws {
        try await withConnection(endpoint) { client, server in
            await client.send("ping")
            #expect(await server.receiveText(4) == "ping")
            await server.send("pong!")
            #expect(await client.receiveText(5) == "pong!")
        }
    }

    @Test("leads to a host by its name, which is looked up elsewhere than on the loop")
    func named() async throws {
        try await withLoop { loop in
            let listener = try await TestListener.open(
                .tcp(host: "127.0.0.1", port: 0), on: loop)
            guard case .tcp(_, let port) = listener.endpoint else { return }
            // The resolver minds no case; that this is not taken for an address of our own is seen
            // from `candidates`.
            let name = Endpoint.tcp(host: "LOCALHOST", port: port)
            #expect(SocketAddress.candidates(for: name).isEmpty)
            let client = try await TestPeer.connect(to: name, on: loop)
            let server = await listener.next()
            await client.send("ping")
            #expect(await server.receiveText(4) == "ping")
        }
        #expect(NameLookup.addresses(of: "LOCALHOST").contains("127.0.0.1"))
    }

    @Test("knows both addresses")
    func addresses() async throws {
        try await withConnection { client, server in
            let ends = await client.with { [$0.localAddress, $0.remoteAddress] }
            #expect(await server.with { [$0.remoteAddress, $0.localAddress] } == ends)
            #expect(ends[1].hasPrefix("127.0.0.1:"))
        }
    }

    /// Two ends between which the kernel holds little, however it is tuned.
    private func withNarrowConnection(
        _ body: (_ client: TestPeer, _ server: TestPeer) async throws -> Void
    ) async throws {
        try await withConnection { client, server in
            for (peer, option) in [(client, SO_SNDBUF), (server, SO_RCVBUF)] {
                await peer.with { stream in
                    (stream as? SocketStream)?.withDescriptor {
                        setOption($0, SOL_SOCKET, option, 32 << 10)
                    }
                }
            }
            try await body(client, server)
        }
    }

    @Test("keeps order and loses nothing when the reader is slower than the writer")
    func slowReader() async throws {
        try await withNarrowConnection { client, server in
            await server.pause()
            let sent = (0..<4_000_000).map { UInt8(truncatingIfNeeded: $0 ^ ($0 >> 8)) }
            await client.send(Array(sent[..<3_000_000]))
            for start in stride(from: 3_000_000, to: sent.count, by: 100_000) {
                await client.send(Array(sent[start..<start + 100_000]))
            }
            let buffered = await client.bufferedBytes
            #expect(buffered > 0)
            #expect(buffered < sent.count)
            #expect(await client.drains == 0)
            await server.resume()
            #expect(await server.receive(sent.count) == sent)
            await client.untilDrained()
            #expect(await client.drains == 1)
            #expect(await client.bufferedBytes == 0)
        }
    }

    @Test("goes on writing after the other side's end")
    func halfClose() async throws {
        try await withConnection { client, server in
            await client.send("last")
            await client.with { stream in
                (stream as? SocketStream)?.withDescriptor { _ = shutdown($0, Int32(SHUT_WR)) }
            }
            await server.untilEnd()
            #expect(await server.receiveText(4) == "last")
            await server.send("answer")
            #expect(await client.receiveText(6) == "answer")
        }
    }

    @Test("delivers everything before an orderly close, on both sides without error")
    func orderlyClose() async throws {
        try await withNarrowConnection { client, server in
            await server.pause()
            let size = 3_000_000
            await client.send([UInt8](repeating: 7, count: size))
            await client.close()
            await server.resume()
            #expect(await server.receive(size).count == size)
            await server.untilEnd()
            await server.close()
            #expect(await client.untilClosed() == nil)
            #expect(await server.untilClosed() == nil)
        }
    }

    @Test("closes cleanly although it has not read what was sent to it")
    func closeWithUnreadInput() async throws {
        try await withConnection { client, server in
            await server.pause()
            await client.send("a question")
            await server.send("no")
            await server.close()
            #expect(await client.receiveAll() == "no")
            await client.close()
            #expect(await client.untilClosed() == nil)
            #expect(await server.untilClosed() == nil)
        }
    }

    @Test("is reset when the other side takes nothing for the time it lingers")
    func lingerEnds() async throws {
        try await withNarrowConnection { client, server in
            await server.pause()
            await client.send([UInt8](repeating: 7, count: 8_000_000))
            await client.with { stream in
                (stream as? SocketStream)?.lingerNanoseconds = 1_000_000
                stream.close()
            }
            #expect(await client.untilClosed() == nil)
            await server.resume()
            // libuv tells of a reset behind unread bytes as of an end.
            #expect(await server.receiveAll().utf8.count < 8_000_000)
        }
    }

    @Test("tells the other side of an abort, and calls back only once it is gone")
    func abort() async throws {
        try await withConnection { client, server in
            await client.with { [client] stream in
                stream.abort()
                stream.abort()
                stream.close()
                [1, 2].withUnsafeBytes { stream.write($0) }
                #expect(client.end == nil, "not from within the call")
            }
            #expect(await client.untilClosed() == nil)
            let error = await server.untilClosed()
            #expect(error?.name == "ECONNRESET")
            #expect(error?.operation.hasPrefix("read from 127.0.0.1:") == true)
        }
    }

    @Test("fails a write to a connection that was reset, without a signal")
    func brokenPipe() async throws {
        try await withConnection { client, server in
            await server.pause()
            await client.abort()
            await client.untilClosed()
            let error = await {
                while await !server.isClosed {
                    await server.send("anybody there?")
                }
                return await server.untilClosed()
            }()
            #expect(["ECONNRESET", "EPIPE"].contains(error?.name))
            #expect(error?.operation.hasPrefix("write to ") == true)
        }
    }

    @Test("is aborted when its loop stops")
    func loopStops() async throws {
        let loop = try EventLoop(name: "short-lived")
        let listener = try await TestListener.open(on: loop)
        let client = try await TestPeer.connect(to: listener.endpoint, on: loop)
        let server = await listener.next()
        await client.pause()
        loop.stop()
        #expect(client.end?.error?.name == "ECANCELED")
        #expect(server.end?.error?.name == "ECANCELED")
    }
}
