// Ranges with every field against a twin too simple to be wrong: all pairs in a list, from which it
// answers by the words of semantics.md, Range. Both see the same random keys, few enough that
// orders tie, filters bite and limits cut.

import API
import Storage
import TestSupport
import Testing

@testable import Services

private struct TwinPair: Equatable {
    var key: String
    var value: String
    var created: Int64
    var modified: Int64
    var version: Int64
    var lease: Int64
}

/// A RangeRequest as the twin reads it.
private struct Wish: CustomStringConvertible {
    var key = "\0"
    var end = "\0"
    var limit: Int64 = 0
    var revision: Int64 = 0
    var order = SortOrder.none
    var target = SortTarget.key
    var keysOnly = false
    var countOnly = false
    var minModified: Int64 = 0
    var maxModified: Int64 = 0
    var minCreated: Int64 = 0
    var maxCreated: Int64 = 0

    var hasFilter: Bool {
        minModified != 0 || maxModified != 0 || minCreated != 0 || maxCreated != 0
    }

    var encodedRequest: [UInt8] {
        Request.range(
            key, to: end, limit: limit, revision: revision, order: order, by: target,
            keysOnly: keysOnly, countOnly: countOnly)
            + encoded {
                $0.appendField(10, int64: minModified)
                $0.appendField(11, int64: maxModified)
                $0.appendField(12, int64: minCreated)
                $0.appendField(13, int64: maxCreated)
            }
    }

    var description: String {
        "[\(key.debugDescription), \(end.debugDescription)) limit \(limit) at \(revision) "
            + "\(order) by \(target) keysOnly \(keysOnly) countOnly \(countOnly) "
            + "mod \(minModified)...\(maxModified) create \(minCreated)...\(maxCreated)"
    }

    init(_ dice: inout SeededDice, newest: Int64) {
        switch dice.below(6) {
        case 0: (key, end) = (dice.key(), "")
        case 1: (key, end) = (dice.key(), dice.key())
        case 2: end = dice.key()
        case 3: key = dice.key()
        default: break
        }
        if dice.below(2) == 0 { limit = Int64(dice.below(8)) }
        if dice.below(3) == 0 { revision = Int64(dice.below(Int(newest) + 1)) }
        if dice.below(3) > 0 {
            order = [.none, .ascend, .descend][dice.below(3)]
            target = [.key, .version, .create, .mod, .value][dice.below(5)]
        }
        keysOnly = dice.below(4) == 0
        countOnly = dice.below(10) == 0
        if dice.below(3) == 0 {
            if dice.below(2) == 0 { minModified = Int64(dice.below(Int(newest))) }
            if dice.below(2) == 0 { maxModified = Int64(dice.below(Int(newest) + 2)) }
            if dice.below(4) == 0 { minCreated = Int64(dice.below(Int(newest))) }
            if dice.below(4) == 0 { maxCreated = Int64(dice.below(Int(newest) + 2)) }
        }
    }
}

private struct SeededDice {
    let random: SeededRandom
    func below(_ bound: Int) -> Int { Int(random.next() % UInt64(bound)) }
    func key() -> String { String((0..<1 + below(2)).map { _ in "abcdefgh".randomLetter(self) }) }
    func value() -> String {
        // Long ones with the same beginning, too.
        let head = below(2) == 0 ? "" : "headhead"
        return head + String((0..<below(3)).map { _ in "xyz".randomLetter(self) })
    }
}

extension String {
    fileprivate func randomLetter(_ dice: SeededDice) -> Character {
        self[index(startIndex, offsetBy: dice.below(count))]
    }
}

/// Every pair at every revision.
private struct Twin {
    private var states: [[String: TwinPair]] = [[:], [:]]
    var revision: Int64 { Int64(states.count - 1) }

    mutating func change(_ puts: [(String, String, Int64)], deletes: [String]) {
        var state = states[states.count - 1]
        let next = revision + 1
        for (key, value, lease) in puts {
            let old = state[key]
            state[key] = TwinPair(
                key: key, value: value, created: old?.created ?? next, modified: next,
                version: (old?.version ?? 0) + 1, lease: lease)
        }
        for key in deletes { state[key] = nil }
        states.append(state)
    }

    func answer(_ wish: Wish) -> String {
        let state = states[Int(wish.revision > 0 ? wish.revision : revision)]
        let all = state.values.sorted { $0.key < $1.key }.filter { pair in
            if wish.end.isEmpty { return pair.key == wish.key }
            return pair.key >= wish.key && (wish.end == "\0" || pair.key < wish.end)
        }
        if wish.countOnly { return "[] count \(all.count)" }
        var pairs = all.filter { pair in
            (wish.minModified == 0 || pair.modified >= wish.minModified)
                && (wish.maxModified == 0 || pair.modified <= wish.maxModified)
                && (wish.minCreated == 0 || pair.created >= wish.minCreated)
                && (wish.maxCreated == 0 || pair.created <= wish.maxCreated)
        }
        let limit = wish.limit > 0 ? Int(wish.limit) : .max
        let isCutFirst = wish.order == .none && !wish.hasFilter && limit < .max
        if isCutFirst { pairs = Array(pairs.prefix(limit + 1)) }
        pairs = sorted(pairs, wish)
        let more = pairs.count > limit
        pairs = Array(pairs.prefix(limit))
        if wish.keysOnly {
            for place in pairs.indices {
                pairs[place].value = ""
                if wish.target != .value { pairs[place].lease = 0 }
            }
        }
        let texts = pairs.map { pair in
            "\(pair.key)=\(pair.value) \(pair.created) \(pair.modified) \(pair.version)"
                + (pair.lease == 0 ? "" : " lease \(pair.lease)")
        }
        return "[\(texts.joined(separator: ", "))] count \(all.count)" + (more ? " more" : "")
    }

    /// Of pairs that tie the smaller key comes first.
    private func sorted(_ pairs: [TwinPair], _ wish: Wish) -> [TwinPair] {
        func compare<Rank: Comparable>(_ rank: (TwinPair) -> Rank) -> [TwinPair] {
            pairs.sorted { a, b in
                if rank(a) == rank(b) { return a.key < b.key }
                return wish.order == .descend ? rank(a) > rank(b) : rank(a) < rank(b)
            }
        }
        return switch wish.target {
        case .key: compare { $0.key }
        case .version: compare { $0.version }
        case .create: compare { $0.created }
        case .mod: compare { $0.modified }
        case .value: compare { $0.value }
        }
    }
}

@Suite("A Range with every field agrees with a twin that keeps all pairs of all revisions")
struct RangeModelTests {
    @Test("whole and in slices of any size", arguments: UInt64(1)...10)
    func agrees(seed: UInt64) throws {
        let dice = SeededDice(random: SeededRandom(seed: seed))
        let directory = try TemporaryDirectory()
        let core = DeterministicExecutor()
        let store = try PlayedMember.openStore(
            directory, on: core, committingOn: DeterministicExecutor()
        ).store
        var twin = Twin()
        for index in 1...60 {
            let puts = (0...dice.below(4)).map { _ in
                (dice.key(), dice.value(), Int64(dice.below(3)))
            }
            let deletes = dice.below(4) == 0 ? [dice.key()] : []
            twin.change(puts, deletes: deletes)
            try core.turn { try apply(puts, deletes, at: UInt64(index), to: store) }
            for _ in 0..<20 {
                var dice = dice
                let wish = Wish(&dice, newest: twin.revision)
                let expected = twin.answer(wish)
                let slice = RangeEvaluation.Slice(
                    pairs: 1 + dice.below(4), bytes: 1 + dice.below(200), keys: 1 + dice.below(6))
                let whole = try core.turn { try evaluate(wish, .unlimited, store) }
                let sliced = try core.turn { try evaluate(wish, slice, store) }
                #expect(whole == expected, "\(wish)")
                #expect(sliced == expected, "\(wish) by \(slice)")
            }
        }
    }

    private func apply(
        _ puts: [(String, String, Int64)], _ deletes: [String], at index: UInt64,
        to store: MVCCStore
    ) throws {
        try store.assumeIsolated { store in
            _ = try store.beginApply(at: LogIndex(index), term: Term(1))
            for (key, value, lease) in puts {
                _ = try Array(key.utf8).withUnsafeBytes { key in
                    try Array(value.utf8).withUnsafeBytes {
                        try store.put(key: key, value: $0, lease: LeaseID(lease))
                    }
                }
            }
            for key in deletes {
                _ = try Array(key.utf8).withUnsafeBytes {
                    try store.deleteRange(KeyBounds(lower: $0, upper: .single))
                }
            }
            store.endApply()
        }
    }

    private func evaluate(
        _ wish: Wish, _ slice: RangeEvaluation.Slice, _ store: MVCCStore
    ) throws -> String {
        try store.assumeIsolated { store in
            let arena = Arena()
            return try withExtendedLifetime(arena) {
                let request = try RangeRequest.decode(wish.encodedRequest, in: arena)
                var evaluation = RangeEvaluation(request)
                var bytes = ByteBuffer()
                while try !evaluation.step(slice, of: store, into: &bytes) {}
                return try Response.range(bytes.array)
            }
        }
    }
}
