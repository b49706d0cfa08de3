// Sequences out of a seed: valid requests and such as a server must refuse, over few keys, so that
// they meet.
//
// Each sequence has habits of its own (how many keys, how much of which request, how deep its
// transactions): sequences that each do something to excess find what an even mixture does not
// (Groce and others, "Swarm testing", 2012).

import API
import TestSupport

/// What a sequence is made of.
struct Habits: Sendable {
    /// How often each method comes; a method that is absent does not come at all.
    var weights: [Method: Int]
    /// How many different keys there are.
    var keyCount = 8
    /// How deep transactions nest.
    var txnDepth = 3
    /// The servers' limit for the operations of a transaction.
    var maxTxnOps = 128
    /// Whether all is deleted and compacted at times.
    var sweeps: Bool { [.delete, .compact, .hashKV].allSatisfy { (weights[$0] ?? 0) > 0 } }
    /// After so many requests, on average, both servers start again; nil is never.
    var restartEvery: Int? = 1500
    /// Cairn's `--snapshot-count`.
    var snapshotCount = 10_000

    /// The habits of a seed.
    init(_ random: inout SplitMix64, methods: [Method] = Method.allCases) {
        let usual: [Method: ClosedRange<Int>] = [
            .put: 8...30, .range: 4...14, .delete: 1...5, .txn: 8...40, .compact: 0...2,
            .hashKV: 0...2, .rangeStream: 0...6, .defragment: 0...1,
        ]
        weights = [:]
        for method in methods {
            weights[method] = usual[method].map { Int.random(in: $0, using: &random) }
        }
        keyCount =
            random.chance(1, in: 8) ? 300 : Int.random(in: 3...14, using: &random)
        txnDepth = Int.random(in: 1...4, using: &random)
        maxTxnOps = random.picks(from: [3, 8, 128])
        restartEvery = random.picks(from: [800, 1500, 3000])
        snapshotCount = random.picks(from: [100, 1000, 10_000])
    }
}

struct SequenceGenerator {
    var random: SplitMix64
    let habits: Habits
    private let methods: [Method]
    /// What the transaction that is being made has put already; nil outside of one. One fault
    /// refuses all of a transaction, so that there must be fewer of them than outside.
    var keysOfTxn: Set<[UInt8]>?

    init(seed: UInt64, methods: [Method] = Method.allCases) {
        random = SplitMix64(seed: seed)
        habits = Habits(&random, methods: methods)
        // In the order of the cases: a dictionary's own differs from process to process.
        let weights = habits.weights
        self.methods = Method.allCases.flatMap {
            Array(repeating: $0, count: weights[$0] ?? 0)
        }
    }

    /// The next `count` steps. Reads come in runs, for those can be under way together.
    mutating func steps(_ count: Int) -> [Step] {
        var steps: [Step] = []
        steps.reserveCapacity(count)
        while steps.count < count {
            if let every = habits.restartEvery, random.chance(1, in: every) {
                steps.append(.restart)
            }
            if habits.sweeps, random.chance(1, in: 400) { steps += sweep() }
            let method = random.picks(from: methods)
            let run = method == .range ? Int.random(in: 1...8, using: &random) : 1
            for _ in 0..<min(run, max(1, count - steps.count)) {
                steps.append(.call(method, call(method)))
            }
        }
        return steps
    }

    /// Nothing is left but what a compaction keeps of it, which is seldom so otherwise; and perhaps
    /// a restart at once, while the compaction is under way or nothing is left to tell the revision.
    private mutating func sweep() -> [Step] {
        var delete = Message(.delete)
        delete.set(1, [0])
        delete.set(2, [0])
        var compact = Message(.compact)
        compact.set(1, .newest(-random.picks(from: [0, 0, 1])))
        if random.chance(1, in: 2) { compact.set(2, 1) }
        var steps: [Step] = [.call(.delete, delete), .call(.compact, compact)]
        if habits.restartEvery != nil, random.chance(1, in: 4) { steps.append(.restart) }
        steps.append(.call(.hashKV, Message(.hashKV)))
        return steps
    }

    private mutating func call(_ method: Method) -> Message {
        switch method {
        case .put: put()
        case .range: range()
        case .rangeStream: rangeStream()
        case .delete: delete()
        case .txn: txn()
        case .compact: compact()
        case .hashKV: hashKV()
        case .defragment: Message(.defragment)
        }
    }

    // MARK: Requests

    mutating func put() -> Message {
        var put = Message(.put)
        put.set(1, keyToChange())
        let isInTxn = keysOfTxn != nil
        let ignoresValue = random.chance(1, in: isInTxn ? 20 : 8)
        if !ignoresValue || random.chance(1, in: 20) { put.set(2, value()) }
        if random.chance(1, in: isInTxn ? 200 : 30) {
            put.set(3, random.picks(from: [7, -1, Int64.max]))
        }
        if random.chance(1, in: 2) { put.set(4, 1) }
        if ignoresValue { put.set(5, 1) }
        if random.chance(1, in: isInTxn ? 20 : 10) { put.set(6, 1) }
        return put
    }

    mutating func range() -> Message {
        var range = Message(.range)
        range.set(1, key())
        if random.chance(2, in: 3) { setRangeEnd(2, of: &range) }
        if random.chance(1, in: 3) {
            range.set(3, random.picks(from: [1, 1, 2, 2, 3, 5, 100, -1, .max, .min]))
        }
        if random.chance(1, in: 3) { set(4, of: &range, oldRevision()) }
        if random.chance(1, in: 4) {
            range.set(5, random.picks(from: [0, 1, 2, 2]))
        }
        if random.chance(1, in: 4) { range.set(6, Int64.random(in: 0...4, using: &random)) }
        // Outside the enums, negative too (protobuf's enums are 32 bits).
        if random.chance(1, in: 100) { range.set(5, random.picks(from: [3, -1, 1 << 30])) }
        if random.chance(1, in: 100) { range.set(6, random.picks(from: [5, -1, 1 << 30])) }
        if random.chance(1, in: 3) { range.set(7, 1) }
        if random.chance(1, in: 6) { range.set(8, 1) }
        if random.chance(1, in: 10) { range.set(9, 1) }
        if random.chance(1, in: 6) {
            for bound in 10...13 where random.chance(1, in: 2) {
                set(bound, of: &range, oldRevision())
            }
        }
        return range
    }

    /// Mostly one that a stream serves: in the order of keys, without filters.
    private mutating func rangeStream() -> Message {
        var range = range()
        if !random.chance(1, in: 30) {
            range.fields.removeAll { [5, 6, 10, 11, 12, 13].contains($0.number) }
        }
        return range
    }

    mutating func delete() -> Message {
        var delete = Message(.delete)
        delete.set(1, keyToChange())
        if random.chance(1, in: keysOfTxn == nil ? 2 : 4) { setRangeEnd(2, of: &delete) }
        if random.chance(1, in: 2) { delete.set(3, 1) }
        return delete
    }

    mutating func compact() -> Message {
        var compact = Message(.compact)
        switch Int.random(in: 0..<10, using: &random) {
        case 0: set(1, of: &compact, .compacted(Int64.random(in: -1...1, using: &random)))
        case 1: compact.set(1, random.picks(from: [0, 0, -1, .max, .min]))
        case 2: set(1, of: &compact, .newest(Int64.random(in: 0...1, using: &random)))
        default: set(1, of: &compact, .newest(-Int64.random(in: 0...60, using: &random)))
        }
        if random.chance(1, in: 2) { compact.set(2, 1) }
        return compact
    }

    mutating func hashKV() -> Message {
        var hash = Message(.hashKV)
        if random.chance(2, in: 3) { set(1, of: &hash, oldRevision()) }
        return hash
    }

    // MARK: Parts

    private static let keys: [[UInt8]] =
        ["a", "b", "ab", "a\0", "aa", "c", "\0", "é", "b\0b", "zzz", "\u{7f}"].map {
            Array($0.utf8)
        } + [[0xFF], [0xFF, 0xFF], [0, 0]]

    mutating func key() -> [UInt8] {
        if random.chance(1, in: keysOfTxn == nil ? 60 : 400) { return [] }
        let number = Int.random(in: 0..<habits.keyCount, using: &random)
        return number < Self.keys.count ? Self.keys[number] : Array("k\(number)".utf8)
    }

    /// A key that the transaction has not touched yet, mostly: else it is refused as a duplicate.
    private mutating func keyToChange() -> [UInt8] {
        var key = key()
        guard let taken = keysOfTxn else { return key }
        for _ in 0..<4 where taken.contains(key) { key = self.key() }
        keysOfTxn?.insert(key)
        return key
    }

    /// All conventions of `range_end`: from the key on, a prefix, any other key. It is absent
    /// rather than empty (the table of known differences says why).
    mutating func setRangeEnd(_ field: Int, of message: inout Message) {
        let end = rangeEnd()
        if !end.isEmpty { message.set(field, end) }
    }

    private mutating func rangeEnd() -> [UInt8] {
        switch Int.random(in: 0..<5, using: &random) {
        case 0, 1: return [0]
        case 2:
            var end = key()
            while let last = end.popLast() {
                if last < 0xFF { return end + [last + 1] }
            }
            return [0]
        default: return key()
        }
    }

    mutating func value() -> [UInt8] {
        switch Int.random(in: 0..<40, using: &random) {
        case 0: []
        case 1: Array(repeating: 0x78, count: Int.random(in: 100...5000, using: &random))
        default: Array(String(Int.random(in: 0..<20, using: &random)).utf8)
        }
    }

    /// A revision that may be read, mostly; else one of those at the borders.
    mutating func oldRevision() -> RevisionChoice? {
        switch Int.random(in: 0..<12, using: &random) {
        case 0...5: .newest(-Int64.random(in: 0...12, using: &random))
        case 6: .newest(-Int64.random(in: 0...100, using: &random))
        case 7, 8: .compacted(Int64.random(in: -1...3, using: &random))
        case 9: .newest(Int64.random(in: -1...2, using: &random))
        default: random.chance(1, in: keysOfTxn == nil ? 1 : 8) ? nil : .newest(0)
        }
    }

    /// Sets a field; without a choice to a number that no store is likely to reach.
    mutating func set(_ field: Int, of message: inout Message, _ choice: RevisionChoice?) {
        if let choice {
            message.set(field, choice)
        } else {
            message.set(field, random.picks(from: [0, 1, -1, .max, .min]))
        }
    }
}

extension SplitMix64 {
    mutating func chance(_ number: Int, in total: Int) -> Bool {
        Int.random(in: 0..<total, using: &self) < number
    }

    mutating func picks<Choices: RandomAccessCollection>(from choices: Choices) -> Choices.Element {
        choices[
            choices.index(
                choices.startIndex, offsetBy: Int.random(in: 0..<choices.count, using: &self))]
    }
}
