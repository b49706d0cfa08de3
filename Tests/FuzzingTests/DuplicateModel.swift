// Which keys a transaction may not change twice, key by key and interval by interval (semantics.md,
// Txn, "Duplicate rules"): quadratic, and short.

import API

struct DuplicateModel {
    private var puts: [[UInt8]] = []
    /// Each from its lower bound to below its upper.
    private var deletes: [(lower: [UInt8], upper: [UInt8])] = []
    private var isDuplicate = false

    static func refuses(_ txn: TxnRequest) -> Bool {
        DuplicateModel(txn.success).isDuplicate || DuplicateModel(txn.failure).isDuplicate
    }

    private init(_ list: MessageList<RequestOp>) {
        for op in list { if case .deleteRange(let delete) = op.operation { add(delete) } }
        for op in list {
            guard case .txn(let txn) = op.operation else { continue }
            let (one, other) = (DuplicateModel(txn.success), DuplicateModel(txn.failure))
            isDuplicate = isDuplicate || one.isDuplicate || other.isDuplicate
            let either = one.puts + other.puts.filter { !one.puts.contains($0) }
            for key in either { check(key) }
            puts += either
            deletes += one.deletes + other.deletes
        }
        for op in list {
            guard case .put(let put) = op.operation else { continue }
            check([UInt8](put.key))
            puts.append([UInt8](put.key))
        }
    }

    private mutating func add(_ delete: DeleteRangeRequest) {
        let lower = [UInt8](delete.key)
        // The next key in order is that with a zero byte more.
        deletes.append((lower, delete.rangeEnd.isEmpty ? lower + [0] : [UInt8](delete.rangeEnd)))
    }

    private mutating func check(_ key: [UInt8]) {
        let isDeleted = deletes.contains {
            !key.lexicographicallyPrecedes($0.lower) && key.lexicographicallyPrecedes($0.upper)
        }
        isDuplicate = isDuplicate || isDeleted || puts.contains(key)
    }
}
