import API
import Testing

@testable import Transport

@Suite("A request that is not as it should be")
struct GRPCRefusalTests {
    let hello = MessageDeframerTests.frame("hello")

    @Test(
        "for a path nobody registered is UNIMPLEMENTED, in grpc-go's words",
        arguments: [
            ("/test.Echo/Nothing", "unknown method Nothing for service test.Echo"),
            ("/test.Nobody/Echo", "unknown service test.Nobody"),
            ("/a/b/c", "unknown service a/b"),
            ("/nonsense", "malformed method name: \"/nonsense\""),
        ])
    func unknownMethod(path: String, message: String) {
        let pair = RawPair()
        let stream = pair.open([(":path", path)], body: hello)
        #expect(stream.value(":status") == "200")
        #expect(stream.status == Status(.unimplemented, message))
        #expect(stream.closeCode == HTTP2ErrorCode.none)
    }

    @Test(
        "with another content type is answered 415",
        arguments: ["application/json", "application/grpcx", "text/application/grpc"])
    func contentType(type: String) {
        let pair = RawPair()
        let stream = pair.open([("content-type", type)], body: hello)
        #expect(stream.value(":status") == "415")
        #expect(
            stream.status
                == Status(.invalidArgument, "invalid gRPC request content-type \"\(type)\""))
    }

    @Test(
        "is taken with every content type of gRPC",
        arguments: ["application/grpc", "application/grpc+proto", "application/grpc;x=y"])
    func goodContentType(type: String) {
        #expect(RawPair().open([("content-type", type)], body: hello).body == hello)
    }

    @Test("without a content type is answered 415")
    func noContentType() {
        let stream = RawPair().open([("content-type", "-")], body: hello)
        #expect(stream.value(":status") == "415")
        #expect(stream.status?.message == "invalid gRPC request content-type \"\"")
    }

    @Test("with another HTTP method is answered 405")
    func httpMethod() {
        let stream = RawPair().open([(":method", "PUT")], body: hello)
        #expect(stream.value(":status") == "405")
        #expect(
            stream.status
                == Status(
                    .internal, "Received a HEADERS frame with :method \"PUT\" which should be POST")
        )
    }

    @Test("with a malformed timeout is answered 400")
    func timeout() {
        let stream = RawPair().open([("grpc-timeout", "18f6n")], body: hello)
        #expect(stream.value(":status") == "400")
        #expect(stream.status?.code == .internal)
        #expect(stream.status?.message.hasPrefix("malformed grpc-timeout") == true)
    }

    @Test("with binary metadata that is not base64 is answered 400")
    func badMetadata() {
        let stream = RawPair().open([("foobar-bin", "X()3e@#$-")], body: hello)
        #expect(stream.value(":status") == "400")
        #expect(stream.status?.message.contains("header \"foobar-bin\"") == true)
    }

    @Test("whose sender goes on after the refusal is told to stop, and the stream is freed")
    func refusedUpload() {
        let pair = RawPair()
        let stream = pair.open([(":path", "/test.Echo/Nothing")], body: hello, ends: false)
        #expect(stream.status?.code == .unimplemented)
        #expect(stream.closeCode == HTTP2ErrorCode.none)
        #expect(pair.server.callCount == 0)
    }

    @Test("in an unknown encoding is UNIMPLEMENTED, and the known ones are told")
    func encoding() {
        let stream = RawPair().open([("grpc-encoding", "snappy")], body: hello)
        #expect(
            stream.status
                == Status(
                    .unimplemented,
                    "grpc: Decompressor is not installed for grpc-encoding \"snappy\""
                ))
        #expect(stream.value("grpc-accept-encoding") == "identity,gzip")
    }

    @Test("may be gzip: the handler sees it inflated")
    func compressed() {
        let packed = gzip(Array("hello".utf8))
        let body = [1, 0, 0, 0, UInt8(packed.count)] + packed
        #expect(RawPair().open([("grpc-encoding", "gzip")], body: body).body == hello)
        // A message may be uncompressed all the same.
        #expect(RawPair().open([("grpc-encoding", "gzip")], body: hello).body == hello)
    }

    @Test("compressed although no encoding was named is INTERNAL")
    func flagOnly() {
        let stream = RawPair().open(body: MessageDeframerTests.frame("x", flag: 1))
        #expect(
            stream.status
                == Status(
                    .internal, "grpc: compressed flag set with identity or empty encoding"))
    }

    @Test("that is a zip bomb is refused once it has inflated to the limit")
    func zipBomb() {
        let packed = gzip([UInt8](repeating: 0, count: 64 << 20))
        let length = UInt32(packed.count)
        let body =
            [1] + (0..<4).map { UInt8(truncatingIfNeeded: length >> (24 - 8 * $0)) } + packed
        #expect(packed.count < 100_000)
        let stream = RawPair().open([("grpc-encoding", "gzip")], body: body)
        #expect(
            stream.status
                == Status(
                    .resourceExhausted,
                    "grpc: received message after decompression larger than max 2097152"))
    }

    @Test("over the limit is RESOURCE_EXHAUSTED at its length, and the connection goes on")
    func oversized() {
        let pair = RawPair()
        let stream = pair.open(body: [0, 0, 0x20, 0, 1], ends: false)
        #expect(
            stream.status
                == Status(
                    .resourceExhausted,
                    "grpc: received message larger than max (2097153 vs. 2097152)"))
        #expect(pair.open(body: hello).body == hello)
    }

    @Test("that is cut off is INTERNAL, wherever it ends")
    func truncated() {
        let pair = RawPair()
        for end in 0..<hello.count {
            let stream = pair.open(body: Array(hello[..<end]))
            #expect(stream.status == Status(.internal, "unexpected EOF"))
        }
        #expect(pair.server.callCount == 0)
    }

    @Test("with a header list over the limit loses its stream, not the connection")
    func headerBomb() {
        let pair = RawPair()
        let fields = (0..<1000).map { ("x-\($0)", String(repeating: "a", count: 40)) }
        let stream = pair.open(fields, body: hello)
        #expect(stream.closeCode == .frameSizeError)
        #expect(stream.fields.isEmpty)
        #expect(pair.open(body: hello).body == hello)
    }

    @Test("whose parts would take too much memory together is refused")
    func tooMuchHeld() {
        var configuration = GRPCServerConfiguration()
        configuration.maxHeldRequestBytes = 3_000_000
        let pair = RawPair(configuration)
        let part = [0, 0, 0x10, 0, 0] + [UInt8](repeating: 1, count: 1_000_000)
        let streams = (0..<4).map { _ in pair.open(body: part, ends: false) }
        let refused = streams.filter {
            $0.status == Status(.resourceExhausted, "grpc: too many incomplete requests")
        }
        #expect(refused.count == 1)
        #expect(pair.server.callCount == 3)
    }
}

@Suite("Bytes that are not HTTP/2")
struct BadFrameTests {
    @Test("close the connection")
    func garbage() {
        let client = ByteClient()
        client.send(Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
        #expect(client.server.connectionCount == 0)
    }

    @Test("such as a frame over the maximum size end it with GOAWAY")
    func oversizedFrame() {
        let client = ByteClient()
        client.send(ByteClient.preface)
        client.send(ByteClient.frame(0, 0, 1, [], length: 1 << 20))
        #expect(client.frameTypes.contains(ByteClient.goAway))
        #expect(client.server.connectionCount == 0)
    }

    @Test("such as DATA of a stream that was never opened end it with GOAWAY")
    func dataOnIdle() {
        let client = ByteClient()
        client.send(ByteClient.preface + ByteClient.frame(0, 1, 5, [1, 2, 3]))
        #expect(client.frameTypes.contains(ByteClient.goAway))
        #expect(client.server.connectionCount == 0)
    }

    @Test("such as a damaged header block end it with GOAWAY")
    func badHeaderBlock() {
        let client = ByteClient()
        client.send(
            ByteClient.preface + ByteClient.frame(1, 4, 1, [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]))
        #expect(client.frameTypes.contains(ByteClient.goAway))
        #expect(client.server.connectionCount == 0)
    }

    @Test("such as CONTINUATION without end are cut off")
    func continuationFlood() {
        let client = ByteClient()
        var bytes = ByteClient.preface + ByteClient.frame(1, 0, 1, [0x82])
        for _ in 0..<1000 {
            bytes += ByteClient.frame(9, 0, 1, [0x40, 1, 97, 1, 98])
        }
        client.send(bytes)
        #expect(client.server.connectionCount == 0)
    }

    @Test("such as pings that are never read are cut off, not held")
    func pingFlood() {
        let client = ByteClient()
        client.send(ByteClient.preface)
        client.serverEnd.takes = false
        for _ in 0..<20 {
            var bytes: [UInt8] = []
            for _ in 0..<500 {
                bytes += ByteClient.frame(6, 0, 0, [UInt8](repeating: 0, count: 8))
            }
            client.send(bytes)
        }
        #expect(client.serverEnd.bufferedBytes < 100_000)
    }

    @Test("of a header block that repeats one large field cost no memory")
    func hpackBomb() {
        let client = ByteClient()
        client.send(ByteClient.preface)
        // One field of 4000 bytes into the table, then 16,000 references to it: 64 MB of headers.
        let name: [UInt8] = [0x40, 1, 97, 0x7F, 0xA1, 0x1E] + [UInt8](repeating: 98, count: 4000)
        client.send(
            ByteClient.frame(1, 1, 1, name)
                + ByteClient.frame(9, 4, 1, [UInt8](repeating: 0xBE, count: 16_000)))
        #expect(client.frameTypes.contains(ByteClient.resetStream))
    }

    @Test("cut off at any place leave nothing behind")
    func truncatedEverywhere() {
        let whole =
            ByteClient.preface
            + ByteClient.frame(
                1, 4, 1, [0x83, 0x86, 0x84, 0x41, 1, 120] + [0x40, 1, 97, 1, 98])
            + ByteClient.frame(0, 1, 1, [0, 0, 0, 0, 1, 7])
        for end in 0..<whole.count {
            let client = ByteClient()
            client.send(Array(whole[..<end]))
            client.clientEnd.close()
            client.executor.run()
            #expect(client.server.connectionCount == 0 && client.server.callCount == 0)
        }
    }

    @Test("of a good conversation, damaged at random, end a call or the connection, nothing else")
    func randomDamage() {
        let good = RawPair()
        good.clientEnd.record = []
        for size in [0, 10, 300] {
            let text = String(repeating: "x", count: size)
            _ = good.open([("token", text)], body: MessageDeframerTests.frame(text))
        }
        let conversation = ByteClient.preface + (good.clientEnd.record ?? [])
        var random: UInt64 = 42
        func next(_ bound: Int) -> Int {
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((random >> 33) % UInt64(bound))
        }
        for _ in 0..<500 {
            var bytes = conversation
            for _ in 0...next(4) { bytes[24 + next(bytes.count - 24)] = UInt8(next(256)) }
            let client = ByteClient()
            client.send(bytes)
            client.clientEnd.close()
            client.executor.run()
            #expect(client.server.connectionCount == 0 && client.server.callCount == 0)
        }
    }
}
