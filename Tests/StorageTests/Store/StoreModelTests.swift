// The store against a twin too simple to be wrong: every change ever made, in one list.
//
// A run is a seed. It mixes changes, reads at any revision, commits that are started and finished at
// any moment, orderly restarts and crashes; after a crash the lost entries are applied again.

import API
import Testing

@testable import Storage

/// All changes in order. Reading is replaying.
private struct Twin {
    struct Change {
        let main: Int64
        let key: [UInt8]
        /// nil is a deletion.
        let pair: Pair?
    }
    var changes: [Change] = []
    var revision: Int64 = 1

    func state(at revision: Int64) -> [Pair] {
        var pairs: [[UInt8]: Pair] = [:]
        for change in changes where change.main <= revision { pairs[change.key] = change.pair }
        return pairs.values.sorted { $0.key.lexicographicallyPrecedes($1.key) }
    }

    func pairs(_ range: KeyRange, at revision: Int64) -> [Pair] {
        state(at: revision).filter { range.contains($0.key) }
    }

    /// One entry: its operations run in order and share a revision.
    mutating func apply(_ operations: [Operation]) {
        let main = revision + 1
        let before = changes.count
        for operation in operations {
            switch operation {
            case .put(let key, let value, let lease):
                let old = state(at: main).first { $0.key == key }
                let pair = Pair(
                    key: key, value: value, created: old?.created ?? main, modified: main,
                    version: (old?.version ?? 0) + 1, lease: lease)
                changes.append(Change(main: main, key: key, pair: pair))
            case .delete(let range):
                for pair in pairs(range, at: main) {
                    changes.append(Change(main: main, key: pair.key, pair: nil))
                }
            }
        }
        if changes.count > before { revision = main }
    }
}

private enum Operation {
    case put([UInt8], [UInt8], lease: Int64)
    case delete(KeyRange)
}

extension KeyRange {
    fileprivate func contains(_ other: [UInt8]) -> Bool {
        switch end {
        case .singleKey: other == key
        case .open: !other.lexicographicallyPrecedes(key)
        case .before(let end):
            !other.lexicographicallyPrecedes(key) && other.lexicographicallyPrecedes(end)
        }
    }
}

/// SplitMix64: small, and the same everywhere.
private struct Dice: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    mutating func key() -> [UInt8] {
        (0..<Int.random(in: 1...3, using: &self)).map { _ in
            UInt8.random(in: 0x61...0x64, using: &self)
        }
    }

    mutating func range() -> KeyRange {
        switch Int.random(in: 0..<4, using: &self) {
        case 0, 1: KeyRange(key: key(), end: .singleKey)
        case 2: KeyRange(key: key(), end: .before(key()))
        default: KeyRange(key: key(), end: .open)
        }
    }

    mutating func operation() -> Operation {
        if Int.random(in: 0..<4, using: &self) == 0 { return .delete(range()) }
        let length = Int.random(in: 0..<10, using: &self) == 0 ? 5000 : 5
        let value = (0..<length).map { _ in UInt8.random(in: 0...255, using: &self) }
        return .put(key(), value, lease: Int64.random(in: 0...2, using: &self))
    }
}

@Suite("The store agrees with a twin that keeps every change in a list")
struct StoreModelTests {
    @Test("through commits, restarts and crashes", arguments: UInt64(1)...12)
    func agrees(seed: UInt64) throws {
        var dice = Dice(state: seed)
        let harness = try StoreHarness { $0.batchLimit = 40 }
        var twin = Twin()
        var log: [[Operation]] = []
        for _ in 0..<250 {
            switch Int.random(in: 0..<20, using: &dice) {
            case 0: harness.startCommit()
            case 1: harness.finishCommits()
            case 2: try harness.finishAndReopen()
            case 3:
                try harness.crash()
                for lost in log[Int(harness.lastIndex.rawValue)...] { try apply(lost, harness) }
            default:
                let count = Int.random(in: 0..<4, using: &dice)
                let operations = (0..<max(1, count)).map { _ in dice.operation() }
                log.append(operations)
                twin.apply(operations)
                try apply(operations, harness)
            }
            #expect(harness.read { $0.revision.rawValue } == twin.revision)
            try compare(harness, twin, &dice)
        }
        try compareAll(harness, twin)
        try harness.finishAndReopen()
        try compareAll(harness, twin)
    }

    private func apply(_ operations: [Operation], _ harness: StoreHarness) throws {
        try harness.apply { store in
            for operation in operations {
                switch operation {
                case .put(let key, let value, let lease):
                    _ = try key.withUnsafeBytes { key in
                        try value.withUnsafeBytes {
                            try store.put(key: key, value: $0, lease: LeaseID(lease))
                        }
                    }
                case .delete(let range):
                    let expected = try store.pairs(range).pairs
                    let (deleted, pairs) = try store.delete(range, wantsPairs: true)
                    #expect(pairs == expected)
                    #expect(deleted == expected.count)
                }
            }
        }
    }

    /// A random range at a random revision.
    private func compare(_ harness: StoreHarness, _ twin: Twin, _ dice: inout Dice) throws {
        let range = dice.range()
        let revision = Int64.random(in: 1...twin.revision, using: &dice)
        var query = RangeQuery(revision: Bool.random(using: &dice) ? Revision(revision) : nil)
        if Bool.random(using: &dice) { query.limit = Int.random(in: 0..<5, using: &dice) }
        let expected = twin.pairs(range, at: query.revision?.rawValue ?? twin.revision)
        let cut = Array(expected.prefix(query.limit))
        let (pairs, result) = try harness.read { try $0.pairs(range, query) }
        #expect(pairs == cut, "\(range) \(query)")
        #expect(result.count == expected.count)
        #expect(result.more == (cut.count < expected.count))
    }

    private func compareAll(_ harness: StoreHarness, _ twin: Twin) throws {
        for revision in 1...twin.revision {
            let query = RangeQuery(revision: Revision(revision))
            let pairs = try harness.read {
                try $0.pairs(KeyRange(key: [0], end: .open), query).pairs
            }
            #expect(pairs == twin.state(at: revision))
        }
    }
}
