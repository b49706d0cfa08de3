import API
import Testing

@testable import Storage

@Suite("A large range is read in slices of one revision")
struct StoreSlicesTests {
    private func filled() throws -> StoreHarness {
        let harness = try StoreHarness()
        for n in 100..<200 { try harness.apply { _ = try $0.put("k\(n)", "first") } }
        harness.commit()
        for n in 100..<200 where n % 2 == 0 {
            try harness.apply { _ = try $0.put("k\(n)", "second") }
        }
        return harness
    }

    /// Reads `k..` slice by slice while other entries are applied in between.
    private func slices(
        of harness: StoreHarness, _ adjust: (inout RangeQuery) -> Void
    ) throws -> (pairs: [Pair], slices: Int) {
        var query = RangeQuery(revision: harness.read { $0.revision })
        adjust(&query)
        query.wantsCount = false
        var keys = KeyRange("k..")
        var all: [Pair] = []
        var slices = 0
        while true {
            let (pairs, result) = try harness.read { try $0.pairs(keys, query) }
            all += pairs
            slices += 1
            guard let next = result.next else { return (all, slices) }
            keys = KeyRange(key: next, end: .open)
            let name = String(decoding: next, as: UTF8.self)
            try harness.apply { _ = try $0.put(name, "changed meanwhile") }
            try harness.apply { _ = try $0.delete(KeyRange("k17..k19")) }
        }
    }

    @Test("By bytes: each shows at least one pair, together they show all, none changed")
    func byBytes() throws {
        let harness = try filled()
        let whole = try harness.read { try $0.pairs(KeyRange("k..")).pairs }
        #expect(whole.count == 100)
        for bytes in [0, 1, 100, 1000, 100_000] {
            let fresh = try filled()
            let sliced = try slices(of: fresh) { $0.maximumBytes = bytes }
            #expect(sliced.pairs == whole)
            #expect(bytes > 1 || sliced.slices == 100)
            #expect(bytes < 100_000 || sliced.slices == 1)
        }
    }

    @Test("By keys looked at")
    func byKeys() throws {
        let whole = try filled().read { try $0.pairs(KeyRange("k..")).pairs }
        let sliced = try slices(of: try filled()) { $0.maximumKeys = 7 }
        #expect(sliced.pairs == whole)
        #expect(sliced.slices == 15)
    }
}
