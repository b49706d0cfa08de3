import API
import Testing

extension EndToEnd {
    /// semantics.md, DeleteRange. The store holds a, b, c, d at revision 5.
    @Suite("KV.DeleteRange")
    struct DeleteRangeTests {
        let member: MemberProcess
        let client: TestClient

        init() async throws {
            member = try MemberProcess()
            client = try await TestClient(member)
            for key in ["a", "b", "c", "d"] { try await client.put(key, key + "1") }
        }

        private func left() async throws -> String {
            try await client.range(Range(key: "\0", end: "\0")).pairs.map(\.key).joined()
        }

        @Test("deletes a key, a range and all from a key on, and counts")
        func ends() async throws {
            #expect(try await client.delete(Delete(key: "a")).deleted == 1)
            #expect(try await left() == "bcd")
            #expect(try await client.delete(Delete(key: "b", end: "d")).deleted == 2)
            #expect(try await left() == "d")
            try await client.put("e", "")
            #expect(try await client.delete(Delete(key: "a", end: "\0")).deleted == 2)
            #expect(try await left() == "")
        }

        @Test("makes one revision for all its keys, and none when there was nothing")
        func revisions() async throws {
            #expect(try await client.delete(Delete(key: "x")).header.revision == 5)
            #expect(try await client.delete(Delete(key: "d", end: "a")).header.revision == 5)
            #expect(try await client.delete(Delete(key: "a", end: "c")).header.revision == 6)
            #expect(try await client.delete(Delete(key: "a", end: "c")).header.revision == 6)
            #expect(try await client.put("a", "").header.revision == 7)
        }

        @Test("returns what it deleted, in the order of keys, when asked")
        func previous() async throws {
            let answer = try await client.delete(Delete(key: "b", end: "\0", prevKV: true))
            #expect(answer.deleted == 3)
            #expect(
                answer.previous == [
                    Pair(key: "b", value: "b1", created: 3, modified: 3, version: 1),
                    Pair(key: "c", value: "c1", created: 4, modified: 4, version: 1),
                    Pair(key: "d", value: "d1", created: 5, modified: 5, version: 1),
                ])
            #expect(try await client.delete(Delete(key: "a")).previous.isEmpty)
        }

        @Test("leaves the past as it was")
        func past() async throws {
            try await client.delete(Delete(key: "\0", end: "\0"))
            let past = try await client.range(Range(key: "\0", end: "\0", revision: 5))
            #expect(past.pairs.map(\.value) == ["a1", "b1", "c1", "d1"])
        }

        @Test("refuses an empty key")
        func emptyKey() async throws {
            await #expect(throws: Status(.invalidArgument, "etcdserver: key is not provided")) {
                try await client.delete(Delete(key: "", end: "\0"))
            }
            #expect(try await left() == "abcd")
        }
    }
}
