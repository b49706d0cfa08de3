// One streaming call from a test: messages out, messages in, in order.

import API
import Transport

/// A call of a streaming method that is under way.
final class StreamProbe: Sendable {
    private let client: TestClient
    private let call: GRPCClientCall
    private let messages: AsyncStream<[UInt8]>

    /// Begins the call.
    init(_ client: TestClient, _ path: String, first: [UInt8]? = nil) async {
        self.client = client
        let (messages, arrived) = AsyncStream<[UInt8]>.makeStream()
        self.messages = messages
        let connection = client.connection
        call = await client.onLoop {
            let call = connection.streaming(GRPCClientMethod(path), handler: Receiver(arrived))
            if let first {
                call.send(first)
                call.halfClose()
            }
            return call
        }
    }

    private final class Receiver: GRPCClientStreamHandler {
        private let arrived: AsyncStream<[UInt8]>.Continuation
        init(_ arrived: AsyncStream<[UInt8]>.Continuation) { self.arrived = arrived }
        func received(_ message: sending UnsafeRawBufferPointer) { arrived.yield([UInt8](message)) }
        func writable() {}
        func finished(_ end: GRPCCallEnd) { arrived.finish() }
    }

    func send(_ message: [UInt8]) async { await client.onLoop { [call] in _ = call.send(message) } }

    func halfClose() async { await client.onLoop { [call] in call.halfClose() } }

    func cancel() async { await client.onLoop { [call] in call.cancel() } }

    /// The next message; nil when the call has ended.
    func next() async -> [UInt8]? {
        var iterator = messages.makeAsyncIterator()
        return await iterator.next()
    }
}
