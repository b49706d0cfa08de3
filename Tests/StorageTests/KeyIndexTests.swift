import API
import Testing

@testable import Storage

@Suite("Key index")
struct KeyIndexTests {
    @Test(
        "answers as a sorted array would, whatever is done to it", arguments: KeyShape.allCases,
        [UInt64(1), 2])
    func equalsItsTwin(shape: KeyShape, seed: UInt64) throws {
        var twins = KeyIndexTwins(shape: shape, seed: seed)
        for step in 1...2000 {
            twins.step()
            if step % 400 == 0 {
                try twins.index.checkInvariants()
                twins.compareAll()
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

    @Test(
        "a tree of several levels shrinks to one page as compactions drop its keys",
        arguments: [false, true])
    func shrinks(upwards: Bool) throws {
        // Separators that share nothing and are long: a few children per page, four levels.
        func key(_ number: Int) -> [UInt8] {
            [UInt8(number % 64)] + [UInt8](repeating: 7, count: 248)
                + [UInt8(number / 64 / 100), UInt8(number / 64 % 100)]
        }
        var index = KeyIndex()
        var revision = Revision.initial
        var generator = SeededGenerator(state: 3)
        let numbers = (0..<12_000).shuffled(using: &generator)
        for number in numbers {
            revision = revision.next
            _ = index.put(key(number), at: RevisionPosition(main: revision, sub: 0))
        }
        try index.checkInvariants()
        #expect(index.levels >= 3)
        let full = index.memoryBytes
        var left = 12_000
        for share in numbers.chunks(of: 3_000) {
            revision = revision.next
            for (sub, number) in (upwards ? share.sorted() : share).enumerated() {
                let at = RevisionPosition(main: revision, sub: Int64(sub))
                #expect(index.tombstone(key(number), at: at) != nil)
            }
            left -= share.count
            #expect(index.liveKeys == left)
            // The deletes of the compaction's own revision stay for the watchers of it.
            compact(&index, to: revision)
            try index.checkInvariants()
            #expect(index.keys == left + share.count)
            compact(&index, to: revision.next)
            try index.checkInvariants()
            #expect(index.keys == left)
        }
        #expect(index.levels == 1)
        #expect(index.memoryBytes < full / 2, "free pages go back to the system")
    }

    private func compact(_ index: inout KeyIndex, to revision: Revision) {
        var rest = index.compact(to: revision, budget: 500)
        while let next = rest { rest = index.compact(to: revision, from: next, budget: 500) }
    }

    @Test("what a compaction leaves of a key keeps its creation and its version")
    func compactionKeepsLife() throws {
        var index = KeyIndex()
        for main in 2...100 {
            _ = index.put([1], at: RevisionPosition(main: Revision(Int64(main)), sub: 0))
        }
        let before = index.memoryBytes
        #expect(index.compact(to: Revision(90)) == nil)
        #expect(index.get([1], at: Revision(90))?.version == 89)
        #expect(index.get([1], at: Revision(95))?.created == Revision(2))
        #expect(index.compact(to: Revision(100)) == nil)
        #expect(index.memoryBytes < before)
        try index.checkInvariants()
        let next = index.put([1], at: RevisionPosition(main: Revision(101), sub: 0))
        #expect(next.version == 100 && next.created == Revision(2))
    }

    @Test("a start from disk restores what was there")
    func restores() throws {
        var index = KeyIndex()
        func restore(
            _ key: UInt8, _ main: Int64, isTombstone: Bool = false, created: Int64 = 0,
            version: Int64 = 0
        ) -> Bool {
            withUnsafeBytes(of: key) {
                index.restore(
                    $0, at: RevisionPosition(main: Revision(main), sub: 0),
                    isTombstone: isTombstone, created: Revision(created), version: version)
            }
        }
        #expect(restore(1, 10, created: 4, version: 5))
        #expect(restore(2, 11, isTombstone: true))
        #expect(restore(1, 12, created: 4, version: 6))
        #expect(restore(2, 13, created: 13, version: 1))
        #expect(restore(1, 14, isTombstone: true))
        #expect(index.get([1], at: Revision(13))?.version == 6)
        #expect(index.get([1]) == nil)
        #expect(index.get([2])?.created == Revision(13))
        #expect(index.keys == 2 && index.liveKeys == 1)
        try index.checkInvariants()

        // Damage is told, not believed.
        #expect(!restore(2, 13, created: 13, version: 2), "twice at one position")
        #expect(!restore(1, 15, isTombstone: true), "a delete of a deleted key")
        #expect(!restore(2, 15, created: 13, version: 9), "a version left out")
        #expect(!restore(3, 15, created: 16, version: 1), "created after it was modified")
        #expect(!restore(3, 15, created: 15, version: 0), "no version")
        try index.checkInvariants()
    }

    @Test("a stretch of deleted keys does not slow a limited read of those behind it")
    func skipsTheDead() {
        var index = KeyIndex()
        func key(_ number: Int) -> [UInt8] { Array("key-\(1_000_000 + number)".utf8) }
        for number in 0..<20_000 {
            _ = index.put(key(number), at: RevisionPosition(main: Revision(2), sub: Int64(number)))
        }
        for number in 1..<19_999 {
            let at = RevisionPosition(main: Revision(3), sub: Int64(number))
            _ = index.tombstone(key(number), at: at)
        }
        var found: [[UInt8]] = []
        // Less than two full pages of looks: the pages between are jumped over.
        let end = index.visit(KeyRange(key: [0], end: .open), budget: 1000) { key, _ in
            found.append(Array(key))
            return true
        }
        #expect(end == .complete)
        #expect(found == [key(0), key(19_999)])
    }
}

extension Array {
    fileprivate func chunks(of size: Int) -> [[Element]] {
        stride(from: 0, to: count, by: size).map { Array(self[$0..<Swift.min($0 + size, count)]) }
    }
}
