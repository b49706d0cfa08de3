import API
import Testing

@testable import Storage

/// Shapes of keys that press on different parts of a page.
enum KeyShape: String, CaseIterable {
    /// A few letters: many keys are beginnings of others, many operations meet one key.
    case short
    /// Kubernetes' paths: long shared beginnings.
    case paths
    /// Any bytes, 0x00 and 0xff often.
    case binary
    /// Around the limit for keys inside a page, and far above.
    case long

    func key(_ generator: inout SeededGenerator) -> [UInt8] {
        switch self {
        case .short:
            return (0..<Int.random(in: 1...5, using: &generator)).map { _ in
                UInt8(ascii: "a") + UInt8.random(in: 0..<3, using: &generator)
            }
        case .paths:
            let kind = ["pods", "events", "leases"].randomElement(using: &generator) ?? ""
            let space = Int.random(in: 0..<8, using: &generator)
            let name = Int.random(in: 0..<400, using: &generator)
            return Array("/registry/\(kind)/namespace-\(space)/object-\(name)".utf8)
        case .binary:
            return (0..<Int.random(in: 1...12, using: &generator)).map { _ in
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: 0
                case 1: 0xff
                default: UInt8.random(in: 0...255, using: &generator)
                }
            }
        case .long:
            let length = [1, 250, 256, 257, 300, 5000].randomElement(using: &generator) ?? 1
            let letter = UInt8.random(in: 0..<3, using: &generator)
            var key = [UInt8](repeating: letter, count: length)
            for _ in 0..<2 {
                let place = Int.random(in: 0..<length, using: &generator)
                key[place] = UInt8.random(in: 0..<8, using: &generator)
            }
            return key
        }
    }
}

@Suite("Key index")
struct KeyIndexTests {
    @Test("answers as a sorted array would, whatever is done to it", arguments: KeyShape.allCases)
    func equalsItsTwin(shape: KeyShape) throws {
        for seed in 1...1 {
            var twins = KeyIndexTwins(shape: shape, seed: UInt64(seed))
            for step in 1...3000 {
                twins.step()
                if step % 500 == 0 {
                    try twins.index.checkInvariants()
                    twins.compareAll()
                }
            }
        }
    }

    @Test(
        "keeps order and counts, in whatever order keys come",
        arguments: ["ascending", "descending", "random"])
    func orderOfInsertion(order: String) throws {
        var index = KeyIndex()
        var numbers = Array(0..<20_000)
        var generator = SeededGenerator(state: 7)
        if order == "descending" { numbers.reverse() }
        if order == "random" { numbers.shuffle(using: &generator) }
        func key(_ number: Int) -> [UInt8] { Array("key-\(1_000_000 + number)".utf8) }
        for (i, number) in numbers.enumerated() {
            _ = index.put(key(number), at: .init(main: Revision(Int64(i) + 2), sub: 0))
        }
        try index.checkInvariants()
        #expect(index.keys == 20_000)
        #expect(index.count(in: KeyRange(key: key(5), end: .before(key(19_005)))) == 19_000)
        var next = 0
        let end = index.visit(KeyRange(key: [0], end: .open)) { bytes, _ in
            #expect(Array(bytes) == key(next))
            next += 1
            return true
        }
        #expect(end == .complete && next == 20_000)
    }

    @Test("a key's lives follow each other within one transaction")
    func livesInOneTransaction() {
        var index = KeyIndex()
        let key: [UInt8] = [1]
        func at(_ main: Int64, _ sub: Int64) -> RevisionPosition {
            RevisionPosition(main: Revision(main), sub: sub)
        }
        #expect(index.put(key, at: at(2, 0)).version == 1)
        #expect(index.put(key, at: at(3, 0)).version == 2)
        #expect(index.tombstone(key, at: at(4, 0))?.version == 2)
        #expect(index.tombstone(key, at: at(4, 1)) == nil)
        let put = index.put(key, at: at(4, 1))
        #expect(put.version == 1 && put.created == Revision(4) && put.previous == nil)
        #expect(index.get(key, at: Revision(4))?.modified == at(4, 1))
        #expect(index.get(key, at: Revision(3))?.version == 2)
        #expect(index.get(key, at: Revision(1)) == nil)
    }

    @Test("numbers too large for a leaf's word are kept whole")
    func largeNumbers() throws {
        var index = KeyIndex()
        let main = Revision(Int64.max - 10)
        let position = RevisionPosition(main: main, sub: 1 << 20)
        _ = index.put([1], at: position)
        #expect(
            index.get([1]) == IndexedVersion(modified: position, created: main, version: 1))
        try index.checkInvariants()
    }
}

/// An index and its twin, and random steps that both must take alike.
struct KeyIndexTwins: ~Copyable {
    var index = KeyIndex()
    var model = KeyIndexModel()
    var generator: SeededGenerator
    let shape: KeyShape
    var revision = Revision.initial
    var compacted = Revision(0)

    init(shape: KeyShape, seed: UInt64) {
        self.shape = shape
        generator = SeededGenerator(state: seed)
    }

    mutating func step() {
        switch Int.random(in: 0..<20, using: &generator) {
        case 0..<9: transaction { $0.put(at: $1) }
        case 9..<12: transaction { $0.delete(at: $1) }
        case 12: deleteStretch()
        case 13..<16: compareGet()
        default: compareRange()
        }
    }

    private mutating func transaction(
        _ change: (inout KeyIndexTwins, RevisionPosition) -> Void
    ) {
        revision = revision.next
        for sub in 0..<Int64.random(in: 1...3, using: &generator) {
            change(&self, RevisionPosition(main: revision, sub: sub))
        }
    }

    private mutating func put(at position: RevisionPosition) {
        let key = shape.key(&generator)
        let outcome = index.put(key, at: position)
        #expect(outcome.previous == model.put(key, at: position))
        let now = model.get(key, at: nil)
        #expect(outcome.created == now?.created && outcome.version == now?.version)
    }

    private mutating func delete(at position: RevisionPosition) {
        let key = model.keys.randomElement(using: &generator) ?? [9]
        #expect(index.tombstone(key, at: position) == model.tombstone(key, at: position))
    }

    /// Deletes neighbours, so that whole leaves die.
    private mutating func deleteStretch() {
        guard Int.random(in: 0..<20, using: &generator) == 0 else { return }
        revision = revision.next
        let range = someRange()
        for (sub, (key, _)) in model.range(range, at: nil).enumerated() {
            let position = RevisionPosition(main: revision, sub: Int64(sub))
            #expect(index.tombstone(key, at: position) == model.tombstone(key, at: position))
        }
        #expect(index.count(in: range) == 0)
    }

    private mutating func someRange() -> KeyRange {
        let key = shape.key(&generator)
        return switch Int.random(in: 0..<8, using: &generator) {
        case 0: KeyRange(key: key, end: .singleKey)
        case 1: KeyRange(key: key, end: .open)
        case 2: KeyRange(key: [0], end: .open)
        default: KeyRange(key: key, end: .before(shape.key(&generator)))
        }
    }

    private mutating func someRevision() -> Revision? {
        if Bool.random(using: &generator) { return nil }
        return Revision(
            Int64.random(in: compacted.rawValue...revision.rawValue + 2, using: &generator))
    }

    private mutating func compareGet() {
        let known = model.keys.randomElement(using: &generator) ?? [9]
        let key = Bool.random(using: &generator) ? known : shape.key(&generator)
        let revision = someRevision()
        #expect(index.get(key, at: revision) == model.get(key, at: revision))
    }

    private mutating func compareRange() {
        let range = someRange()
        let revision = someRevision()
        let expected = model.range(range, at: revision)
        #expect(index.count(in: range, at: revision) == expected.count)
        let limit = Int.random(in: 1...(2 * expected.count + 1), using: &generator)
        let budget = Int.random(in: 1...50, using: &generator)
        let found = collect(range, at: revision, limit: limit, budget: budget)
        #expect(found.map(\.key) == expected.prefix(limit).map(\.key))
        #expect(found.map(\.version) == expected.prefix(limit).map(\.1))
    }

    /// Reads a range in slices.
    private func collect(
        _ range: KeyRange, at revision: Revision?, limit: Int, budget: Int
    ) -> [(key: [UInt8], version: IndexedVersion)] {
        var found: [(key: [UInt8], version: IndexedVersion)] = []
        var rest = range
        while true {
            let end = index.visit(rest, at: revision, budget: budget) { key, version in
                found.append((Array(key), version))
                return found.count < limit
            }
            guard case .paused(let next) = end else { return found }
            rest = KeyRange(key: next, end: range.end)
        }
    }

    /// Compares every key at the newest revision and at some past one.
    mutating func compareAll() {
        for revision in [nil, someRevision()] {
            let all = KeyRange(key: [0], end: .open)
            let expected = model.range(all, at: revision)
            let found = collect(all, at: revision, limit: .max, budget: 1000)
            #expect(found.map(\.key) == expected.map(\.key))
            #expect(found.map(\.version) == expected.map(\.1))
            #expect(index.count(in: all, at: revision) == expected.count)
        }
        #expect(index.keys == model.keys.count)
        #expect(index.liveKeys == model.range(KeyRange(key: [0], end: .open), at: nil).count)
    }
}
