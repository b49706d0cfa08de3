// Decoded requests, written again by the functions that our clients write them with.

import API

/// The encoding of `message` by our own writer; nil when it has none, or when the message holds what
/// the writer cannot say.
func ourEncoding(of message: some WireMessage) -> [UInt8]? {
    var buffer = ByteBuffer()
    let isSaid =
        switch message {
        case let put as PutRequest: append(put, to: &buffer)
        case let range as RangeRequest: append(range, to: &buffer)
        case let delete as DeleteRangeRequest: append(delete, to: &buffer)
        case let txn as TxnRequest: append(txn, to: &buffer)
        default: false
        }
    return isSaid ? buffer.array : nil
}

private func append(_ put: PutRequest, to buffer: inout ByteBuffer) -> Bool {
    buffer.appendPutRequest(
        key: put.key, value: put.value, lease: put.lease, prevKV: put.prevKV,
        ignoreValue: put.ignoreValue, ignoreLease: put.ignoreLease)
    return true
}

private func append(_ range: RangeRequest, to buffer: inout ByteBuffer) -> Bool {
    let bounds = [
        range.minModRevision, range.maxModRevision, range.minCreateRevision,
        range.maxCreateRevision,
    ]
    guard let order = range.sortOrder, let target = range.sortTarget,
        bounds.allSatisfy({ $0 == Revision(0) })
    else { return false }
    buffer.appendRangeRequest(
        key: range.key, rangeEnd: range.rangeEnd, limit: range.limit, revision: range.revision,
        sortOrder: order, sortTarget: target, isSerializable: range.isSerializable,
        keysOnly: range.keysOnly, countOnly: range.countOnly)
    return true
}

private func append(_ delete: DeleteRangeRequest, to buffer: inout ByteBuffer) -> Bool {
    buffer.appendDeleteRangeRequest(
        key: delete.key, rangeEnd: delete.rangeEnd, prevKV: delete.prevKV)
    return true
}

private func append(_ txn: TxnRequest, to buffer: inout ByteBuffer) -> Bool {
    for compare in txn.compare {
        guard let target = compare.target, let result = compare.result else { return false }
        buffer.appendTxnCompare(
            key: compare.key, rangeEnd: compare.rangeEnd, target, result, compare.operand)
    }
    return append(txn.success, .success, to: &buffer) && append(txn.failure, .failure, to: &buffer)
}

private func append(
    _ operations: MessageList<RequestOp>, _ branch: TxnBranch, to buffer: inout ByteBuffer
) -> Bool {
    for operation in operations {
        guard let operation = operation.operation else { return false }
        let kind: TxnOperationKind =
            switch operation {
            case .range: .range
            case .put: .put
            case .deleteRange: .deleteRange
            case .txn: .txn
            }
        let open = buffer.beginTxnOperation(kind, in: branch)
        let isSaid =
            switch operation {
            case .range(let range): append(range, to: &buffer)
            case .put(let put): append(put, to: &buffer)
            case .deleteRange(let delete): append(delete, to: &buffer)
            case .txn(let txn): append(txn, to: &buffer)
            }
        guard isSaid else { return false }
        buffer.endTxnOperation(open)
    }
    return true
}
