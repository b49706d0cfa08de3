// Transactions, written: the responses by the server, the requests by clients of ours.

/// Which operation of a transaction. Raw values are the field numbers in RequestOp and in
/// ResponseOp, which agree.
public enum TxnOperationKind: Int, Sendable {
    case range = 1
    case put = 2
    case deleteRange = 3
    case txn = 4
}

/// An operation of a transaction that is being written.
public struct OpenTxnOperation {
    @usableFromInline let operation: OpenMessage
    @usableFromInline let body: OpenMessage

    @usableFromInline init(operation: OpenMessage, body: OpenMessage) {
        self.operation = operation
        self.body = body
    }
}

extension ByteBuffer {
    /// Begins a TxnResponse; the answers of its operations follow, in order.
    @inlinable
    public mutating func appendTxnBegin(_ header: HeaderFields, succeeded: Bool) {
        appendResponseHeader(header)
        appendField(2, bool: succeeded)
    }

    /// Begins the next element of `responses`: what is appended until `endTxnResponse` is the
    /// response of that operation. For nested transactions there is `NestedLengths.beginTxn`.
    @inlinable
    public mutating func beginTxnResponse(_ kind: TxnOperationKind) -> OpenTxnOperation {
        let operation = beginMessage(3)
        return OpenTxnOperation(operation: operation, body: beginMessage(kind.rawValue))
    }

    @inlinable
    public mutating func endTxnResponse(_ open: OpenTxnOperation) {
        endMessage(open.body)
        endMessage(open.operation)
    }

    /// Begins the next element of `responses`, of so many bytes.
    public mutating func appendTxnResponseHeader(byteCount: Int) {
        appendHeader(3, byteCount: byteCount)
    }

    /// A ResponseOp that holds no response, for an operation that asks for nothing.
    @inlinable
    public mutating func appendEmptyTxnResponse() { appendHeader(3, byteCount: 0) }

    // MARK: Requests

    /// A condition of a TxnRequest.
    /// - Parameter rangeEnd: as in `appendRangeRequest`: every key of the range has to meet it.
    public mutating func appendTxnCompare(
        key: UnsafeRawBufferPointer,
        rangeEnd: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0),
        _ target: Compare.Target, _ result: Compare.Result, _ operand: Compare.Operand?
    ) {
        let open = beginMessage(1)
        appendField(1, uint64: UInt64(result.rawValue))
        appendField(2, uint64: UInt64(target.rawValue))
        appendField(3, bytes: key)
        // A member of a union is written even when it is zero: it tells which one was set.
        switch operand {
        case .version(let number): appendUnionMember(4, number)
        case .createRevision(let revision): appendUnionMember(5, revision.rawValue)
        case .modRevision(let revision): appendUnionMember(6, revision.rawValue)
        case .value(let bytes): appendElement(7, bytes: bytes)
        case .lease(let lease): appendUnionMember(8, lease.rawValue)
        case nil: break
        }
        appendField(64, bytes: rangeEnd)
        endMessage(open)
    }

    private mutating func appendUnionMember(_ number: Int, _ value: Int64) {
        appendTag(number, .varint)
        appendVarint(UInt64(bitPattern: value))
    }

    /// Begins the next operation of a TxnRequest: the request of `kind` follows, then
    /// `endTxnOperation`.
    @inlinable
    public mutating func beginTxnOperation(
        _ kind: TxnOperationKind, in branch: TxnBranch
    ) -> OpenTxnOperation {
        let operation = beginMessage(branch.rawValue)
        return OpenTxnOperation(operation: operation, body: beginMessage(kind.rawValue))
    }

    @inlinable
    public mutating func endTxnOperation(_ open: OpenTxnOperation) { endTxnResponse(open) }
}

extension NestedLengths {
    /// A response of a nested transaction that is being written.
    public struct OpenTxn {
        fileprivate let operation: Open
        fileprivate let body: Open
    }

    /// Begins the next element of `responses`: what is appended until `endTxn` is the response of
    /// a nested transaction.
    public mutating func beginTxn(in buffer: inout ByteBuffer) -> OpenTxn {
        let operation = begin(3, in: &buffer)
        return OpenTxn(
            operation: operation, body: begin(TxnOperationKind.txn.rawValue, in: &buffer))
    }

    public mutating func endTxn(_ open: OpenTxn, in buffer: borrowing ByteBuffer) {
        end(open.body, in: buffer)
        end(open.operation, in: buffer)
    }
}

/// A list of operations in a TxnRequest. Raw values are its field numbers.
public enum TxnBranch: Int, Sendable {
    case success = 2
    case failure = 3
}
