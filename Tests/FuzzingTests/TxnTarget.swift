// The evaluation of transactions: any bytes that are a transaction are checked and applied, by the
// member that was asked, by another one that gets the entry, and by a model.

import API

@testable import Services

package final class TxnTarget: FuzzTarget {
    private let arena = Arena()
    /// The member that was asked, and another one that gets the entries.
    private var asked: TxnWorld
    private var other: TxnWorld
    private let model: TxnModel
    private var uses = 0
    /// Worlds are made anew when a transaction has changed them, or after so many.
    private static let usesOfWorld = 1000

    package init() throws {
        asked = try TxnWorld()
        other = try TxnWorld()
        model = TxnHistory.model
        try demand(try asked.sight() == model.sight, "the worlds do not begin alike")
    }

    package func run(_ input: UnsafeRawBufferPointer) throws {
        arena.reset()
        guard let txn = try? TxnRequest.decode(input, in: arena), try isTaken(txn) else { return }
        var model = model
        let expected = model.apply(txn)
        let answer: Answer
        if txn.isReadOnly {
            answer = asked.read(txn)
        } else {
            answer = asked.apply(txn, encoded: input)
            other.apply(.txn, [UInt8](input))
        }
        try judge(answer, expected)
        try judge(model)
        // Every input finds the same world, so that a finding is one without those before it.
        uses += 1
        if model.revision != self.model.revision || uses == Self.usesOfWorld {
            asked = try TxnWorld()
            other = try TxnWorld()
            uses = 0
        }
    }

    private func isTaken(_ txn: TxnRequest) throws -> Bool {
        var refusal: Status?
        do throws(RequestRefusal) { try checkTxn(txn, limit: Limits.txnOperations) } catch {
            refusal = error.status
        }
        guard refusal == nil || refusal == .duplicateKey else { return false }
        try demand(
            DuplicateModel.refuses(txn) == (refusal != nil),
            "refused by the rules: \(refusal as Any)")
        return refusal == nil
    }

    private func judge(_ answer: Answer, _ expected: TxnOutcome) throws {
        let told = try answer.outcome
        try demand(told == expected, "told is \(told)\nexpected is \(expected)")
    }

    private func judge(_ model: TxnModel) throws {
        let sight = try asked.sight()
        try demand(sight == model.sight, "there is \(sight)\nexpected is \(model.sight)")
        try demand(try other.sight() == sight, "two members came to different states")
        guard model.revision != self.model.revision else { return }
        try demand(
            try asked.sight(at: self.model.revision) == self.model.sight, "the past was changed")
    }
}

/// Where every input begins: the keys a, b, k/1 (empty) and k/2 at revision 8, compacted at 4.
enum TxnHistory {
    static let leases: [Int64] = [1, 7]
    static let compacted: Int64 = 4

    enum Change: Sendable {
        case put(String, String, lease: Int64 = 0)
        case delete(String)
    }

    static let changes: [Change] = [
        .put("a", "1"), .put("a", "2"), .put("b", "10"), .put("c", "gone"), .delete("c"),
        .put("k/1", "", lease: 7), .put("k/2", "b"),
    ]

    static var model: TxnModel {
        var model = TxnModel()
        for change in changes {
            var keys = model.keys
            switch change {
            case .put(let key, let value, let lease):
                keys.put(
                    Array(key.utf8), Array(value.utf8), lease: lease, at: model.revision + 1)
            case .delete(let key): keys[Array(key.utf8)] = nil
            }
            model.commit(keys)
        }
        model.compacted = compacted
        model.leases = Set(leases)
        return model
    }
}

extension TxnModel {
    var sight: Sight { Sight(revision: revision, pairs: pairs) }
}
