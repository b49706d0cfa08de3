// Transactions as tests write and read them.

import API

@testable import Services

/// A transaction, to be encoded as clients do.
struct Txn {
    /// A comparison. Enums are numbers, so that a test can send what no schema knows.
    struct If {
        var key: String
        var end = ""
        var target: UInt64
        var result: UInt64
        var operand: (field: Int, bytes: [UInt8])?

        init(
            _ key: String, to end: String = "", _ target: UInt64, _ result: UInt64,
            _ operand: (field: Int, bytes: [UInt8])?
        ) {
            self.key = key
            self.end = end
            self.target = target
            self.result = result
            self.operand = operand
        }

        init(
            _ key: String, to end: String = "", _ target: Compare.Target,
            _ result: Compare.Result, _ number: Int64
        ) {
            let fields: [Compare.Target: Int] = [.version: 4, .create: 5, .mod: 6, .lease: 8]
            self.init(
                key, to: end, UInt64(target.rawValue), UInt64(result.rawValue),
                (fields[target] ?? 0, encoded { $0.appendVarint(UInt64(bitPattern: number)) }))
        }

        init(_ key: String, to end: String = "", value result: Compare.Result, _ value: String) {
            self.init(
                key, to: end, UInt64(Compare.Target.value.rawValue), UInt64(result.rawValue),
                (7, Array(value.utf8)))
        }

        func append(to buffer: inout ByteBuffer) {
            let open = buffer.beginMessage(1)
            buffer.appendField(1, uint64: result)
            buffer.appendField(2, uint64: target)
            buffer.appendField(3, string: key)
            if let operand {
                if operand.field == 7 {
                    operand.bytes.withUnsafeBytes { buffer.appendElement(7, bytes: $0) }
                } else {
                    buffer.appendTag(operand.field, .varint)
                    buffer.append(operand.bytes)
                }
            }
            buffer.appendField(64, string: end)
            buffer.endMessage(open)
        }
    }

    indirect enum Op {
        case put([UInt8])
        case range([UInt8])
        case delete([UInt8])
        case txn(Txn)
        /// Asks for nothing.
        case none

        static func put(_ key: String, _ value: String = "") -> Op { .put(Request.put(key, value)) }
        static func get(_ key: String, to end: String = "", revision: Int64? = nil) -> Op {
            .range(Request.range(key, to: end, revision: revision))
        }
        static func delete(_ key: String, to end: String = "") -> Op {
            .delete(Request.delete(key, to: end))
        }
        static func txn(_ conditions: If..., then: [Op] = [], else otherwise: [Op] = []) -> Op {
            .txn(Txn(conditions, then: then, else: otherwise))
        }

        func append(to buffer: inout ByteBuffer, _ branch: TxnBranch) {
            let (kind, request): (TxnOperationKind, [UInt8])
            switch self {
            case .put(let bytes): (kind, request) = (.put, bytes)
            case .range(let bytes): (kind, request) = (.range, bytes)
            case .delete(let bytes): (kind, request) = (.deleteRange, bytes)
            case .txn(let txn): (kind, request) = (.txn, txn.bytes)
            case .none:
                buffer.appendHeader(branch.rawValue, byteCount: 0)
                return
            }
            let open = buffer.beginTxnOperation(kind, in: branch)
            buffer.append(request)
            buffer.endTxnOperation(open)
        }
    }

    var conditions: [If]
    var success: [Op]
    var failure: [Op]

    init(_ conditions: [If] = [], then success: [Op] = [], else failure: [Op] = []) {
        self.conditions = conditions
        self.success = success
        self.failure = failure
    }

    init(_ conditions: If..., then success: [Op] = [], else failure: [Op] = []) {
        self.init(conditions, then: success, else: failure)
    }

    var bytes: [UInt8] {
        encoded { buffer in
            for condition in conditions { condition.append(to: &buffer) }
            for op in success { op.append(to: &buffer, .success) }
            for op in failure { op.append(to: &buffer, .failure) }
        }
    }

    /// `levels` of transactions in each other, `ops` in the innermost.
    static func nested(_ levels: Int, _ ops: [Op] = []) -> Txn {
        (1..<levels).reduce(Txn(then: ops)) { inner, _ in Txn(then: [.txn(inner)]) }
    }

    /// Calls `body` with the decoded request.
    func decoded<Result>(_ body: (TxnRequest) throws -> Result) throws -> Result {
        let arena = Arena()
        return try withExtendedLifetime(arena) {
            try body(try TxnRequest.decode(bytes, in: arena))
        }
    }
}

extension Response {
    /// `yes@3: put@3; get@3 [a=1 2 2 1] count 1; delete@3 1; (no@0: )`.
    static func txn(_ bytes: [UInt8]) throws -> String {
        let arena = Arena()
        return try withExtendedLifetime(arena) {
            text(try TxnResponse.decode(bytes, in: arena))
        }
    }

    private static func text(_ response: TxnResponse) -> String {
        let branch = response.succeeded ? "yes" : "no"
        return "\(branch)\(at(response.header)): "
            + response.responses.map { text($0.response) }.joined(separator: "; ")
    }

    private static func text(_ response: ResponseOp.Response?) -> String {
        switch response {
        case .put(let put):
            "put\(at(put.header))" + (put.prevKV.map { " [\(pair($0))]" } ?? "")
        case .range(let range):
            "get\(at(range.header)) [\(range.kvs.map { pair($0) }.joined(separator: ", "))] "
                + "count \(range.count)\(range.more ? " more" : "")"
        case .deleteRange(let delete):
            "delete\(at(delete.header)) \(delete.deleted)"
                + delete.prevKVs.map { " [\(pair($0))]" }.joined()
        case .txn(let txn): "(\(text(txn)))"
        case nil: "nothing"
        }
    }

    /// Of a header within a transaction, or its revision only.
    private static func at(_ header: ResponseHeader?) -> String {
        header.map { "@\($0.revision.rawValue)" } ?? " without header"
    }
}

extension PlayedMember {
    func txn(_ txn: Txn) -> Caller {
        let request = txn.bytes
        return call { life, caller in request.withUnsafeBytes { life.kv.txn($0, caller) } }
    }

    /// The answer to a transaction as text, or why there is none.
    func answer(_ request: Txn) throws -> String {
        let caller = txn(request)
        if let message = caller.message { return try Response.txn(message) }
        return caller.failure?.message ?? "\(caller.answers)"
    }
}
