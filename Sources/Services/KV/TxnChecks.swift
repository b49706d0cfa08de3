// What a transaction may not ask for, whatever the store holds (reference: semantics.md, Txn).

import API

/// Checks a transaction with all nested ones, both branches of each.
/// - Parameter limit: the longest list of comparisons or operations; flag max-txn-ops.
func checkTxn(_ request: TxnRequest, limit: Int) throws(RequestRefusal) {
    try checkOperations(of: request, limit: limit)
    do throws(DuplicateKey) {
        try DuplicateKey.check(request)
    } catch {
        throw RequestRefusal(.duplicateKey)
    }
}

/// Limits, and each request by itself. The stack is bounded: decoding lets in no more than
/// `Limits.messageNesting` levels.
private func checkOperations(of txn: TxnRequest, limit: Int) throws(RequestRefusal) {
    let width = max(txn.compare.count, txn.success.count, txn.failure.count)
    guard width <= limit else { throw RequestRefusal(.tooManyOps) }
    for compare in txn.compare where compare.key.isEmpty { throw RequestRefusal(.emptyKey) }
    // What a level uses is not left to those within it.
    for op in txn.success { try check(op, limit: limit - width) }
    for op in txn.failure { try check(op, limit: limit - width) }
}

private func check(_ op: RequestOp, limit: Int) throws(RequestRefusal) {
    switch op.operation {
    case .range(let request): try checkRange(request)
    case .put(let request): try checkPut(request)
    case .deleteRange(let request): try checkDeleteRange(request)
    case .txn(let request): try checkOperations(of: request, limit: limit)
    case nil: throw RequestRefusal(.keyNotFound)
    }
}
