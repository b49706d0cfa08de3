// What a sequence consists of.

import Transport

/// A method that is compared.
enum Method: String, Sendable, CaseIterable {
    case put, range, delete, txn, compact, hashKV, defragment
    /// New in 3.7: etcd 3.5 is asked for the same Range.
    case rangeStream

    var request: MessageType {
        switch self {
        case .put: .put
        case .range, .rangeStream: .range
        case .delete: .delete
        case .txn: .txn
        case .compact: .compact
        case .hashKV: .hashKV
        case .defragment: .defragment
        }
    }

    var answer: MessageType {
        switch self {
        case .put: .putAnswer
        case .range, .rangeStream: .rangeAnswer
        case .delete: .deleteAnswer
        case .txn: .txnAnswer
        case .compact: .compactAnswer
        case .hashKV: .hashKVAnswer
        case .defragment: .defragmentAnswer
        }
    }

    /// What etcd is called for, with the header of its calls made once.
    var path: GRPCClientMethod {
        switch self {
        case .put: Self.paths.put
        case .range, .rangeStream: Self.paths.range
        case .delete: Self.paths.delete
        case .txn: Self.paths.txn
        case .compact: Self.paths.compact
        case .hashKV: Self.paths.hashKV
        case .defragment: Self.paths.defragment
        }
    }

    /// New in 3.7: the chunks of a Range.
    static let rangeStreamPath = GRPCClientMethod("/etcdserverpb.KV/RangeStream")

    private static let paths = (
        put: GRPCClientMethod("/etcdserverpb.KV/Put"),
        range: GRPCClientMethod("/etcdserverpb.KV/Range"),
        delete: GRPCClientMethod("/etcdserverpb.KV/DeleteRange"),
        txn: GRPCClientMethod("/etcdserverpb.KV/Txn"),
        compact: GRPCClientMethod("/etcdserverpb.KV/Compact"),
        hashKV: GRPCClientMethod("/etcdserverpb.Maintenance/HashKV"),
        defragment: GRPCClientMethod("/etcdserverpb.Maintenance/Defragment")
    )
}

/// One step of a sequence.
enum Step: Hashable, Sendable {
    case call(Method, Message)
    /// Both servers end and start again on their data.
    case restart

    /// Whether its answer depends on the history alone, so that it may overtake its neighbours.
    var isRead: Bool {
        switch self {
        case .call(.range, _), .call(.rangeStream, _), .call(.hashKV, _): true
        case .call(.txn, let request): request.isReadOnlyTxn
        case .call, .restart: false
        }
    }

    func text(at moment: Moment) -> String {
        switch self {
        case .call(.rangeStream, let request): "Stream" + request.text(at: moment)
        case .call(_, let request): request.text(at: moment)
        case .restart: "restart"
        }
    }
}

extension Message {
    /// Whether a Txn has nothing but ranges in both branches.
    fileprivate var isReadOnlyTxn: Bool {
        (messages(2) + messages(3)).allSatisfy { !$0.messages(1).isEmpty }
    }
}
