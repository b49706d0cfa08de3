// A transaction, decoded.

import CMessages

/// Runs `success` when every comparison holds, else `failure`, as one change.
public struct TxnRequest: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__TxnRequest>
    public init(raw: UnsafePointer<Etcdserverpb__TxnRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__txn_request__get_descriptor()
    }

    public var compare: MessageList<Compare> {
        MessageList(raw.pointee.compare, raw.pointee.n_compare)
    }
    public var success: MessageList<RequestOp> {
        MessageList(raw.pointee.success, raw.pointee.n_success)
    }
    public var failure: MessageList<RequestOp> {
        MessageList(raw.pointee.failure, raw.pointee.n_failure)
    }
}

/// One operation of a transaction.
public struct RequestOp: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__RequestOp>
    public init(raw: UnsafePointer<Etcdserverpb__RequestOp>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__request_op__get_descriptor()
    }

    public enum Operation {
        case range(RangeRequest)
        case put(PutRequest)
        case deleteRange(DeleteRangeRequest)
        case txn(TxnRequest)
    }

    /// Nil when the sender set none.
    public var operation: Operation? {
        let op = raw.pointee
        return switch op.request_case {
        case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE:
            RangeRequest(op.request_range).map(Operation.range)
        case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT:
            PutRequest(op.request_put).map(Operation.put)
        case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE:
            DeleteRangeRequest(op.request_delete_range).map(Operation.deleteRange)
        case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN:
            TxnRequest(op.request_txn).map(Operation.txn)
        default: nil
        }
    }
}

/// A condition of a transaction.
public struct Compare: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__Compare>
    public init(raw: UnsafePointer<Etcdserverpb__Compare>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__compare__get_descriptor()
    }

    /// Raw values as in Compare.CompareResult.
    public enum Result: UInt32, Sendable {
        case equal = 0
        case greater = 1
        case less = 2
        case notEqual = 3
    }

    /// What is compared with. Raw values as in Compare.CompareTarget.
    public enum Target: UInt32, Sendable {
        case version = 0
        case create = 1
        case mod = 2
        case value = 3
        case lease = 4
    }

    /// The member of the union that the sender set; not always the one that `target` names.
    public enum Operand {
        case version(Int64)
        case createRevision(Revision)
        case modRevision(Revision)
        case value(UnsafeRawBufferPointer)
        case lease(LeaseID)
    }

    public var result: Result? { Result(rawValue: raw.pointee.result.rawValue) }
    public var target: Target? { Target(rawValue: raw.pointee.target.rawValue) }
    public var key: UnsafeRawBufferPointer { raw.pointee.key.bytes }
    /// As in `RangeRequest`.
    public var rangeEnd: UnsafeRawBufferPointer { raw.pointee.range_end.bytes }

    /// Nil when the sender set none.
    public var operand: Operand? {
        let compare = raw.pointee
        return switch compare.target_union_case {
        case ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION: .version(compare.version)
        case ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION:
            .createRevision(Revision(compare.create_revision))
        case ETCDSERVERPB__COMPARE__TARGET_UNION_MOD_REVISION:
            .modRevision(Revision(compare.mod_revision))
        case ETCDSERVERPB__COMPARE__TARGET_UNION_VALUE: .value(compare.value.bytes)
        case ETCDSERVERPB__COMPARE__TARGET_UNION_LEASE: .lease(LeaseID(compare.lease))
        default: nil
        }
    }
}
