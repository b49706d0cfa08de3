import API
import TestSupport
import Testing

@testable import Services

@Suite("Watched ranges are found by key")
struct WatchIndexTests {
    private final class Mark {
        let range: KeyRange
        init(_ range: KeyRange) { self.range = range }
    }

    /// What the index is to do, plainly.
    private static func holds(_ range: KeyRange, _ key: [UInt8]) -> Bool {
        switch range.end {
        case .singleKey: return key == range.key
        case .open: return !key.lexicographicallyPrecedes(range.key)
        case .before(let end):
            return !key.lexicographicallyPrecedes(range.key) && key.lexicographicallyPrecedes(end)
        }
    }

    private static func key(_ random: inout SplitMix64) -> [UInt8] {
        (0..<Int.random(in: 1...3, using: &random)).map { _ in
            UInt8.random(in: 97...101, using: &random)
        }
    }

    private static func range(_ random: inout SplitMix64) -> KeyRange {
        let low = key(&random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0, 1: return KeyRange(key: low, end: .singleKey)
        case 2: return KeyRange(key: low, end: .open)
        default:
            let high = key(&random)
            if low == high { return KeyRange(key: low, end: .before(low + [0])) }
            let isOrdered = low.lexicographicallyPrecedes(high)
            return KeyRange(key: isOrdered ? low : high, end: .before(isOrdered ? high : low))
        }
    }

    @Test("as a plain list finds them, through thousands of changes", arguments: 1...8)
    func model(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var index = WatchIndex<Mark>()
        var model: [KeyRange: Mark] = [:]
        for step in 0..<4000 {
            let range = Self.range(&random)
            #expect(index.find(range) === model[range])
            // Grows in the first half, shrinks in the second.
            let removes = Int.random(in: 0..<3, using: &random) < (step < 2000 ? 1 : 2)
            if removes, let victim = model.keys.randomElement(using: &random) {
                index.remove(victim)
                model[victim] = nil
            } else if model[range] == nil {
                let mark = Mark(range)
                index.insert(range, mark)
                model[range] = mark
            }
            let key = Self.key(&random)
            var found: [Mark] = []
            key.withUnsafeBytes { index.forEach(containing: $0) { found.append($0) } }
            let expected = model.values.filter { Self.holds($0.range, key) }
            #expect(Set(found.map(\.range)) == Set(expected.map(\.range)))
            #expect(found.count == expected.count)
        }
        #expect(index.count == model.count)
        for range in model.keys { index.remove(range) }
        #expect(index.isEmpty)
    }

    @Test("ranges created in order make no list of the tree")
    func balance() {
        var tree = IntervalTree<Mark>()
        let mark = Mark(KeyRange(key: [0], end: .open))
        func key(_ i: Int) -> [UInt8] { withUnsafeBytes(of: UInt32(i).bigEndian) { Array($0) } }
        for i in 0..<10_000 { tree.insert(key(i), key(i + 5), mark) }
        #expect(tree.height <= 20, "1.44 log2 n")
        var found = 0
        key(5000).withUnsafeBytes { tree.forEach(containing: $0) { _ in found += 1 } }
        #expect(found == 5)
        for i in 0..<9000 { tree.remove(key(i), key(i + 5)) }
        #expect(tree.height <= 15)
        #expect(tree.count == 1000)
    }

    @Test("the same keys with different ends are different ranges")
    func ends() {
        var index = WatchIndex<Mark>()
        let ranges = [
            KeyRange(key: [97], end: .singleKey), KeyRange(key: [97], end: .open),
            KeyRange(key: [97], end: .before([98])), KeyRange(key: [97], end: .before([99])),
        ]
        for range in ranges { index.insert(range, Mark(range)) }
        for range in ranges { #expect(index.find(range)?.range == range) }
        index.remove(ranges[2])
        #expect(index.find(ranges[2]) == nil && index.find(ranges[3]) != nil)
    }
}
