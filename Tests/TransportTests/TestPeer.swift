import API
import Logging
import Testing

@testable import Transport

/// The far end of a connection under test: says things and waits for things.
///
/// `@unchecked Sendable`: all state belongs to the stream's executor; every method goes there.
final class TestPeer: ByteStreamHandler, @unchecked Sendable {
    let loop: any ActorExecutor
    private let stream: any ByteStream
    private var waiting: [(isMet: () -> Bool, met: () -> Void)] = []
    private(set) var got: [UInt8] = []
    private var isLooking = false
    private(set) var gotEnd = false
    private var drainCalls = 0
    private(set) var end: End?
    /// Called with each piece that comes.
    var onReceived: ((UnsafeRawBufferPointer) -> Void)?

    struct End: Sendable { let error: TransportError? }

    /// Takes over `stream`, on its executor.
    init(_ stream: any ByteStream, reads: Bool = true) {
        self.stream = stream
        loop = stream.executor
        stream.handler = self
        if reads { stream.resumeReading() }
    }

    static func connect(to endpoint: Endpoint, on loop: EventLoop) async throws -> TestPeer {
        let result: Result<TestPeer, TransportError> = await withCheckedContinuation { done in
            loop.post {
                Connector.connect(to: endpoint, on: loop, timeoutNanoseconds: 5_000_000_000) {
                    done.resume(returning: $0.map { TestPeer($0) })
                }
            }
        }
        return try result.get()
    }

    // MARK: Saying

    /// Runs `body` with the stream, on its executor.
    func with<Result: Sendable>(
        _ body: @escaping @Sendable (any ByteStream) -> Result
    ) async -> Result {
        await withCheckedContinuation { done in
            loop.post { done.resume(returning: body(self.stream)) }
        }
    }

    func send(_ bytes: [UInt8]) async {
        await with { stream in bytes.withUnsafeBytes { stream.write($0) } }
    }

    func send(_ text: String) async { await send(Array(text.utf8)) }
    func close() async { await with { $0.close() } }
    func abort() async { await with { $0.abort() } }
    func pause() async { await with { $0.pauseReading() } }
    func resume() async { await with { $0.resumeReading() } }
    var drains: Int { get async { await with { [self] _ in drainCalls } } }
    var isClosed: Bool { get async { await with { [self] _ in end != nil } } }
    var bufferedBytes: Int { get async { await with { $0.bufferedBytes } } }

    // MARK: Waiting

    /// Waits until `isMet`, which is looked at when something happens here, and now and then.
    func until(_ isMet: @escaping @Sendable (TestPeer) -> Bool) async {
        await withCheckedContinuation { done in
            loop.post {
                self.waiting.append(({ isMet(self) }, { done.resume() }))
                self.check()
            }
        }
    }

    /// What has come, once it is `count` bytes; it is taken.
    func receive(_ count: Int) async -> [UInt8] {
        await until { $0.got.count >= count }
        return await with { [self] _ in
            let taken = Array(got.prefix(count))
            got.removeFirst(taken.count)
            return taken
        }
    }

    func receiveText(_ count: Int) async -> String {
        String(decoding: await receive(count), as: UTF8.self)
    }

    /// All that comes until the other side sends no more.
    func receiveAll() async -> String {
        await until { $0.gotEnd || $0.end != nil }
        return await with { [self] _ in String(decoding: got, as: UTF8.self) }
    }

    func untilEnd() async { await until { $0.gotEnd } }

    func untilDrained() async { await until { $0.drainCalls > 0 } }

    @discardableResult
    func untilClosed() async -> TransportError? {
        await until { $0.end != nil }
        return await with { [self] _ in end?.error }
    }

    private func check() {
        let met = waiting.filter { $0.isMet() }
        waiting.removeAll { $0.isMet() }
        for waiter in met { waiter.met() }
        guard !waiting.isEmpty, !isLooking else { return }
        isLooking = true
        loop.schedule(afterNanoseconds: 1_000_000) { [self] in
            isLooking = false
            check()
        }
    }

    // MARK: ByteStreamHandler

    func received(_ bytes: UnsafeRawBufferPointer) {
        got.append(contentsOf: bytes)
        onReceived?(bytes)
        check()
    }
    func drained() {
        drainCalls += 1
        check()
    }
    func receivedEnd() {
        gotEnd = true
        check()
    }
    func closed(_ error: TransportError?) {
        end = End(error: error)
        check()
    }
}

/// A listener whose connections become peers, in the order they come.
final class TestListener: @unchecked Sendable {
    private let loop: EventLoop
    private var listener: Listener?
    private var accepted: [TestPeer] = []
    private var waiting: [CheckedContinuation<TestPeer, Never>] = []
    let endpoint: Endpoint

    static func open(
        _ endpoint: Endpoint = .tcp(host: "127.0.0.1", port: 0), on loop: EventLoop,
        options: ListenerOptions = ListenerOptions()
    ) async throws -> TestListener {
        let result: Result<TestListener, TransportError> = await onLoop(loop) {
            do throws(TransportError) {
                return .success(try TestListener(endpoint, loop, options))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private init(
        _ endpoint: Endpoint, _ loop: EventLoop, _ options: ListenerOptions
    ) throws(TransportError) {
        self.loop = loop
        nonisolated(unsafe) var tell: (AcceptedSocket) -> Void = { _ in }
        let listener = try Listener(
            endpoint, on: loop, options: options, logger: Logger(label: "test"),
            accepted: { tell($0) })
        self.listener = listener
        self.endpoint = listener.endpoint
        tell = { [unowned self] socket in
            guard let stream = try? socket.open(on: loop) else { return }
            let peer = TestPeer(stream)
            if waiting.isEmpty {
                accepted.append(peer)
            } else {
                waiting.removeFirst().resume(returning: peer)
            }
        }
    }

    func next() async -> TestPeer {
        await withCheckedContinuation { done in
            loop.post {
                if self.accepted.isEmpty {
                    self.waiting.append(done)
                } else {
                    done.resume(returning: self.accepted.removeFirst())
                }
            }
        }
    }

    func close() async { await onLoop(loop) { self.listener?.close() } }
}
