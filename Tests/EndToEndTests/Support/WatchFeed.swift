// A Watch stream to a member: requests go out, responses are waited for.

import API
import TestSupport
import Transport

/// `@unchecked Sendable`: the call is used on the client's loop, the iterator by the test's task.
final class WatchFeed: GRPCClientStreamHandler, @unchecked Sendable {
    private let client: TestClient
    private let continuation: AsyncThrowingStream<WatchAnswer, any Error>.Continuation
    private var answers: AsyncThrowingStream<WatchAnswer, any Error>.AsyncIterator
    private var call: GRPCClientCall?
    private var waiting: [[UInt8]] = []

    init(_ client: TestClient) async {
        self.client = client
        let (stream, continuation) = AsyncThrowingStream<WatchAnswer, any Error>.makeStream()
        self.continuation = continuation
        answers = stream.makeAsyncIterator()
        await client.onLoop { [self] in
            call = client.connection.streaming(
                GRPCClientMethod("/etcdserverpb.Watch/Watch"), handler: self)
        }
    }

    func send(_ requests: [UInt8]...) async { await send(requests) }

    func send(_ requests: [[UInt8]]) async {
        await client.onLoop { [self] in
            waiting += requests
            writable()
        }
    }

    func halfClose() async { await client.onLoop { [self] in call?.halfClose() } }
    func cancel() async { await client.onLoop { [self] in call?.cancel() } }
    func pause() async { await client.onLoop { [self] in call?.pauseReceiving() } }
    func resume() async { await client.onLoop { [self] in call?.resumeReceiving() } }

    /// The next response.
    /// - Throws: the status that ended the stream.
    func next() async throws -> WatchAnswer {
        guard let answer = try await answers.next() else {
            throw ProcessFailure(description: "the stream ended with OK")
        }
        return answer
    }

    /// Responses until `isEnough` holds for all of them.
    func read(until isEnough: ([WatchAnswer]) -> Bool) async throws -> [WatchAnswer] {
        var all: [WatchAnswer] = []
        while !isEnough(all) { all.append(try await next()) }
        return all
    }

    func read(_ count: Int) async throws -> [String] {
        try await read { $0.count >= count }.map(\.description)
    }

    // MARK: GRPCClientStreamHandler

    func received(_ message: UnsafeRawBufferPointer) {
        do throws(WireError) { continuation.yield(try WatchAnswer(message)) } catch {
            continuation.finish(throwing: error)
        }
    }

    func writable() {
        while let first = waiting.first, call?.send(first) == true { waiting.removeFirst() }
    }

    func finished(_ end: GRPCCallEnd) { continuation.finish(throwing: end.status) }
}
