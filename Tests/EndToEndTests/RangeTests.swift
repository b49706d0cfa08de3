import API
import Testing

extension EndToEnd {
    /// semantics.md, Range. The store holds a, b, c, d (written in that order from revision 2 on),
    /// then b again (6), then c deleted (7).
    @Suite("KV.Range")
    struct RangeTests {
        let member: MemberProcess
        let client: TestClient

        init() async throws {
            member = try MemberProcess()
            client = try await TestClient(member)
            for key in ["a", "b", "c", "d"] { try await client.put(key, key + "1") }
            try await client.put("b", "b2")
            try await client.delete(Delete(key: "c"))
        }

        private func keys(_ request: Range) async throws -> String {
            try await client.range(request).pairs.map(\.key).joined()
        }

        @Test("reads a key, a half-open range, a prefix, all from a key on, and all")
        func ends() async throws {
            #expect(try await keys(Range(key: "b")) == "b")
            #expect(try await keys(Range(key: "c")) == "")
            #expect(try await keys(Range(key: "a", end: "d")) == "ab")
            #expect(try await keys(Range(key: "a", end: "d\0")) == "abd")
            #expect(try await keys(Range(key: "b", end: "\0")) == "bd")
            #expect(try await keys(Range(key: "\0", end: "\0")) == "abd")
            #expect(try await keys(Range(key: "c", end: "a")) == "")
            #expect(try await keys(Range(key: "c", end: "c")) == "")
        }

        @Test(
            "reads the past, says so of the future, and names the present revision in each answer")
        func revisions() async throws {
            let past = try await client.range(Range(key: "\0", end: "\0", revision: 5))
            #expect(past.pairs.map(\.value) == ["a1", "b1", "c1", "d1"])
            #expect(past.header.revision == 7)
            #expect(try await keys(Range(key: "\0", end: "\0", revision: 1)) == "")
            #expect(try await keys(Range(key: "\0", end: "\0", revision: 2)) == "a")
            #expect(try await keys(Range(key: "\0", end: "\0", revision: 6)) == "abcd")
            #expect(try await keys(Range(key: "\0", end: "\0", revision: 7)) == "abd")
            #expect(try await keys(Range(key: "\0", end: "\0", revision: -3)) == "abd")
            let refusal = Status(
                .outOfRange, "etcdserver: mvcc: required revision is a future revision")
            await #expect(throws: refusal) {
                try await client.range(Range(key: "a", revision: 8))
            }
            await #expect(throws: refusal) {
                try await client.range(Range(key: "none", revision: 8, countOnly: true))
            }
        }

        @Test("cuts at the limit, says that there is more, and counts what is beyond")
        func limits() async throws {
            let cut = try await client.range(Range(key: "\0", end: "\0", limit: 2))
            #expect(cut.pairs.map(\.key) == ["a", "b"] && cut.more && cut.count == 3)
            let exact = try await client.range(Range(key: "\0", end: "\0", limit: 3))
            #expect(exact.pairs.count == 3 && !exact.more && exact.count == 3)
            let wide = try await client.range(Range(key: "\0", end: "\0", limit: 100))
            #expect(wide.pairs.count == 3 && !wide.more && wide.count == 3)
            let past = try await client.range(
                Range(key: "\0", end: "\0", limit: 1, revision: 5))
            #expect(past.pairs.map(\.key) == ["a"] && past.more && past.count == 4)
            let none = try await client.range(Range(key: "x", end: "\0", limit: 1))
            #expect(none.pairs.isEmpty && !none.more && none.count == 0)
        }

        @Test("counts only, whatever the limit")
        func countOnly() async throws {
            for limit in [0, 1] as [Int64] {
                let answer = try await client.range(
                    Range(key: "\0", end: "\0", limit: limit, countOnly: true))
                #expect(answer.pairs.isEmpty && !answer.more && answer.count == 3)
            }
            let past = try await client.range(
                Range(key: "\0", end: "\0", revision: 5, countOnly: true))
            #expect(past.count == 4)
        }

        @Test("leaves values out with keys_only, and nothing else")
        func keysOnly() async throws {
            let answer = try await client.range(Range(key: "b", keysOnly: true))
            #expect(
                answer.pairs == [Pair(key: "b", value: "", created: 3, modified: 6, version: 2)])
        }

        @Test("answers a serializable read as a linearizable one, when there is one member")
        func serializable() async throws {
            let linearizable = try await client.range(Range(key: "\0", end: "\0"))
            let serializable = try await client.range(
                Range(key: "\0", end: "\0", isSerializable: true))
            #expect(linearizable == serializable)
        }

        @Test("orders by any field, up and down, and knows no other order")
        func orders() async throws {
            // By key, version, creation, modification and value.
            let orders: [(target: UInt64, up: String)] = [
                (0, "abd"), (1, "adb"), (2, "abd"), (3, "adb"), (4, "abd"),
            ]
            for (target, up) in orders {
                let all = Range(key: "\0", end: "\0", sortOrder: 1, sortTarget: target)
                #expect(try await keys(all) == up)
                var down = all
                down.sortOrder = 2
                let first = try await client.range(down).pairs[0].key
                #expect(first == up.suffix(1))
                down.limit = 1
                let cut = try await client.range(down)
                #expect(cut.pairs.map(\.key) == [first] && cut.more && cut.count == 3)
            }
            let quirk = Range(key: "\0", end: "\0", limit: 1, sortTarget: 1)
            #expect(try await keys(quirk) == "a", "of the first two keys only")
            for (order, target) in [(3, 0), (0, 5), (99, 99)] as [(UInt64, UInt64)] {
                await #expect(
                    throws: Status(.invalidArgument, "etcdserver: invalid sort option")
                ) {
                    try await client.range(
                        Range(key: "a", sortOrder: order, sortTarget: target))
                }
            }
        }

        @Test("filters by revisions before it cuts, and counts all the same")
        func filters() async throws {
            var request = Range(key: "\0", end: "\0", minModRevision: 3)
            #expect(try await keys(request) == "bd")
            request.maxCreateRevision = 4
            #expect(try await keys(request) == "b")
            request = Range(key: "\0", end: "\0", limit: 1, maxModRevision: 5)
            let answer = try await client.range(request)
            #expect(answer.pairs.map(\.key) == ["a"] && answer.more && answer.count == 3)
            request.minCreateRevision = 5
            let last = try await client.range(request)
            #expect(last.pairs.map(\.key) == ["d"] && !last.more && last.count == 3)
        }

        @Test("answers in one message, however large, and goes on answering others meanwhile")
        func large() async throws {
            let value = String(repeating: "v", count: 100_000)
            for number in 100..<160 { try await client.put("large\(number)", value) }
            async let reading = client.range(Range(key: "large", end: "largf"))
            try await client.put("a", "meanwhile")
            let answer = try await reading
            #expect(answer.pairs.count == 60 && answer.count == 60)
            #expect(answer.pairs.allSatisfy { $0.value == value })
        }

        @Test("refuses an empty key")
        func emptyKey() async throws {
            let refusal = Status(.invalidArgument, "etcdserver: key is not provided")
            await #expect(throws: refusal) { try await client.range(Range(key: "")) }
            await #expect(throws: refusal) { try await client.range(Range(key: "", end: "\0")) }
        }
    }
}
