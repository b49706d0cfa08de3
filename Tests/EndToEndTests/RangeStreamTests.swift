import API
import Testing

extension EndToEnd {
    /// semantics.md, RangeStream.
    @Suite("KV.RangeStream")
    struct RangeStreamTests {
        let member: MemberProcess
        let client: TestClient

        init() async throws {
            member = try MemberProcess()
            client = try await TestClient(member)
            for number in 100..<200 { try await client.put("k\(number)", "v\(number)") }
        }

        /// The messages, each as the Range response within it.
        private func stream(_ request: Range) async throws -> [[UInt8]] {
            let messages = try await client.stream(
                "/etcdserverpb.KV/RangeStream", request.encoded)
            return try messages.map { message in
                try message.withUnsafeBytes { bytes in
                    var reader = ProtobufReader(bytes)
                    return [UInt8](try #require(try reader.next()).bytes())
                }
            }
        }

        @Test("sends in chunks what Range answers at once")
        func merged() async throws {
            let request = Range(key: "k", end: "l", limit: 70)
            let chunks = try await stream(request)
            #expect(chunks.count == 3, "10, 20 and 40 keys")
            let answer = try RangeAnswer(Array(chunks.joined()))
            #expect(try await client.range(request) == answer)
            #expect(answer.more && answer.count == 100)
        }

        @Test("sends one message for a count, and for nothing")
        func single() async throws {
            let count = try await stream(Range(key: "k", end: "l", countOnly: true))
            #expect(try count.map { try RangeAnswer($0).count } == [100])
            let nothing = try await stream(Range(key: "x"))
            #expect(try nothing.map { try RangeAnswer($0).count } == [0])
        }

        @Test("refuses what it cannot do, and what is not there")
        func refusals() async throws {
            await #expect(
                throws: Status(
                    .unimplemented, "RangeStream does not support custom sort orders")
            ) { try await stream(Range(key: "k", sortOrder: 2)) }
            await #expect(
                throws: Status(.unimplemented, "RangeStream does not support revision filters")
            ) { try await stream(Range(key: "k", minModRevision: 1)) }
            await #expect(
                throws: Status(
                    .outOfRange, "etcdserver: mvcc: required revision is a future revision")
            ) { try await stream(Range(key: "k", revision: 1000)) }
        }
    }
}
