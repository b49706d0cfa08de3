// The store against a twin too simple to be wrong: every change ever made, in one list.
//
// A run is a seed. It mixes changes, reads at any revision, commits that are started and finished at
// any moment, orderly restarts and crashes; after a crash the lost entries are applied again.

import API
import Testing

@testable import Storage

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
            for operation in operations { try store.perform(operation) }
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
