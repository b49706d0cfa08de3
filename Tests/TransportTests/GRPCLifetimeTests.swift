// What a closed connection leaves behind: nothing. A cycle between a connection, its calls, its
// timers and its handlers would cost a server the memory of every client that ever was.

import API
import Testing

@testable import Transport

/// Holds its call, as handlers do, and with it the stream, which holds the handler.
private final class HoldingHandler: StreamingHandler {
    let call: StreamingCall
    init(_ call: StreamingCall) { self.call = call }
    func received(_ message: UnsafeRawBufferPointer) {}
    func halfClosed() {}
    func writable() {}
    func cancelled() {}
}

/// Weak references to all that one connection with calls under way consists of.
private struct Remains {
    weak var serverConnection: GRPCServerConnection?
    weak var serverSession: HTTP2Session?
    weak var serverHandler: HoldingHandler?
    weak var client: GRPCClientConnection?
    weak var clientStream: GRPCClientStream?
    weak var clientHandler: ClientRecorder?

    var names: [String] {
        let all: [(String, AnyObject?)] = [
            ("server connection", serverConnection), ("server session", serverSession),
            ("server handler", serverHandler), ("client", client),
            ("client stream", clientStream), ("client handler", clientHandler),
        ]
        return all.filter { $0.1 != nil }.map(\.0)
    }
}

/// A server and one client between which a unary call waits for its answer and a streaming call
/// for its end, both with deadlines, and keepalive timers run.
///
/// `@unchecked Sendable`: belongs to its executor's thread.
private final class Busy: @unchecked Sendable {
    let server: GRPCServer
    let remains = Locked(Remains())
    private(set) var client: GRPCClientConnection?

    init(
        on executor: any ActorExecutor, _ near: any ByteStream, _ far: any ByteStream,
        timeout: UInt64 = 10_000_000_000
    ) {
        var methods = GRPCMethods()
        let remains = remains
        let waiting = Locked<[UnaryCall]>([])
        methods.unary("/test.Slow/Wait") { call, _ in
            call.context.onCancel { waiting.withLock { $0 = [] } }
            waiting.withLock { $0.append(call) }
        }
        methods.bidirectional("/test.Stream/Both") { call in
            let handler = HoldingHandler(call)
            call.context.onCancel { _ = handler.call.isOpen }
            remains.withLock {
                $0.serverHandler = handler
                $0.serverConnection = call.stream.connection
                $0.serverSession = call.stream.session
            }
            call.send([1])
            return handler
        }
        var configuration = GRPCServerConfiguration()
        configuration.keepaliveInterval = 3_600_000_000_000
        server = GRPCServer(methods, configuration: configuration, on: executor)
        server.accept(near)
        client = GRPCClientConnection(far)
        beginCalls(timeout)
    }

    private func beginCalls(_ timeout: UInt64) {
        guard let client else { return }
        let options = GRPCCallOptions(timeout: timeout)
        client.unary(GRPCClientMethod("/test.Slow/Wait"), [], options: options) { _ in }
        let handler = ClientRecorder()
        let call = client.streaming(
            GRPCClientMethod("/test.Stream/Both"), options: options, handler: handler)
        call.send([2])
        remains.withLock {
            $0.client = client
            $0.clientStream = call.stream
            $0.clientHandler = handler
        }
    }

    var isWhole: Bool { remains.withLock { $0.names.count == 6 } }
    var left: [String] { remains.withLock(\.names) }

    func abortClient() {
        client?.abort()
        client = nil
    }
    func closeClient() {
        client?.close()
        client = nil
    }
    func forgetClient() { client = nil }
}

@Suite("After the end of a connection nothing of it is left")
final class GRPCLifetimeTests {
    private let executor = ManualExecutor()

    /// The wheels' timers, which never fire in a world whose time has stopped.
    deinit { executor.die() }

    private func busy() -> (Busy, WireEnd, WireEnd) {
        let (near, far) = WireEnd.pair(executor)
        let busy = Busy(on: executor, near, far)
        executor.run()
        return (busy, near, far)
    }

    @Test("that the client closes in good order")
    func clientCloses() {
        let (busy, _, _) = busy()
        #expect(busy.isWhole)
        busy.closeClient()
        executor.run()
        #expect(busy.left == [])
    }

    @Test("that the client aborts")
    func clientAborts() {
        let (busy, _, _) = busy()
        busy.abortClient()
        executor.run()
        #expect(busy.left == [])
    }

    @Test("that the network loses")
    func lost() {
        let (busy, near, far) = busy()
        near.fail()
        far.fail()
        busy.forgetClient()
        executor.run()
        #expect(busy.left == [])
    }

    @Test("that the server aborts")
    func serverAborts() {
        let (busy, _, _) = busy()
        busy.server.abort()
        busy.forgetClient()
        executor.run()
        #expect(busy.left == [])
    }

    @Test("that the server drains until its patience ends")
    func serverDrains() {
        let (busy, _, _) = busy()
        busy.server.drain(grace: 1_000_000_000) {}
        busy.forgetClient()
        executor.run()
        #expect(busy.isWhole)
        executor.advance(seconds: 2)
        #expect(busy.left == [])
    }

    @Test("whose calls end by their deadline and which then closes")
    func deadlines() {
        let (busy, _, _) = busy()
        executor.advance(seconds: 11)
        busy.closeClient()
        executor.run()
        #expect(busy.left == [])
    }

    @Test("and nothing of the server once its last owner lets it go")
    func serverGoes() {
        weak var server: GRPCServer?
        weak var wheel: DeadlineWheel?
        weak var stream: GRPCServerStream?
        do {
            let (busy, _, _) = busy()
            server = busy.server
            wheel = busy.server.deadlines
            stream = busy.remains.withLock { $0.serverHandler?.call.stream }
            #expect(stream != nil)
            busy.abortClient()
            executor.run()
        }
        // The wheel's timer holds nothing, and finds nobody when it fires.
        executor.advance(seconds: 1)
        #expect(server == nil && wheel == nil && stream == nil)
    }

    @Test("on an event loop, with its timers")
    func eventLoop() async throws {
        try await withLoop { loop in
            let (near, far) = MemoryStream.pair(a: loop, b: loop)
            // The deadline is far away, as this test's time is real and the machine may be busy.
            let busy = await onLoop(loop) { Busy(on: loop, near, far, timeout: 3_600_000_000_000) }
            while await onLoop(loop, { !busy.isWhole }) {}
            await onLoop(loop) { busy.closeClient() }
            while await onLoop(loop, { busy.server.connectionCount > 0 }) {}
            // What is being told of the end when the server counts is gone a turn later.
            await onLoop(loop) {}
            #expect(await onLoop(loop) { busy.left } == [])
        }
    }
}
