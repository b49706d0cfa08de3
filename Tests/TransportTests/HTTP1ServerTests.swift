import API
import Testing

@testable import Transport

struct FixedClock: WallClock {
    var nanosecondsSinceEpoch: UInt64 { 784_111_777_000_000_000 }
}

@Suite("An HTTP/1 server")
struct HTTP1ServerTests {
    /// A server on one end of a stream in memory, a client at the other.
    private func withServer(
        _ configuration: HTTP1Configuration = HTTP1Configuration(),
        handler: @escaping @Sendable (HTTP1Request, HTTP1Responder) -> Void = Self.echo,
        _ body: (TestPeer, ServerBox) async throws -> Void
    ) async throws {
        try await withLoop { loop in
            let (box, client) = await onLoop(loop) {
                let server = HTTP1Server(
                    on: loop, configuration: configuration, clock: FixedClock(), handler: handler)
                let (near, far) = MemoryStream.pair(a: loop, b: loop)
                server.accept(near)
                return (ServerBox(server), TestPeer(far))
            }
            try await body(client, box)
            await client.abort()
            await client.untilClosed()
            await onLoop(loop) { box.server.abort() }
        }
    }

    /// Answers with the request's line and body.
    private static let echo: @Sendable (HTTP1Request, HTTP1Responder) -> Void = {
        $1.respond(
            status: 200, headers: ["Content-Type": "text/plain"],
            text: "\($0.method) \($0.path) \(String(decoding: $0.body, as: UTF8.self))")
    }

    private func response(_ body: String, extra: String = "") -> String {
        """
        HTTP/1.1 200 OK\r
        Content-Type: text/plain\r
        Date: Sun, 06 Nov 1994 08:49:37 GMT\r
        \(extra)Content-Length: \(body.utf8.count)\r
        \r
        \(body)
        """
    }

    @Test("answers and keeps the connection for the next request")
    func keepAlive() async throws {
        try await withServer { client, _ in
            for path in ["/health", "/version"] {
                await client.send("GET \(path) HTTP/1.1\r\nHost: x\r\n\r\n")
                let expected = response("GET \(path) ")
                #expect(await client.receiveText(expected.utf8.count) == expected)
            }
        }
    }

    @Test("answers pipelined requests in order, byte by byte or all at once")
    func pipelining() async throws {
        let count = 300
        let requests = (0..<count).map {
            "POST /\($0) HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
        }.joined()
        let expected = (0..<count).map { response("POST /\($0) {}") }.joined()
        try await withServer { client, _ in
            await client.send(requests)
            #expect(await client.receiveText(expected.utf8.count) == expected)
            await client.with { stream in
                for byte in requests.utf8 { withUnsafeBytes(of: byte) { stream.write($0) } }
            }
            #expect(await client.receiveText(expected.utf8.count) == expected)
        }
    }

    @Test("pushes back a client that sends requests and takes its time to be answered")
    func pipeliningIsBounded() async throws {
        let held = Held()
        try await withServer(handler: { _, responder in held.responders.append(responder) }) {
            client, _ in
            let request = "GET /one-of-many HTTP/1.1\r\nHost: x\r\n\r\n"
            let all = String(repeating: request, count: 100_000)
            await client.send(all)
            #expect(await client.bufferedBytes > all.utf8.count / 2, "its window apart")
            let answers = await client.with { _ in
                var answered = 0
                while let next = held.responders.popLast() {
                    next.respond(status: 204, body: [])
                    answered += 1
                }
                return answered
            }
            #expect(answers > 100)
            #expect(answers < 100_000)
        }
    }

    @Test("answers later requests only after earlier ones, however late those are answered")
    func lateAnswer() async throws {
        let held = Held()
        let handler: @Sendable (HTTP1Request, HTTP1Responder) -> Void = { request, responder in
            if request.path == "/slow" {
                held.responders.append(responder)
            } else {
                responder.respond(status: 200, text: "fast")
            }
        }
        try await withServer(handler: handler) { client, _ in
            let rest = " HTTP/1.1\r\nHost: x\r\n"
            await client.send("GET /slow\(rest)\r\nGET /fast\(rest)Connection: close\r\n\r\n")
            await client.until { _ in held.responders.count == 1 }
            await client.with { _ in
                held.responders.removeFirst().respond(status: 404, text: "slow")
            }
            let all = await client.receiveAll()
            #expect(all.hasPrefix("HTTP/1.1 404 Not Found\r\n"))
            #expect(all.contains("slowHTTP/1.1 200 OK\r\n"))
            #expect(all.hasSuffix("fast"))
        }
    }

    @Test(
        "closes when the client asks for it, or is of HTTP/1.0",
        arguments: [
            ("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "Connection: close\r\n"),
            ("GET / HTTP/1.0\r\n\r\n", "Connection: close\r\n"),
        ])
    func closes(request: String, header: String) async throws {
        try await withServer { client, server in
            await client.send(request)
            #expect(await client.receiveAll() == response("GET / ", extra: header))
            await client.until { _ in server.server.connectionCount == 0 }
        }
    }

    @Test("keeps a connection of HTTP/1.0 that asks for it")
    func keepAlive10() async throws {
        try await withServer { client, _ in
            let expected = response("GET / ", extra: "Connection: keep-alive\r\n")
            for _ in 1...2 {
                await client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                #expect(await client.receiveText(expected.utf8.count) == expected)
            }
        }
    }

    @Test("answers HEAD with the headers of GET alone")
    func head() async throws {
        try await withServer { client, _ in
            await client.send("HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            let all = await client.receiveAll()
            #expect(all.hasSuffix("Content-Length: 7\r\n\r\n"))
        }
    }

    @Test("lets a client that waits for it send its body")
    func expectContinue() async throws {
        try await withServer { client, _ in
            await client.send(
                "PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
            let go = "HTTP/1.1 100 Continue\r\n\r\n"
            #expect(await client.receiveText(go.utf8.count) == go)
            await client.send("body")
            let expected = response("PUT / body")
            #expect(await client.receiveText(expected.utf8.count) == expected)
        }
    }

    @Test("answers what is no request, tells why, and closes")
    func badRequests() async throws {
        try await withServer { client, _ in
            await client.send("GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n")
            #expect(
                await client.receiveAll() == """
                    HTTP/1.1 400 Bad Request: missing required Host header\r
                    Content-Type: text/plain; charset=utf-8\r
                    Connection: close\r
                    \r
                    400 Bad Request: missing required Host header
                    """)
        }
    }

    @Test("refuses a body over its limit, announced or not, before it holds it")
    func oversizedBody() async throws {
        var configuration = HTTP1Configuration()
        configuration.maxBodyBytes = 100
        let bodies = [
            "Content-Length: 101\r\n\r\n" + String(repeating: "x", count: 101),
            "Transfer-Encoding: chunked\r\n\r\n"
                + String(repeating: "19\r\n" + String(repeating: "x", count: 25) + "\r\n", count: 5),
        ]
        for body in bodies {
            try await withServer(configuration) { client, _ in
                await client.send("POST / HTTP/1.1\r\nHost: x\r\n" + body)
                #expect(
                    await client.receiveAll().hasPrefix("HTTP/1.1 413 Request Entity Too Large"))
            }
        }
    }

    @Test("refuses other expectations")
    func otherExpectation() async throws {
        try await withServer { client, _ in
            await client.send("GET / HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\n\r\n")
            #expect(await client.receiveAll().hasPrefix("HTTP/1.1 417 Expectation Failed\r\n"))
        }
    }

    @Test("closes a connection whose head does not come in time")
    func headTimeout() async throws {
        var configuration = HTTP1Configuration()
        configuration.readHeaderTimeoutNanoseconds = 1_000_000
        try await withServer(configuration) { client, server in
            await client.send("GET / HTTP/1.1\r\nHo")
            #expect(await client.untilClosed()?.name == "ECONNRESET")
            await client.until { _ in server.server.connectionCount == 0 }
        }
    }

    @Test("streams a response in chunks and waits for a slow reader")
    func streaming() async throws {
        let pieces = 100
        let piece = [UInt8](repeating: UInt8(ascii: "p"), count: 64 << 10)
        let most = Tally()
        let handler: @Sendable (HTTP1Request, HTTP1Responder) -> Void = { _, responder in
            responder.begin(status: 200)
            nonisolated(unsafe) var left = pieces
            func more() {
                while left > 0 && responder.bufferedBytes < 256 << 10 {
                    responder.write(piece)
                    left -= 1
                    most.count = max(most.count, responder.bufferedBytes)
                }
                if left == 0 { responder.end() }
            }
            responder.onDrained = more
            more()
        }
        try await withServer(handler: handler) { client, _ in
            await client.send("GET /watch HTTP/1.1\r\nHost: x\r\n\r\n")
            let head =
                "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nTransfer-Encoding: chunked\r\n\r\n"
            #expect(await client.receiveText(head.utf8.count) == head)
            let chunk = Array("10000\r\n".utf8) + piece + Array("\r\n".utf8)
            for _ in 0..<pieces { #expect(await client.receive(chunk.count) == chunk) }
            #expect(await client.receiveText(5) == "0\r\n\r\n")
            #expect(await client.with { _ in most.count } < 512 << 10)
        }
    }

    @Test("tells a streaming response that its client has left")
    func clientLeaves() async throws {
        let held = Held()
        let handler: @Sendable (HTTP1Request, HTTP1Responder) -> Void = { _, responder in
            held.responders.append(responder)
            responder.onClientLeft = { held.left += 1 }
            responder.begin(status: 200)
        }
        try await withServer(handler: handler) { client, server in
            await client.send("GET /watch HTTP/1.1\r\nHost: x\r\n\r\n")
            await client.until { _ in held.responders.count == 1 }
            await client.abort()
            await client.until { _ in server.server.connectionCount == 0 }
            await client.with { _ in
                #expect(held.left == 1)
                #expect(held.responders[0].clientHasLeft)
                held.responders[0].write([1])
                held.responders[0].end()
            }
        }
    }

    @Test("when drained closes idle connections at once and others after their response")
    func drains() async throws {
        let held = Held()
        try await withServer(handler: { _, responder in held.responders.append(responder) }) {
            client, server in
            let idle = await client.with { [loop = client.loop] _ in
                let (near, far) = MemoryStream.pair(a: loop, b: loop)
                server.server.accept(near)
                return TestPeer(far)
            }
            await client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await client.until { _ in held.responders.count == 1 }
            await client.with { _ in
                server.server.drain(grace: .max) { held.left = 1 }
            }
            await idle.untilEnd()
            await idle.close()
            await client.with { _ in
                #expect(held.left == 0)
                held.responders.removeFirst().respond(status: 200, text: "served")
            }
            #expect(await client.receiveAll().hasSuffix("served"))
            await client.until { _ in held.left == 1 }
        }
    }

    @Test("lets no header value smuggle in another header")
    func responseSplitting() async throws {
        let handler: @Sendable (HTTP1Request, HTTP1Responder) -> Void = {
            $1.respond(status: 200, headers: ["X": $0.head.queryValues("x")[0]], text: "")
        }
        try await withServer(handler: handler) { client, _ in
            await client.send(
                "GET /?x=a%0d%0aEvil:1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            #expect(await client.receiveAll().contains("X: a  Evil:1\r\n"))
        }
    }
}

/// A server that a test reaches on its loop only.
final class ServerBox: @unchecked Sendable {
    let server: HTTP1Server
    init(_ server: HTTP1Server) { self.server = server }
}

/// What handlers leave for the test, on the loop only.
private final class Held: @unchecked Sendable {
    var responders: [HTTP1Responder] = []
    var left = 0
}
