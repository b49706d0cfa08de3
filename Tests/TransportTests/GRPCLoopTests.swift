// gRPC on real event loops, with real threads: what ThreadSanitizer is to look at.

import API
import Testing

@testable import Transport

@Suite("gRPC on event loops")
struct GRPCLoopTests {
    /// A server and a client on one loop, wired in memory.
    private final class Wired: @unchecked Sendable {
        var server: GRPCServer?
        var client: GRPCClientConnection?

        init(_ loop: EventLoop, _ methods: GRPCMethods) async {
            await onLoop(loop) { [self] in
                let server = GRPCServer(methods, on: loop)
                let (near, far) = WireEnd.pair(loop)
                server.accept(near)
                self.server = server
                client = GRPCClientConnection(far)
            }
        }
        func tearDown(_ loop: EventLoop) async {
            await onLoop(loop) { [self] in
                client?.abort()
                server?.abort()
                client = nil
                server = nil
            }
            await onLoop(loop) {}
        }
    }

    @Test("a handler's answers may come from another loop's thread")
    func answersFromElsewhere() async throws {
        try await withLoop { loop in
            try await withLoop { other in
                var methods = GRPCMethods()
                methods.unary("/test.Echo/Echo") { call, request in
                    let request = Array(request)
                    other.post {
                        if request.first == 255 {
                            call.fail(Status(.notFound, "nothing here"))
                        } else {
                            call.respond(request)
                        }
                    }
                }
                let wired = await Wired(loop, methods)
                let client = try #require(wired.client)
                let method = GRPCClientMethod("/test.Echo/Echo")
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for number in 0..<200 {
                        group.addTask { () async throws -> Void in
                            let request = [UInt8(number), 1, 2]
                            let response = try await client.call(method, request)
                            #expect(response == request)
                        }
                    }
                    try await group.waitForAll()
                }
                await #expect(throws: Status(.notFound, "nothing here")) {
                    try await client.call(method, [255])
                }
                await wired.tearDown(loop)
            }
        }
    }

    @Test("an actor on the loop answers without a hop")
    func actorOnTheLoop() async throws {
        try await withLoop { loop in
            let counter = Counter(on: loop)
            var methods = GRPCMethods()
            methods.unary("/test.Counter/Add") { call, request in
                counter.assumeIsolated { $0.add(request, call) }
            }
            let wired = await Wired(loop, methods)
            let client = try #require(wired.client)
            let method = GRPCClientMethod("/test.Counter/Add")
            #expect(try await client.call(method, [5]) == [5])
            #expect(try await client.call(method, [7]) == [12])
            await wired.tearDown(loop)
        }
    }

    private actor Counter {
        private let loop: EventLoop
        private var sum: UInt8 = 0
        nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
        init(on loop: EventLoop) { self.loop = loop }

        func add(_ request: UnsafeRawBufferPointer, _ call: UnaryCall) {
            sum += request.first ?? 0
            call.respond([sum])
        }
    }

    @Test("a deadline passes in real time")
    func deadline() async throws {
        try await withLoop { loop in
            var methods = GRPCMethods()
            methods.unary("/test.Echo/Never") { _, _ in }
            let wired = await Wired(loop, methods)
            let client = try #require(wired.client)
            await #expect(throws: Status(.deadlineExceeded, "context deadline exceeded")) {
                try await client.call(
                    GRPCClientMethod("/test.Echo/Never"), [],
                    options: GRPCCallOptions(timeout: 20_000_000))
            }
            await wired.tearDown(loop)
        }
    }
}
