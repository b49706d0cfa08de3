// gRPC over real streams: two loops, TCP, a Unix socket or memory between them.

import API
import Glibc
import Logging
import Testing

@testable import Transport

/// A gRPC server on a loop of its own, and what it listens with.
///
/// `@unchecked Sendable`: all state belongs to the server's loop; every method goes there.
private final class ListeningServer: @unchecked Sendable {
    let loop: EventLoop
    private var server: GRPCServer?
    private var acceptor: ConnectionAcceptor?
    private var listener: Listener?

    init(_ endpoint: Endpoint, _ methods: GRPCMethods, on loop: EventLoop) async throws {
        self.loop = loop
        let failure: TransportError? = await onLoop(loop) { [self] in
            let server = GRPCServer(methods, on: loop)
            let acceptor = ConnectionAcceptor(
                on: loop, http2: { server.accept($0, firstBytes: $1) }, http1: nil)
            self.server = server
            self.acceptor = acceptor
            do throws(TransportError) {
                listener = try Listener(endpoint, on: loop, logger: Logger(label: "test")) {
                    socket in
                    if let stream = try? socket.open(on: loop) { acceptor.accept(stream) }
                }
                return nil
            } catch { return error }
        }
        if let failure { throw failure }
    }

    var endpoint: Endpoint { get async { await onLoop(loop) { [self] in listener!.endpoint } } }
    var connectionCount: Int {
        get async { await onLoop(loop) { [self] in server?.connectionCount ?? 0 } }
    }
    func drain() async {
        await withCheckedContinuation { done in
            loop.post { [self] in
                listener?.close()
                server?.drain(grace: 10_000_000_000) { done.resume() }
            }
        }
    }
    func close() async {
        await onLoop(loop) { [self] in
            listener?.close()
            server?.abort()
            acceptor?.abort()
        }
    }
}

private func connect(to endpoint: Endpoint, on loop: EventLoop) async throws -> GRPCClientConnection
{
    let result: Result<GRPCClientConnection, TransportError> = await withCheckedContinuation {
        done in
        loop.post {
            Connector.connect(to: endpoint, on: loop, timeoutNanoseconds: 5_000_000_000) { result in
                done.resume(returning: result.map { GRPCClientConnection($0)! })
            }
        }
    }
    return try result.get()
}

@Suite("gRPC over sockets")
struct GRPCSocketTests {
    private let echo = GRPCClientMethod("/test.Echo/Echo")
    private var methods: GRPCMethods {
        var methods = GRPCMethods()
        methods.echo()
        return methods
    }

    private func withServer(
        _ endpoint: Endpoint = .tcp(host: "127.0.0.1", port: 0),
        _ body: (ListeningServer, GRPCClientConnection, EventLoop) async throws -> Void
    ) async throws {
        try await withLoop { serverLoop in
            try await withLoop { clientLoop in
                let server = try await ListeningServer(endpoint, methods, on: serverLoop)
                let client = try await connect(to: await server.endpoint, on: clientLoop)
                try await body(server, client, clientLoop)
                await onLoop(clientLoop) { client.abort() }
                await server.close()
            }
        }
    }

    @Test(
        "calls of every size come back as they went",
        arguments: [
            Endpoint.tcp(host: "127.0.0.1", port: 0),
            .unix(path: "/tmp/cairn-\(getpid())-grpc.sock"),
        ])
    func sizes(endpoint: Endpoint) async throws {
        try await withServer(endpoint) { _, client, _ in
            for size in [0, 1, 1000, 16_379, 16_384, 65_535, 1_000_000, 2_097_152] {
                let request = (0..<size).map { UInt8(truncatingIfNeeded: $0 ^ ($0 >> 8)) }
                let response = try await client.call(echo, request)
                #expect(response == request, "\(size) bytes")
            }
        }
    }

    @Test("two thousand calls at a time share a connection")
    func concurrent() async throws {
        try await withServer { _, client, loop in
            let missing = Tally()
            await withCheckedContinuation { done in
                loop.post {
                    missing.count = 2000
                    for number in 0..<2000 {
                        let request = [UInt8](repeating: UInt8(number % 251), count: number)
                        client.unary(echo, request) { result in
                            if case .success(let bytes) = result {
                                #expect(Array(bytes) == request)
                            }
                            missing.count -= 1
                            if missing.count == 0 { done.resume() }
                        }
                    }
                }
            }
        }
    }

    @Test("a drained server ends its connections and closes")
    func drain() async throws {
        try await withServer { server, client, loop in
            let response = try await client.call(echo, [1])
            #expect(response == [1])
            await server.drain()
            #expect(await server.connectionCount == 0)
            await #expect(throws: Status.self) { try await client.call(echo, [2]) }
        }
    }

    @Test("connections opened and dropped leave nothing behind")
    func dropped() async throws {
        try await withServer { server, client, loop in
            let endpoint = await server.endpoint
            for round in 0..<200 {
                let other = try await connect(to: endpoint, on: loop)
                if round % 2 == 0 {
                    let response = try await other.call(echo, [7])
                    #expect(response == [7])
                }
                await onLoop(loop) { if round % 3 == 0 { other.close() } else { other.abort() } }
            }
            let response = try await client.call(echo, [1])
            #expect(response == [1])
            while await server.connectionCount > 1 { await Task.yield() }
            #expect(await server.connectionCount == 1)
        }
    }

    @Test("memory between two loops carries it as well")
    func memory() async throws {
        try await withLoop { serverLoop in
            try await withLoop { clientLoop in
                let (near, far) = MemoryStream.pair(a: serverLoop, b: clientLoop)
                let methods = methods
                let keep = Keep()
                await onLoop(serverLoop) {
                    keep.server = GRPCServer(methods, on: serverLoop)
                    keep.server?.accept(near)
                }
                let client = await onLoop(clientLoop) { GRPCClientConnection(far) }
                let request = [UInt8](repeating: 3, count: 1_000_000)
                let response = try await client?.call(echo, request)
                #expect(response == request)
                await onLoop(clientLoop) { client?.abort() }
                await onLoop(serverLoop) { keep.server?.abort() }
            }
        }
    }

    private final class Keep: @unchecked Sendable { var server: GRPCServer? }
}
