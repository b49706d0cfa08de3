import API
import Testing

extension EndToEnd {
    /// semantics.md, Put.
    @Suite("KV.Put")
    struct PutTests {
        let member: MemberProcess
        let client: TestClient

        init() async throws {
            member = try MemberProcess()
            client = try await TestClient(member)
        }

        @Test("counts revisions and versions, and keeps the revision of creation")
        func versions() async throws {
            #expect(try await client.put("a", "1").header.revision == 2)
            #expect(try await client.put("a", "1").header.revision == 3)
            #expect(
                try await client.get("a")
                    == Pair(key: "a", value: "1", created: 2, modified: 3, version: 2))
            try await client.delete(Delete(key: "a"))
            try await client.put("a", "")
            #expect(
                try await client.get("a")
                    == Pair(key: "a", value: "", created: 5, modified: 5, version: 1))
        }

        @Test("returns the previous pair when asked, and none for a new key")
        func previous() async throws {
            #expect(try await client.put(Put(key: "a", value: "1", prevKV: true)).previous == nil)
            #expect(try await client.put(Put(key: "a", value: "2")).previous == nil)
            #expect(
                try await client.put(Put(key: "a", value: "3", prevKV: true)).previous
                    == Pair(key: "a", value: "2", created: 2, modified: 3, version: 2))
            try await client.delete(Delete(key: "a"))
            #expect(try await client.put(Put(key: "a", value: "4", prevKV: true)).previous == nil)
        }

        @Test("keeps the value with ignore_value, which names no value and an existing key")
        func ignoreValue() async throws {
            await #expect(throws: Status(.invalidArgument, "etcdserver: key not found")) {
                try await client.put(Put(key: "a", ignoreValue: true))
            }
            await #expect(throws: Status(.invalidArgument, "etcdserver: value is provided")) {
                try await client.put(Put(key: "a", value: "x", ignoreValue: true))
            }
            try await client.put("a", "kept")
            let answer = try await client.put(Put(key: "a", ignoreValue: true))
            #expect(answer.header.revision == 3, "what was refused has made no revision")
            #expect(
                try await client.get("a")
                    == Pair(key: "a", value: "kept", created: 2, modified: 3, version: 2))
        }

        @Test("keeps the lease with ignore_lease, which names no lease and an existing key")
        func ignoreLease() async throws {
            await #expect(throws: Status(.invalidArgument, "etcdserver: key not found")) {
                try await client.put(Put(key: "a", value: "x", ignoreLease: true))
            }
            await #expect(throws: Status(.invalidArgument, "etcdserver: lease is provided")) {
                try await client.put(Put(key: "a", value: "x", lease: 5, ignoreLease: true))
            }
            try await client.put("a", "1")
            try await client.put(Put(key: "a", value: "2", ignoreLease: true))
            #expect(try await client.get("a")?.value == "2")
        }

        @Test("refuses an empty key and a lease that nobody granted, and changes nothing")
        func refusals() async throws {
            await #expect(throws: Status(.invalidArgument, "etcdserver: key is not provided")) {
                try await client.put("", "x")
            }
            await #expect(
                throws: Status(.notFound, "etcdserver: requested lease not found")
            ) { try await client.put(Put(key: "a", value: "x", lease: 99)) }
            let state = try await client.range(Range(key: "\0", end: "\0"))
            #expect(state.pairs.isEmpty && state.header.revision == 1)
        }

        @Test("takes what fits into a request and refuses what does not, by etcd's three limits")
        func sizes() async throws {
            let fits = String(repeating: "v", count: Limits.requestBytes - 512)
            try await client.put("big", fits)
            #expect(try await client.get("big")?.value == fits)
            await #expect(
                throws: Status(.invalidArgument, "etcdserver: request is too large")
            ) { try await client.put("big", String(repeating: "w", count: Limits.requestBytes)) }

            let limit = Limits.requestBytes + Limits.requestOverheadBytes
            let request = Put(key: "big", value: String(repeating: "x", count: limit)).encoded
            await #expect(
                throws: Status(
                    .resourceExhausted,
                    "grpc: received message larger than max (\(request.count) vs. \(limit))")
            ) { try await client.call("/etcdserverpb.KV/Put", request) }
            #expect(try await client.get("big")?.value == fits)
        }

        @Test("tells all who write at once the revision of their own write")
        func concurrent() async throws {
            let revisions = try await withThrowingTaskGroup(of: (String, Int64).self) { group in
                for number in 0..<500 {
                    group.addTask { [client] in
                        let key = "k\(number)"
                        return (key, try await client.put(key, "\(number)").header.revision)
                    }
                }
                return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
            }
            #expect(Set(revisions.values) == Set(2...501))
            for pair in try await client.all(prefix: "k").pairs {
                #expect(pair.modified == revisions[pair.key], "\(pair)")
            }
        }
    }
}
