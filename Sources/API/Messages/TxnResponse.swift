// The answer to a transaction, decoded: for clients of ours.

import CMessages

/// The answer to a Txn.
public struct TxnResponse: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__TxnResponse>
    public init(raw: UnsafePointer<Etcdserverpb__TxnResponse>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__txn_response__get_descriptor()
    }

    public var header: ResponseHeader? { ResponseHeader(raw.pointee.header) }
    /// Whether every comparison held.
    public var succeeded: Bool { raw.pointee.succeeded != 0 }
    /// Of the operations of the branch that was taken, in order.
    public var responses: MessageList<ResponseOp> {
        MessageList(raw.pointee.responses, raw.pointee.n_responses)
    }
}

/// The answer to one operation of a transaction.
public struct ResponseOp: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__ResponseOp>
    public init(raw: UnsafePointer<Etcdserverpb__ResponseOp>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__response_op__get_descriptor()
    }

    public enum Response {
        case range(RangeResponse)
        case put(PutResponse)
        case deleteRange(DeleteRangeResponse)
        case txn(TxnResponse)
    }

    /// Nil when the sender set none.
    public var response: Response? {
        let op = raw.pointee
        return switch op.response_case {
        case ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_RANGE:
            RangeResponse(op.response_range).map(Response.range)
        case ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_PUT:
            PutResponse(op.response_put).map(Response.put)
        case ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_DELETE_RANGE:
            DeleteRangeResponse(op.response_delete_range).map(Response.deleteRange)
        case ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_TXN:
            TxnResponse(op.response_txn).map(Response.txn)
        default: nil
        }
    }
}
