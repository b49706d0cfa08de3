import API
import Testing

@testable import Transport

/// Records what a streaming call tells its handler, and does what the test says.
final class ServerRecorder: StreamingHandler, @unchecked Sendable {
    var call: StreamingCall?
    var messages: [String] = []
    var events: [String] = []
    var onMessage: ((StreamingCall, String) -> Void)?
    var onHalfClose: ((StreamingCall) -> Void)?
    var onWritable: ((StreamingCall) -> Void)?

    func received(_ message: UnsafeRawBufferPointer) {
        let text = String(decoding: message.prefix(20), as: UTF8.self)
        messages.append(text)
        if let call { onMessage?(call, text) }
    }
    func halfClosed() {
        events.append("half-closed")
        if let call { onHalfClose?(call) }
    }
    func writable() {
        events.append("writable")
        if let call { onWritable?(call) }
    }
    func cancelled() { events.append("cancelled") }
}

final class ClientRecorder: GRPCClientStreamHandler {
    var messages: [String] = []
    var bytes = 0
    var writables = 0
    var end: GRPCCallEnd?
    var onMessage: ((String) -> Void)?
    func received(_ message: UnsafeRawBufferPointer) {
        bytes += message.count
        messages.append(String(decoding: message.prefix(20), as: UTF8.self))
        onMessage?(messages[messages.count - 1])
    }
    func writable() { writables += 1 }
    func finished(_ end: GRPCCallEnd) { self.end = end }
}

@Suite("A streaming call")
struct GRPCStreamingTests {
    private func pair(
        _ recorder: ServerRecorder,
        _ configuration: GRPCServerConfiguration = GRPCServerConfiguration()
    ) -> GRPCPair {
        GRPCPair(configuration) { methods in
            let start: StreamingCallHandler = { call in
                recorder.call = call
                return recorder
            }
            methods.bidirectional("/test.Stream/Both", start)
            methods.clientStreaming("/test.Stream/Up", start)
            methods.serverStreaming("/test.Stream/Down") { call, request in
                recorder.call = call
                for number in 0..<request.count { call.send(Array("\(number)".utf8)) }
                call.finish()
                return nil
            }
        }
    }

    @Test("of the server: one request, many responses, then the status")
    func serverStreaming() {
        let pair = pair(ServerRecorder())
        let client = ClientRecorder()
        let call = pair.client.streaming(GRPCClientMethod("/test.Stream/Down"), handler: client)
        #expect(call.send([1, 2, 3]))
        call.halfClose()
        pair.executor.run()
        #expect(client.messages == ["0", "1", "2"])
        #expect(client.end.map { $0.status == nil } == true)
    }

    @Test("of the client: many requests, then one response")
    func clientStreaming() {
        let recorder = ServerRecorder()
        let pair = pair(recorder)
        recorder.onHalfClose = { [unowned recorder] call in
            call.send(Array("\(recorder.messages.count)".utf8))
            call.finish()
        }
        let client = ClientRecorder()
        let call = pair.client.streaming(GRPCClientMethod("/test.Stream/Up"), handler: client)
        for _ in 0..<5 { call.send([1]) }
        pair.executor.run()
        #expect(client.end == nil)
        call.halfClose()
        pair.executor.run()
        #expect(client.messages == ["5"])
        #expect(client.end.map { $0.status == nil } == true)
    }

    @Test("of both: each side speaks when it likes, half-close ends one side only")
    func bidirectional() {
        let recorder = ServerRecorder()
        let pair = pair(recorder)
        recorder.onMessage = { call, text in call.send(Array(("re " + text).utf8)) }
        let client = ClientRecorder()
        let call = pair.client.streaming(GRPCClientMethod("/test.Stream/Both"), handler: client)
        for text in ["a", "b"] {
            call.send(Array(text.utf8))
            pair.executor.run()
        }
        #expect(client.messages == ["re a", "re b"])
        call.halfClose()
        pair.executor.run()
        #expect(recorder.events == ["half-closed"])
        recorder.call?.send(Array("last".utf8))
        recorder.call?.finish(Status(.outOfRange, "enough"))
        pair.executor.run()
        #expect(client.messages.last == "last")
        #expect(client.end?.status == Status(.outOfRange, "enough"))
        #expect(recorder.events == ["half-closed"], "an answered call is not cancelled")
    }

    @Test("that the server ends while the client still sends is over for both")
    func earlyEnd() {
        let recorder = ServerRecorder()
        let pair = pair(recorder)
        let client = ClientRecorder()
        let call = pair.client.streaming(GRPCClientMethod("/test.Stream/Both"), handler: client)
        call.send([1])
        pair.executor.run()
        recorder.call?.finish()
        pair.executor.run()
        #expect(client.end.map { $0.status == nil } == true)
        #expect(!call.send([2]))
        pair.executor.run()
        #expect(pair.server.callCount == 0 && pair.client.callCount == 0)
    }

    @Test("that the client cancels tells its handler, once")
    func cancelled() {
        let recorder = ServerRecorder()
        let pair = pair(recorder)
        let client = ClientRecorder()
        let call = pair.client.streaming(GRPCClientMethod("/test.Stream/Both"), handler: client)
        pair.executor.run()
        var isTold = false
        recorder.call?.context.onCancel { isTold = true }
        call.cancel()
        pair.executor.run()
        #expect(client.end?.status?.code == .cancelled)
        #expect(recorder.events == ["cancelled"] && isTold)
        #expect(recorder.call?.send([1]) == false, "harmless")
        #expect(recorder.call?.context.isCancelled == true)
    }

    @Test("is cancelled when its connection is lost")
    func connectionLost() {
        let recorder = ServerRecorder()
        let pair = pair(recorder)
        let client = ClientRecorder()
        _ = pair.client.streaming(GRPCClientMethod("/test.Stream/Both"), handler: client)
        pair.executor.run()
        pair.serverEnd.fail()
        pair.clientEnd.fail()
        #expect(recorder.events == ["cancelled"])
        #expect(client.end?.status?.code == .unavailable)
        #expect(pair.server.connectionCount == 0)
    }

    @Test("takes no more to send than its bound, and says when it does again")
    func writeBackpressure() {
        let recorder = ServerRecorder()
        var configuration = GRPCServerConfiguration()
        configuration.streamBufferBytes = 100_000
        let pair = pair(recorder, configuration)
        let client = ClientRecorder()
        let call = pair.client.streaming(GRPCClientMethod("/test.Stream/Both"), handler: client)
        pair.executor.run()
        call.pauseReceiving()  // the window of 4 MiB fills, then the server's bound
        let message = [UInt8](repeating: 7, count: 10_000)
        var sent = 0
        func fill() {
            while recorder.call?.send(message) == true { sent += 1 }
        }
        recorder.onWritable = { _ in fill() }
        fill()
        pair.executor.run()
        #expect(sent > 400 && sent < 450, "window and bound, not more: \(sent)")
        let before = sent
        call.resumeReceiving()
        recorder.onWritable = nil
        pair.executor.run()
        #expect(client.bytes == before * 10_000)
        #expect(recorder.call?.isWritable == true && recorder.events.last == "writable")
    }

    @Test("whose handler pauses pushes the client back, and loses nothing")
    func readBackpressure() {
        let recorder = ServerRecorder()
        var configuration = GRPCServerConfiguration()
        configuration.streamWindowBytes = 100_000
        let pair = pair(recorder, configuration)
        let client = ClientRecorder()
        let call = pair.client.streaming(GRPCClientMethod("/test.Stream/Both"), handler: client)
        pair.executor.run()
        recorder.call?.pauseReceiving()
        var sent = 0
        while call.send([UInt8](repeating: 65, count: 10_000)) { sent += 1 }
        call.halfClose()
        pair.executor.run()
        #expect(recorder.messages.isEmpty)
        #expect(pair.clientEnd.writtenBytes < 110_000, "no more than the window")
        // One at a time: each message pauses again.
        recorder.onMessage = { call, _ in call.pauseReceiving() }
        for number in 1...3 {
            recorder.call?.resumeReceiving()
            pair.executor.run()
            #expect(recorder.messages.count == number)
        }
        recorder.onMessage = nil
        recorder.call?.resumeReceiving()
        pair.executor.run()
        #expect(recorder.messages.count == sent)
        #expect(recorder.events == ["half-closed"])
    }

    @Test("that ended while its client paused gives the rest when it goes on")
    func pausedToTheEnd() {
        let recorder = ServerRecorder()
        let pair = pair(recorder)
        let client = ClientRecorder()
        let call = pair.client.streaming(GRPCClientMethod("/test.Stream/Down"), handler: client)
        call.pauseReceiving()
        call.send([1, 2, 3])
        call.halfClose()
        pair.executor.run()
        call.resumeReceiving()
        pair.executor.run()
        #expect(client.messages == ["0", "1", "2"])
        #expect(client.end.map { $0.status == nil } == true)
    }
}
