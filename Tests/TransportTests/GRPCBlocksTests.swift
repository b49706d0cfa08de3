import API
import Testing

@testable import Transport

/// `count` bytes that tell their places apart, in blocks of `size`.
private func blocks(_ count: Int, of size: Int, from first: Int = 0) -> ByteBlocks {
    let blocks = ByteBlocks()
    var place = 0
    while place < count {
        var block = ByteBuffer(mappedCapacity: size)
        for _ in 0..<min(size, count - place) {
            block.append(byte(first + place))
            place += 1
        }
        blocks.append(block)
    }
    return blocks
}

private func byte(_ place: Int) -> UInt8 { UInt8(truncatingIfNeeded: place ^ place >> 8) }

@Suite("A large message in blocks")
struct GRPCBlocksTests {
    @Test("is taken from the front, across blocks, and appended to")
    func queue() {
        let bytes = blocks(1000, of: 300)
        #expect(bytes.count == 1000)
        #expect(bytes.array == (0..<1000).map(byte))
        #expect(bytes.withFront { $0.count } == 300)
        bytes.consume(299)
        #expect(bytes.withFront { Array($0) } == [byte(299)])
        bytes.consume(2)
        #expect(bytes.withFront { $0.count } == 299)
        let more = blocks(10, of: 4)
        bytes.append(more)
        #expect(more.isEmpty)
        #expect(bytes.array == (301..<1000).map(byte) + (0..<10).map(byte))
        bytes.consume(709)
        #expect(bytes.isEmpty && bytes.array == [])
        bytes.append(blocks(3, of: 3))
        #expect(bytes.array == (0..<3).map(byte), "used again")
    }

    @Test("answers a unary call", arguments: [0, 1, 16_384, 1_000_000])
    func unary(_ size: Int) {
        let pair = GRPCPair { methods in
            methods.unary("/test.Echo/Large") { call, _ in
                call.respond(blocks(size, of: 10_000))
            }
        }
        #expect(pair.call("/test.Echo/Large").response == (0..<size).map(byte))
    }

    @Test("answers from another thread")
    func elsewhere() {
        let waiting = Waiting()
        let pair = GRPCPair { methods in
            methods.unary("/test.Echo/Later") { call, request in
                waiting.calls.append((call, Array(request)))
            }
        }
        let (outcome, _) = pair.start("/test.Echo/Later")
        pair.executor.run()
        pair.executor.isElsewhere = true
        waiting.calls[0].0.respond(blocks(100, of: 7))
        #expect(!waiting.calls[0].0.isAbandoned, "not known there")
        pair.executor.isElsewhere = false
        pair.executor.run()
        #expect(outcome.response == (0..<100).map(byte))
        #expect(waiting.calls[0].0.isAbandoned)
    }

    @Test("keeps its place among small messages of a stream")
    func stream() {
        let pair = GRPCPair { methods in
            methods.serverStreaming("/test.Stream/Down") { call, _ in
                call.send(Array("one".utf8))
                call.send(blocks(50_000, of: 1000, from: 1))
                call.send(Array("two".utf8))
                call.send(blocks(10, of: 10, from: 2))
                call.send(ByteBlocks())
                call.finish()
                return nil
            }
        }
        let client = ClientRecorder()
        let call = pair.client.streaming(GRPCClientMethod("/test.Stream/Down"), handler: client)
        call.send([])
        call.halfClose()
        pair.executor.run()
        #expect(client.bytes == 50_016)
        #expect(client.messages.count == 5)
        #expect(client.messages[0] == "one" && client.messages[2] == "two")
        #expect(client.end.map { $0.status == nil } == true)
    }

    @Test("does not stop a client's other calls while it takes it, but two such do")
    func otherCalls() {
        var configuration = GRPCServerConfiguration()
        configuration.maxHeldResponseBytes = 100_000
        let pair = GRPCPair(configuration) { methods in
            methods.echo()
            methods.unary("/test.Echo/Large") { call, _ in
                call.respond(blocks(5_000_000, of: 500_000))
            }
        }
        let clients = (0..<2).map { _ in
            let client = ClientRecorder()
            let call = pair.client.streaming(
                GRPCClientMethod("/test.Echo/Large"), handler: client)
            call.pauseReceiving()
            return (client, call)
        }
        clients[0].1.send([])
        clients[0].1.halfClose()
        pair.executor.run()
        #expect(pair.call("/test.Echo/Echo", [1]).response == [1])
        clients[1].1.send([])
        clients[1].1.halfClose()
        pair.executor.run()
        #expect(pair.call("/test.Echo/Echo", [1]).status != nil, "refused")
        for (_, call) in clients { call.resumeReceiving() }
        pair.executor.run()
        #expect(clients.map { $0.0.bytes } == [5_000_000, 5_000_000])
        #expect(pair.call("/test.Echo/Echo", [1]).response == [1])
    }
}
