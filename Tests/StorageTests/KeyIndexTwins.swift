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

/// An index and its twin, and random steps that both must take alike.
struct KeyIndexTwins: ~Copyable {
    var index = KeyIndex()
    var model = KeyIndexModel()
    var generator: SeededGenerator
    let shape: KeyShape
    var revision = Revision.initial
    var compacted = Revision(0)
    /// Where the compaction under way goes on; nil when none is.
    var compactionRest: [UInt8]?

    init(shape: KeyShape, seed: UInt64) {
        self.shape = shape
        generator = SeededGenerator(state: seed)
    }

    mutating func step() {
        switch Int.random(in: 0..<20, using: &generator) {
        case 0..<9: transaction { $0.put(at: $1) }
        case 9..<12: transaction { $0.delete(at: $1) }
        case 12: deleteStretch()
        case 13: compact()
        case 14..<17: compareGet()
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
        guard Int.random(in: 0..<20, using: &generator) < 4 else { return }
        revision = revision.next
        let range = someRange()
        for (sub, (key, _)) in model.range(range, at: nil).enumerated() {
            let position = RevisionPosition(main: revision, sub: Int64(sub))
            #expect(index.tombstone(key, at: position) == model.tombstone(key, at: position))
        }
        #expect(index.count(in: range) == 0)
    }

    /// Begins a compaction, or does another slice of the one under way.
    private mutating func compact() {
        let budget = Int.random(in: 1...300, using: &generator)
        if let rest = compactionRest {
            compactionRest = index.compact(to: compacted, from: rest, budget: budget)
        } else if Int.random(in: 0..<4, using: &generator) == 0 {
            compacted = Revision(
                Int64.random(in: compacted.rawValue...revision.rawValue, using: &generator))
            compareKeeps()
            model.compact(to: compacted)
            compactionRest = index.compact(to: compacted, budget: budget)
            compareKeeps()
        }
    }

    private func compareKeeps() {
        for (key, changes) in model.changes.prefix(200) {
            for change in changes {
                let keeps = key.withUnsafeBytes {
                    index.keeps($0, change.position, compactingAt: compacted)
                }
                #expect(keeps == model.keeps(key, change, compactingAt: compacted))
            }
        }
    }

    /// Finishes a compaction under way.
    mutating func finishCompaction() {
        while let rest = compactionRest {
            compactionRest = index.compact(to: compacted, from: rest, budget: 1000)
        }
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
        finishCompaction()
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
