// A Watch stream to a member: requests go out, responses are waited for.

import API
import TestSupport
import Transport

/// `@unchecked Sendable`: the iterator is used by the test's task only.
final class WatchFeed: @unchecked Sendable {
    private let client: TestClient
    private let receiver: Receiver
    private var answers: AsyncThrowingStream<WatchAnswer, any Error>.AsyncIterator

    init(_ client: TestClient, metadata: [(name: String, value: [UInt8])] = []) async {
        self.client = client
        let (stream, continuation) = AsyncThrowingStream<WatchAnswer, any Error>.makeStream()
        answers = stream.makeAsyncIterator()
        let receiver = Receiver(continuation)
        self.receiver = receiver
        let connection = client.connection
        await client.onLoop {
            receiver.call = connection.streaming(
                GRPCClientMethod("/etcdserverpb.Watch/Watch"),
                options: GRPCCallOptions(metadata: metadata), handler: receiver)
        }
    }

    func send(_ requests: [UInt8]...) async { await send(requests) }

    func send(_ requests: [[UInt8]]) async {
        await client.onLoop { [receiver] in
            receiver.waiting += requests
            receiver.writable()
        }
    }

    func halfClose() async { await client.onLoop { [receiver] in receiver.call?.halfClose() } }
    func cancel() async { await client.onLoop { [receiver] in receiver.call?.cancel() } }
    func pause() async { await client.onLoop { [receiver] in receiver.call?.pauseReceiving() } }
    func resume() async { await client.onLoop { [receiver] in receiver.call?.resumeReceiving() } }

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
}

/// Holds nothing of the client, which must not go on its own loop.
///
/// `@unchecked Sendable`: used on the client's loop only.
private final class Receiver: GRPCClientStreamHandler, @unchecked Sendable {
    private let continuation: AsyncThrowingStream<WatchAnswer, any Error>.Continuation
    var call: GRPCClientCall?
    var waiting: [[UInt8]] = []

    init(_ continuation: AsyncThrowingStream<WatchAnswer, any Error>.Continuation) {
        self.continuation = continuation
    }

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
