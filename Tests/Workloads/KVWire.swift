// The checkers' calls as etcd's messages, and the answers back.

import API
import Checkers

/// An answer that cannot be read, or does not fit its call.
struct UnreadableAnswer: Error {
    let reason: String
}

/// A method and its encoded request.
struct WireCall {
    let method: String
    let request: [UInt8]

    init(_ method: String, _ request: [UInt8]) {
        self.method = method
        self.request = request
    }

    init(_ method: String, _ write: (inout ByteBuffer) -> Void) {
        self.method = method
        var buffer = ByteBuffer()
        write(&buffer)
        request = buffer.array
    }
}

extension KVCall {
    var wire: WireCall {
        switch self {
        case .range(let span, let revision, let isSerializable):
            WireCall("/etcdserverpb.KV/Range") {
                $0.appendRange(span, revision: revision, isSerializable: isSerializable)
            }
        case .put(let key, let value, let lease):
            WireCall("/etcdserverpb.KV/Put") { $0.appendPut(key, value, lease: lease) }
        case .delete(let span):
            WireCall("/etcdserverpb.KV/DeleteRange") { $0.appendDelete(span) }
        case .txn(let comparisons, let then, let otherwise):
            WireCall("/etcdserverpb.KV/Txn") { buffer in
                for comparison in comparisons { buffer.append(comparison) }
                for step in then { buffer.append(step, in: .success) }
                for step in otherwise { buffer.append(step, in: .failure) }
            }
        case .revoke(let lease):
            WireCall("/etcdserverpb.Lease/LeaseRevoke") {
                $0.appendLeaseRequest(LeaseID(lease))
            }
        case .compact(let revision):
            WireCall("/etcdserverpb.KV/Compact") { $0.appendField(1, int64: revision) }
        }
    }

    /// Reads the answer to this call.
    func answer(_ bytes: [UInt8]) throws -> KVAnswer {
        let arena = Arena()
        return try withExtendedLifetime(arena) {
            switch self {
            case .range:
                let answer = try RangeResponse.decode(bytes, in: arena)
                return KVAnswer(at: try revision(answer.header), .step(.range(answer)))
            case .put:
                let answer = try PutResponse.decode(bytes, in: arena)
                return KVAnswer(at: try revision(answer.header), .step(.put))
            case .delete:
                let answer = try DeleteRangeResponse.decode(bytes, in: arena)
                return KVAnswer(
                    at: try revision(answer.header), .step(.deleted(answer.deleted)))
            case .txn:
                let answer = try TxnResponse.decode(bytes, in: arena)
                return KVAnswer(
                    at: try revision(answer.header),
                    .txn(
                        succeeded: answer.succeeded,
                        try answer.responses.map { try StepAnswer($0) }))
            case .revoke:
                let answer = try LeaseRevokeResponse.decode(bytes, in: arena)
                return KVAnswer(at: try revision(answer.header), .done)
            case .compact:
                return KVAnswer(at: try revision(inHeaderOf: bytes), .done)
            }
        }
    }
}

private func revision(_ header: ResponseHeader?) throws -> Int64 {
    guard let header else { throw UnreadableAnswer(reason: "no header") }
    return header.revision.rawValue
}

/// Of any response: its header is field 1, the revision in it field 3.
func revision(inHeaderOf bytes: [UInt8]) throws -> Int64 {
    try bytes.withUnsafeBytes { bytes in
        var reader = ProtobufReader(bytes)
        var revision: Int64 = 0
        while let field = try reader.next() {
            guard field.number == 1 else { continue }
            var header = ProtobufReader(try field.bytes())
            while let part = try header.next() {
                if part.number == 3 { revision = try part.int64() }
            }
        }
        return revision
    }
}

extension StepAnswer {
    static func range(_ answer: RangeResponse) -> Self {
        .range(answer.kvs.map { Pair($0.view) })
    }

    init(_ op: ResponseOp) throws {
        switch op.response {
        case .range(let answer): self = .range(answer)
        case .put: self = .put
        case .deleteRange(let answer): self = .deleted(answer.deleted)
        case .txn, nil: throw UnreadableAnswer(reason: "not what a step was")
        }
    }
}

extension Pair {
    init(_ view: KeyValueView) {
        self.init(
            key: String(decoding: view.key, as: UTF8.self),
            value: String(decoding: view.value, as: UTF8.self),
            created: view.createRevision.rawValue, modified: view.modRevision.rawValue,
            version: view.version, lease: view.lease.rawValue)
    }
}

extension ByteBuffer {
    fileprivate mutating func appendRange(
        _ span: KeySpan, revision: Int64 = 0, isSerializable: Bool = false
    ) {
        appendField(1, string: span.key)
        appendField(2, string: span.end)
        appendField(4, int64: revision)
        appendField(7, bool: isSerializable)
    }

    fileprivate mutating func appendPut(_ key: String, _ value: String, lease: Int64) {
        appendField(1, string: key)
        appendField(2, string: value)
        appendField(3, int64: lease)
    }

    fileprivate mutating func appendDelete(_ span: KeySpan) {
        appendField(1, string: span.key)
        appendField(2, string: span.end)
    }

    fileprivate mutating func append(_ comparison: Comparison) {
        var key = comparison.key
        key.withUTF8 { key in
            let key = UnsafeRawBufferPointer(key)
            switch comparison.target {
            case .version(let number):
                appendTxnCompare(key: key, .version, .equal, .version(number))
            case .created(let number):
                appendTxnCompare(
                    key: key, .create, .equal, .createRevision(Revision(number)))
            case .modified(let number):
                appendTxnCompare(key: key, .mod, .equal, .modRevision(Revision(number)))
            case .lease(let number):
                appendTxnCompare(key: key, .lease, .equal, .lease(LeaseID(number)))
            case .value(var value):
                value.withUTF8 {
                    appendTxnCompare(
                        key: key, .value, .equal, .value(UnsafeRawBufferPointer($0)))
                }
            }
        }
    }

    fileprivate mutating func append(_ step: KVStep, in branch: TxnBranch) {
        switch step {
        case .put(let key, let value, let lease):
            let open = beginTxnOperation(.put, in: branch)
            appendPut(key, value, lease: lease)
            endTxnOperation(open)
        case .delete(let span):
            let open = beginTxnOperation(.deleteRange, in: branch)
            appendDelete(span)
            endTxnOperation(open)
        case .range(let span):
            let open = beginTxnOperation(.range, in: branch)
            appendRange(span)
            endTxnOperation(open)
        }
    }
}
