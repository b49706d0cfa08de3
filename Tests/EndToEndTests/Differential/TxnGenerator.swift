// Transactions: nested, with duplicate keys, too many operations and operations without a request.

import TestSupport

extension SequenceGenerator {
    mutating func txn() -> Message {
        keysOfTxn = []
        defer { keysOfTxn = nil }
        return txn(depth: 1, isReadOnly: random.chance(1, in: 6))
    }

    private mutating func txn(depth: Int, isReadOnly: Bool) -> Message {
        var txn = Message(.txn)
        for _ in 0..<length(of: [0, 1, 1, 2, 3]) { txn.set(1, compare()) }
        for branch in 2...3 {
            for _ in 0..<length(of: [0, 1, 1, 2, 3, 4]) {
                txn.set(branch, operation(depth: depth, isReadOnly: isReadOnly))
            }
        }
        return txn
    }

    /// Seldom one at the limit; a list of 128 costs as much as 30 other requests.
    private mutating func length(of usual: [Int]) -> Int {
        guard random.chance(1, in: habits.maxTxnOps > 100 ? 200 : 30) else {
            return random.picks(from: usual)
        }
        return habits.maxTxnOps + Int.random(in: -1...1, using: &random)
    }

    private mutating func operation(depth: Int, isReadOnly: Bool) -> Message {
        var operation = Message(.operation)
        switch Int.random(in: 0..<100, using: &random) {
        case _ where isReadOnly: operation.set(1, range())
        case 0 where random.chance(1, in: 3): break
        case 0...35: operation.set(1, range())
        case 36...70: operation.set(2, put())
        case 71...80: operation.set(3, delete())
        case _ where depth < habits.txnDepth:
            operation.set(4, txn(depth: depth + 1, isReadOnly: random.chance(1, in: 6)))
        default: operation.set(2, put())
        }
        return operation
    }

    /// A condition that holds about as often as not.
    mutating func compare() -> Message {
        var compare = Message(.compare)
        compare.set(1, Int64.random(in: 0...3, using: &random))
        let target = Int64.random(in: 0...4, using: &random)
        compare.set(2, target)
        compare.set(3, key())
        // Rarely the value of another target, or none at all.
        let given = random.chance(1, in: 20) ? Int64.random(in: 0...4, using: &random) : target
        if !random.chance(1, in: 20) {
            switch given {
            case 0: compare.set(4, Int64.random(in: 0...4, using: &random))
            case 1, 2: set(4 + Int(given), of: &compare, oldRevision())
            case 3: compare.set(7, value())
            default: compare.set(8, random.picks(from: [0, 0, 7, -1]))
            }
        }
        if random.chance(1, in: 4) { setRangeEnd(64, of: &compare) }
        return compare
    }
}
