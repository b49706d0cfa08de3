import API
import Testing

@testable import Transport

@Suite("The deadline of a call")
struct GRPCDeadlineTests {
    @Test("passes: the client is told, the handler hears of it, its late answer is harmless")
    func exceeded() {
        let waiting = Waiting()
        let told = Waiting()
        let pair = RawPair { methods in
            methods.unary("/test.Echo/Echo") { call, _ in
                waiting.calls.append((call, []))
                call.context.onCancel { told.calls.append((call, [])) }
            }
        }
        let stream = pair.open(
            [("grpc-timeout", "200m")], body: MessageDeframerTests.frame("hello"))
        pair.executor.advance(seconds: 0.199)
        #expect(stream.status == nil && !waiting.calls[0].0.context.isCancelled)
        #expect(waiting.calls[0].0.context.deadline != nil)
        pair.executor.advance(seconds: 0.007)
        #expect(stream.status == Status(.deadlineExceeded, "context deadline exceeded"))
        #expect(waiting.calls[0].0.context.isCancelled && told.calls.count == 1)
        waiting.calls[0].0.respond([1])
        pair.executor.run()
        #expect(stream.body.isEmpty)
    }

    @Test("is kept by the client alone too, and the server is told")
    func clientSide() {
        let waiting = Waiting()
        let pair = GRPCPair { methods in
            methods.unary("/test.Echo/Never") { call, _ in waiting.calls.append((call, [])) }
        }
        let (outcome, _) = pair.start(
            "/test.Echo/Never", options: GRPCCallOptions(timeout: 50_000_000))
        pair.executor.advance(seconds: 0.04)
        #expect(!outcome.isDone)
        pair.executor.advance(seconds: 0.03)
        #expect(outcome.status?.code == .deadlineExceeded)
        #expect(waiting.calls[0].0.context.isCancelled)
        #expect(pair.server.callCount == 0 && pair.client.callCount == 0)
    }

    @Test("of thousands of calls that are answered in time leaves nothing behind")
    func removed() {
        let pair = GRPCPair { $0.echo() }
        for round in 1...5 {
            let outcomes = (0..<1000).map {
                pair.start(
                    "/test.Echo/Echo", [1],
                    options: GRPCCallOptions(timeout: UInt64(round * ($0 + 1)) * 10_000_000)
                ).0
            }
            pair.executor.advance(seconds: 0.001)
            #expect(outcomes.allSatisfy { $0.response == [1] })
        }
        pair.executor.advance(seconds: 100)
        #expect(pair.call("/test.Echo/Echo", [2]).response == [2])
    }

    @Test("far ahead does not fire when the wheel comes round")
    func longDeadline() {
        let pair = GRPCPair { methods in methods.unary("/test.Echo/Never") { _, _ in } }
        let (outcome, _) = pair.start(
            "/test.Echo/Never", options: GRPCCallOptions(timeout: 60_000_000_000))
        pair.executor.advance(seconds: 59.9)
        #expect(!outcome.isDone)
        pair.executor.advance(seconds: 0.2)
        #expect(outcome.status?.code == .deadlineExceeded)
    }
}

@Suite("Metadata")
struct GRPCMetadataTests {
    @Test("reaches the handler: first values by name, binary ones decoded")
    func lookup() {
        let seen = Seen()
        let pair = GRPCPair { methods in
            methods.unary("/test.Echo/Echo") { call, _ in
                seen.texts = [
                    call.context.metadata("hasleader"), call.context.metadata("token"),
                    call.context.metadata("missing"), call.context.metadata("user-agent"),
                ]
                seen.bytes = call.context.withMetadata("blob-bin") { $0.map { Array($0) } }
                seen.method = call.context.method
                call.respond([])
            }
        }
        let options = GRPCCallOptions(metadata: [
            ("hasleader", Array("true".utf8)), ("token", Array("a".utf8)),
            ("token", Array("b".utf8)), ("blob-bin", [0, 255, 128]),
        ])
        #expect(pair.call("/test.Echo/Echo", options: options).response == [])
        #expect(seen.texts == ["true", "a", nil, "cairn"])
        #expect(seen.bytes == [0, 255, 128])
        #expect(seen.method == "/test.Echo/Echo")
    }

    @Test("can end a call before its handler")
    func interceptor() {
        let pair = GRPCPair { methods in
            methods.echo()
            methods.bidirectional("/test.Stream/Both") { _ in
                Issue.record("the handler was asked")
                return nil
            }
            methods.interceptor = { call in
                call.metadata("hasleader") == "true"
                    ? Status(.unavailable, "etcdserver: no leader") : nil
            }
        }
        let options = GRPCCallOptions(metadata: [("hasleader", Array("true".utf8))])
        #expect(
            pair.call("/test.Echo/Echo", [1], options: options).status
                == Status(.unavailable, "etcdserver: no leader"))
        #expect(pair.call("/test.Echo/Echo", [1]).response == [1])
        let client = ClientRecorder()
        _ = pair.client.streaming(
            GRPCClientMethod("/test.Stream/Both"), options: options, handler: client)
        pair.executor.run()
        #expect(client.end?.status?.code == .unavailable)
    }

    final class Seen: @unchecked Sendable {
        var texts: [String?] = []
        var bytes: [UInt8]?
        var method = ""
    }
}

@Suite("A connection to a gRPC server")
struct GRPCConnectionTests {
    @Test("of a client that cancels 50,000 calls stays, and holds nothing of them")
    func cancels() {
        let waiting = Waiting()
        let pair = GRPCPair { methods in
            methods.echo()
            methods.unary("/test.Echo/Never") { call, _ in
                if waiting.calls.count < 100 { waiting.calls.append((call, [])) }
            }
        }
        for _ in 0..<500 {
            let calls = (0..<100).map { _ in pair.start("/test.Echo/Never") }
            pair.executor.run()
            for (_, call) in calls { call.cancel() }
            pair.executor.run()
            #expect(calls.allSatisfy { $0.0.status?.code == .cancelled })
        }
        #expect(pair.server.callCount == 0)
        #expect(pair.call("/test.Echo/Echo", [1]).response == [1])
        // Answers to calls long gone, whose streams serve others now, are harmless.
        let (outcome, _) = pair.start("/test.Echo/Never")
        pair.executor.run()
        for (call, _) in waiting.calls.dropLast() { call.respond([9]) }
        pair.executor.run()
        #expect(!outcome.isDone)
    }

    @Test("with pings too fast and without calls is sent away: too_many_pings")
    func tooManyPings() {
        let pair = RawPair()
        for _ in 0..<3 { pair.connection.session.submitPing(1) }
        pair.executor.run()
        #expect(pair.connection.goAway == nil && pair.connection.pongs == 3)
        pair.connection.session.submitPing(1)
        pair.executor.run()
        #expect(pair.connection.goAway?.code == .enhanceYourCalm)
        #expect(pair.connection.goAway?.text == "too_many_pings")
        #expect(pair.server.connectionCount == 0 && pair.connection.isGone)
    }

    @Test("may ping between calls: answers forgive strikes")
    func pingsBetweenCalls() {
        let pair = RawPair()
        for _ in 0..<10 {
            for _ in 0..<2 { pair.connection.session.submitPing(1) }
            _ = pair.open(body: MessageDeframerTests.frame("hello"))
        }
        #expect(pair.connection.goAway == nil && pair.server.connectionCount == 1)
    }

    @Test("that is silent for two hours is pinged, and stays when it answers")
    func keepalive() {
        let pair = RawPair()
        pair.executor.advance(seconds: 7201)
        #expect(pair.connection.pings == 1)
        pair.executor.advance(seconds: 3 * 7200)
        #expect(pair.connection.pings >= 3 && pair.server.connectionCount == 1)
    }

    @Test("that does not answer a ping within 20 s is closed")
    func keepaliveTimeout() {
        let pair = RawPair()
        pair.clientEnd.pauseReading()
        pair.executor.advance(seconds: 7205)
        #expect(pair.server.connectionCount == 1)
        pair.executor.advance(seconds: 20)
        #expect(pair.server.connectionCount == 0)
    }

    @Test("that never says what it wants is closed after two minutes")
    func prefaceTimeout() {
        let client = ByteClient()
        client.send(Array(ByteClient.preface.prefix(10)))
        client.executor.advance(seconds: 119)
        #expect(client.server.connectionCount == 1)
        client.executor.advance(seconds: 2)
        #expect(client.server.connectionCount == 0)
    }

    @Test("ends in order when the server drains: calls under way are answered, then it closes")
    func drain() {
        let waiting = Waiting()
        let pair = GRPCPair { methods in
            methods.unary("/test.Echo/Later") { call, _ in waiting.calls.append((call, [])) }
        }
        let (outcome, _) = pair.start("/test.Echo/Later")
        pair.executor.run()
        let done = Tally()
        pair.server.drain(grace: 10_000_000_000) { done.count += 1 }
        pair.executor.run()
        #expect(pair.client.unavailable?.code == .unavailable)
        #expect(pair.call("/test.Echo/Later").status?.code == .unavailable)
        #expect(done.count == 0 && !outcome.isDone && waiting.calls.count == 1)
        waiting.calls[0].0.respond([5])
        pair.executor.run()
        #expect(outcome.response == [5])
        #expect(done.count == 1 && pair.server.connectionCount == 0)
    }

    @Test("sees two GOAWAYs in a drain: the notice first, so that no call on its way is lost")
    func twoStepDrain() {
        let waiting = Waiting()
        let pair = RawPair { methods in
            methods.unary("/test.Echo/Echo") { call, _ in waiting.calls.append((call, [])) }
        }
        let hello = MessageDeframerTests.frame("hello")
        let stream = pair.open(body: hello)
        pair.server.drain(grace: 10_000_000_000) {}
        pair.executor.run()
        #expect(pair.connection.goAways == 2 && !pair.connection.isGone)
        waiting.calls[0].0.respond(Array("hello".utf8))
        pair.executor.run()
        #expect(stream.body == hello && pair.connection.isGone)
    }

    @Test("is drained at once of the calls that wait for what may never happen, and they are told")
    func drainOfWaiting() {
        let waiting = Waiting()
        let cancelled = Tally()
        let pair = GRPCPair { methods in
            methods.unary("/test.Echo/Wait") { call, _ in
                call.context.onCancel { cancelled.count += 1 }
                waiting.calls.append((call, []))
            }
        }
        let (outcome, _) = pair.start("/test.Echo/Wait")
        pair.executor.run()
        let done = Tally()
        let stopping = Status(.unavailable, "stopping")
        pair.server.drain(grace: 10_000_000_000, telling: stopping) { done.count += 1 }
        pair.executor.run()
        #expect(outcome.status == stopping)
        #expect(cancelled.count == 1 && done.count == 1 && pair.server.connectionCount == 0)
        waiting.calls[0].0.respond([5])
        pair.executor.run()
        #expect(outcome.status == stopping)
    }

    @Test("is closed at the end of the grace time, whatever its calls do")
    func drainIsBounded() {
        let waiting = Waiting()
        let pair = GRPCPair { methods in
            methods.unary("/test.Echo/Never") { call, _ in waiting.calls.append((call, [])) }
        }
        let (outcome, _) = pair.start("/test.Echo/Never")
        let done = Tally()
        pair.executor.run()
        pair.server.drain(grace: 10_000_000_000) { done.count += 1 }
        pair.executor.advance(seconds: 9.9)
        #expect(!outcome.isDone && done.count == 0)
        pair.executor.advance(seconds: 0.2)
        #expect(outcome.isDone && done.count == 1)
        #expect(waiting.calls[0].0.context.isCancelled)
    }

    @Test("whose client does not read is not read from, and holds a bounded output")
    func slowReader() {
        let answer = [UInt8](repeating: 1, count: 100_000)
        let pair = GRPCPair { methods in
            methods.unary("/test.Echo/Much") { call, _ in call.respond(answer) }
        }
        pair.serverEnd.takes = false
        var outcomes: [UnaryOutcome] = []
        for _ in 0..<100 {
            outcomes.append(pair.start("/test.Echo/Much").0)
            pair.executor.run()
        }
        #expect(pair.serverEnd.bufferedBytes < 2 * HTTP2Connection.bufferedBytesLimit + 200_000)
        #expect(!pair.serverEnd.isReading)
        pair.serverEnd.takes = true
        pair.executor.run()
        #expect(outcomes.allSatisfy { $0.response?.count == 100_000 })
        #expect(pair.serverEnd.isReading)
    }

    @Test("whose client keeps its windows shut is refused new calls beyond a bound")
    func shutWindows() {
        var configuration = GRPCServerConfiguration()
        configuration.maxHeldResponseBytes = 1_000_000
        var settings = HTTP2Settings()
        settings.streamWindowBytes = 0
        let pair = RawPair(configuration, settings: settings) { methods in
            methods.unary("/test.Echo/Echo") { call, _ in
                call.respond([UInt8](repeating: 1, count: 100_000))
            }
        }
        let streams = (0..<20).map { _ in
            pair.open(body: MessageDeframerTests.frame(""))
        }
        let refused = streams.filter {
            $0.closeCode == .refusedStream || $0.closeCode == .internalError
        }
        #expect(refused.count >= 9, "\(refused.count)")
        #expect(pair.server.callCount <= 11)
    }

    @Test("has no more calls open than it is told; the others wait at the client")
    func maxConcurrentStreams() {
        var configuration = GRPCServerConfiguration()
        configuration.maxConcurrentStreams = 2
        let waiting = Waiting()
        let pair = GRPCPair(configuration) { methods in
            methods.unary("/test.Echo/Later") { call, _ in waiting.calls.append((call, [])) }
        }
        let outcomes = (0..<5).map { _ in pair.start("/test.Echo/Later").0 }
        pair.executor.run()
        #expect(waiting.calls.count == 2)
        for answered in 0..<5 {
            waiting.calls[answered].0.respond([1])
            pair.executor.run()
        }
        #expect(outcomes.allSatisfy { $0.response == [1] })
    }

    @Test("that its client closes ends every call, whichever state it is in")
    func clientCloses() {
        let waiting = Waiting()
        let pair = GRPCPair { methods in
            methods.unary("/test.Echo/Later") { call, _ in waiting.calls.append((call, [])) }
        }
        let outcomes = (0..<3).map { _ in pair.start("/test.Echo/Later").0 }
        pair.executor.run()
        pair.client.close()
        let (late, _) = pair.start("/test.Echo/Later")
        pair.executor.run()
        #expect(outcomes.allSatisfy { $0.status?.code == .cancelled })
        #expect(late.isDone)
        #expect(pair.client.unavailable != nil)
        #expect(pair.server.connectionCount == 0)
        #expect(waiting.calls.allSatisfy { $0.0.context.isCancelled })
        for (call, _) in waiting.calls { call.respond([1]) }
    }
}
