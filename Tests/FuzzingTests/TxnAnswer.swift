// A member's answer, as a value that the model's can be compared with.

import API

@testable import Services

/// Keeps the one answer it is given. Unchecked: confined to the fuzzer's thread.
final class Answer: Replying, @unchecked Sendable {
    private var message: [UInt8]?
    private var failure: Status?
    func respond(_ message: UnsafeRawBufferPointer) { self.message = [UInt8](message) }
    func fail(_ status: Status) { failure = status }

    /// What it says.
    /// - Throws: `Finding` when it says nothing, or something that no client understands.
    var outcome: TxnOutcome {
        get throws(Finding) {
            if let failure { return .refused(failure) }
            guard let message else { throw Finding("no answer") }
            let arena = Arena()
            let response: TxnResponse
            do throws(WireError) { response = try TxnResponse.decode(message, in: arena) } catch {
                throw Finding("the answer cannot be decoded: \(error)")
            }
            return try withExtendedLifetime(arena) { () throws(Finding) in
                try TxnOutcome(response)
            }
        }
    }
}

extension TxnOutcome {
    init(_ response: TxnResponse) throws(Finding) {
        var outcomes: [TxnOutcome] = []
        for op in response.responses {
            switch op.response {
            case .put(let put):
                outcomes.append(
                    .put(
                        revision: try put.header.revision(),
                        previous: put.prevKV.map { ModelPair($0.view) }))
            case .range(let range):
                outcomes.append(
                    .range(
                        revision: try range.header.revision(),
                        pairs: range.kvs.map { ModelPair($0.view) },
                        count: range.count, more: range.more))
            case .deleteRange(let delete):
                outcomes.append(
                    .deleteRange(
                        revision: try delete.header.revision(), deleted: delete.deleted,
                        pairs: delete.prevKVs.map { ModelPair($0.view) }))
            case .txn(let txn): outcomes.append(try TxnOutcome(txn))
            case nil: throw Finding("an operation without an answer")
            }
        }
        self = .txn(
            revision: try response.header.revision(), succeeded: response.succeeded, outcomes)
    }
}

extension ResponseHeader? {
    fileprivate func revision() throws(Finding) -> Int64 {
        guard let self else { throw Finding("an answer without a header") }
        return self.revision.rawValue
    }
}

extension ModelPair {
    init(_ pair: KeyValueView) {
        self.init(
            key: [UInt8](pair.key), value: [UInt8](pair.value),
            created: pair.createRevision.rawValue, modified: pair.modRevision.rawValue,
            version: pair.version, lease: pair.lease.rawValue)
    }
}
