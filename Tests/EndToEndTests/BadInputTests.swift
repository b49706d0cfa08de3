import API
import TestSupport
import Testing

extension EndToEnd {
    /// Input that no sane client sends. Each story ends with the member serving as before.
    @Suite("bad input")
    struct BadInputTests {
        let member: MemberProcess
        let client: TestClient
        private static let put = "/etcdserverpb.KV/Put"

        init() async throws {
            member = try MemberProcess()
            client = try await TestClient(member)
            try await client.put("before", "1")
        }

        private func stillServes(_ place: SourceLocation = #_sourceLocation) async throws {
            #expect(member.isRunning, sourceLocation: place)
            let fresh = try await TestClient(member)
            try await fresh.put("after", "2")
            #expect(try await client.get("before")?.value == "1", sourceLocation: place)
        }

        @Test("a connection that ends at any byte of a request")
        func truncated() async throws {
            let message = Frame.message(Put(key: "cut", value: "x").encoded)
            let whole =
                Frame.preface + Frame.call(Self.put, on: 1)
                + Frame.frame(Frame.data, Frame.endStream, 1, message)
            for length in 0..<whole.count {
                let peer = try RawPeer(member)
                peer.send(Array(whole.prefix(length)))
                if length % 2 == 0 { peer.reset() } else { peer.halfClose() }
                if length % 2 == 1 { _ = try peer.receive() }
            }
            #expect(try await client.get("cut") == nil)
            let peer = try RawPeer(member)
            peer.send(whole)
            _ = try peer.receive { Frame.ends(1, in: $0) }
            #expect(try await client.get("cut")?.value == "x", "the whole of it is a request")
            try await stillServes()
        }

        @Test(
            "frames that HTTP/2 forbids end the connection with a GOAWAY",
            arguments: [
                Frame.frame(Frame.data, 0, 1, [], length: 1 << 20),
                Frame.frame(Frame.headers, Frame.endHeaders, 1, [0xff, 0xff, 0xff, 0xff, 0xff]),
                Frame.frame(Frame.headers, Frame.endHeaders, 2, [0x82]),
                Frame.frame(Frame.data, 0, 0, [1]),
                Frame.frame(Frame.settings, 0, 0, [1, 2, 3]),
                Frame.frame(9, 0, 1, [0x82]),
            ])
        func forbiddenFrame(_ frame: [UInt8]) async throws {
            let peer = try RawPeer(member)
            peer.send(Frame.preface + frame)
            let answer = Frame.heads(try peer.receive())
            #expect(answer.contains { $0.type == Frame.goAway }, "\(answer)")
            try await stillServes()
        }

        @Test("a message that claims four gigabytes is refused before it is held")
        func oversizedPrefix() async throws {
            let before = member.residentMebibytes
            for _ in 0..<50 {
                let peer = try RawPeer(member)
                peer.send(
                    Frame.preface + Frame.call(Self.put, on: 1)
                        + Frame.frame(Frame.data, 0, 1, Frame.message([1, 2], length: .max)))
                _ = try peer.receive { Frame.ends(1, in: $0) }
            }
            #expect(member.residentMebibytes < before + 32)
            try await stillServes()
        }

        @Test(
            "a message that ends early, is not there, or is one too many, ends its call only",
            arguments: [
                Frame.message([1, 2, 3], length: 100), [0, 0], [],
                Frame.message([]) + Frame.message([]), Frame.message([1], flag: 1),
                Frame.message([1], flag: 77),
            ])
        func brokenFraming(_ body: [UInt8]) async throws {
            let peer = try RawPeer(member)
            peer.send(
                Frame.preface + Frame.call(Self.put, on: 1)
                    + Frame.frame(Frame.data, Frame.endStream, 1, body))
            _ = try peer.receive { Frame.ends(1, in: $0) }
            let message = Frame.message(Put(key: "next", value: "x").encoded)
            peer.send(
                Frame.call(Self.put, on: 3) + Frame.frame(Frame.data, Frame.endStream, 3, message))
            _ = try peer.receive { Frame.ends(3, in: $0) }
            #expect(try await client.get("next")?.value == "x", "the connection goes on")
            try await stillServes()
        }

        @Test(
            "a request without its path, method or content type ends its call only",
            arguments: [":path", ":method", "content-type"])
        func missingField(_ name: String) async throws {
            try await answersThenGoesOn(Frame.call(Self.put, on: 1, leavingOut: name))
        }

        @Test(
            "header fields that HTTP/2 forbids end at most their call",
            arguments: [
                ("X-Upper", "1"), ("connection", "close"), (":path", "/twice"), (":unknown", "x"),
                ("content-length", "99999"), ("content-length", "no number"), ("", "no name"),
                ("x-control", "a\r\nb\0"), ("grpc-timeout", "soon"), ("grpc-encoding", "brotli"),
            ])
        func forbiddenField(_ name: String, _ value: String) async throws {
            try await answersThenGoesOn(Frame.call(Self.put, on: 1, more: [(name, value)]))
        }

        /// The call that `header` begins comes to an end, whatever it is, and one after it on the
        /// same connection is served.
        private func answersThenGoesOn(_ header: [UInt8]) async throws {
            let message = Frame.message(Put(key: "odd", value: "x").encoded)
            let peer = try RawPeer(member)
            peer.send(
                Frame.preface + header + Frame.frame(Frame.data, Frame.endStream, 1, message))
            _ = try peer.receive { Frame.ends(1, in: $0) }
            let next = Frame.message(Put(key: "next", value: "x").encoded)
            peer.send(
                Frame.call(Self.put, on: 3) + Frame.frame(Frame.data, Frame.endStream, 3, next))
            _ = try peer.receive { Frame.ends(3, in: $0) }
            #expect(try await client.get("next")?.value == "x", "the connection goes on")
            try await stillServes()
        }

        @Test("protobuf that does not parse is INTERNAL, in the words of gRPC's Go library")
        func malformedProtobuf() async throws {
            let malformed = Status(
                .internal,
                "grpc: error unmarshalling request: proto: cannot parse invalid wire-format data")
            let requests: [[UInt8]] = [
                [0x0a], [0x0a, 0x05, 1], [0xff], [0x08], [0x00, 1], [0x0b], [0x0a, 0xff, 0xff],
            ]
            for method in ["Put", "Range", "DeleteRange"] {
                for request in requests {
                    await #expect(throws: malformed, "\(method) \(request)") {
                        try await client.call("/etcdserverpb.KV/\(method)", request)
                    }
                }
            }
            try await stillServes()
        }

        @Test("requests with bits flipped get an answer, whatever it is")
        func flippedBits() async throws {
            var random = SplitMix64(seed: 11)
            let requests = [
                ("Put", Put(key: "noise", value: "v", prevKV: true).encoded),
                ("Range", Range(key: "a", end: "z", limit: 3, revision: 2).encoded),
                ("DeleteRange", Delete(key: "noise", end: "noisf", prevKV: true).encoded),
            ]
            let allowed: Set<StatusCode> = [
                .internal, .invalidArgument, .notFound, .outOfRange, .unimplemented,
            ]
            for _ in 0..<1500 {
                var (method, bytes) = requests.randomElement(using: &random) ?? requests[0]
                for _ in 0...Int.random(in: 0..<3, using: &random) {
                    let place = Int.random(in: 0..<bytes.count, using: &random)
                    bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                }
                // Not the key that the end of the story asks for.
                if method == "DeleteRange" { bytes = bytes.map { $0 == 0x62 ? 0x63 : $0 } }
                do throws(Status) {
                    _ = try await client.call("/etcdserverpb.KV/\(method)", bytes)
                } catch {
                    #expect(allowed.contains(error.code), "\(method) \(bytes): \(error)")
                }
            }
            try await client.put("before", "1")
            try await stillServes()
        }

        @Test("random bytes, before and after the preface")
        func randomBytes() async throws {
            var random = SplitMix64(seed: 5)
            for number in 0..<200 {
                let peer = try RawPeer(member)
                let size = Int.random(in: 1..<3000, using: &random)
                let noise = (0..<size).map { _ in UInt8.random(in: .min ... .max, using: &random) }
                peer.send((number % 2 == 0 ? Frame.preface : []) + noise)
                peer.halfClose()
                _ = try peer.receive()
            }
            try await stillServes()
        }
    }
}
