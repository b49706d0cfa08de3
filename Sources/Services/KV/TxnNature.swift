// What kind of request a transaction is, told from the request alone.

import API

extension TxnRequest {
    /// Whether it can be answered without the log: both branches only read. A nested transaction
    /// makes it a write, whatever that one does (reference: semantics.md, Txn).
    var isReadOnly: Bool { success.allSatisfy(\.isRange) && failure.allSatisfy(\.isRange) }

    /// Of a read-only one: any member may answer from what it has applied.
    var isSerializable: Bool {
        success.allSatisfy(\.isSerializableRange) && failure.allSatisfy(\.isSerializableRange)
    }

    /// Bytes that it may add to the store: those of the branch that may add more. 0 if and only
    /// if it has no put anywhere.
    var spaceCost: Int64 {
        max(
            success.reduce(0) { $0 + $1.spaceCost },
            failure.reduce(0) { $0 + $1.spaceCost })
    }
}

extension RequestOp {
    fileprivate var isRange: Bool { if case .range = operation { true } else { false } }

    fileprivate var isSerializableRange: Bool {
        if case .range(let request) = operation { request.isSerializable } else { false }
    }

    fileprivate var spaceCost: Int64 {
        switch operation {
        case .put(let request): request.spaceCost
        case .txn(let request): request.spaceCost
        case .range, .deleteRange, nil: 0
        }
    }
}

extension PutRequest {
    /// Bytes that it may add to the store (reference: semantics.md, Maintenance).
    var spaceCost: Int64 { Int64(256 + key.count + value.count) }
}
