// A correct store with revisions, in a few lines, and clients that make histories of it.

import Checkers
import TestSupport

/// The store, the clients and all that was seen.
struct StoreHistory {
    var events: [Int64: [KeyEvent]] = [:]
    var operations: [KVOperation] = []
    var now: Moment = 0

    var revision: Int64 { Int64(events.count) + 1 }
    var replayed: ReplayedHistory { ReplayedHistory(events) }

    /// Carries a call out, at one moment.
    mutating func perform(_ call: KVCall) -> KVAnswer {
        let history = replayed
        if case .range(let span, let asked, _) = call, asked > 0 {
            return KVAnswer(at: revision, .step(.range(history.pairs(span, at: asked))))
        }
        let effect = history.effect(of: call, after: revision)
        if !effect.events.isEmpty { events[revision + 1] = effect.events }
        return KVAnswer(at: revision, effect.answer)
    }

    /// One call with an answer, in a moment of its own.
    @discardableResult
    mutating func call(_ call: KVCall, client: Int = 1) -> KVAnswer {
        let answer = perform(call)
        operations.append(
            Operation(
                client: client, call, invoked: now + 1, returned: now + 2, .answered(answer)))
        now += 3
        return answer
    }

    /// One whose answer is lost; `isCarriedOut` says whether the call is, too.
    mutating func lose(_ call: KVCall, isCarriedOut: Bool) {
        if isCarriedOut { _ = perform(call) }
        operations.append(
            Operation(client: 2, call, invoked: now + 1, returned: now + 2, .unknown))
        now += 3
    }

    var violations: [Violation] { SerializabilityCheck.violations(replayed, operations) }
    var broken: Set<String> { Set(violations.map(\.promise)) }

    /// Several clients whose calls overlap.
    static func random(operations count: Int, seed: UInt64) -> Self {
        var random = SplitMix64(seed: seed)
        var store = Self()
        var underWay: [(invoked: Moment, client: Int, call: KVCall, answer: KVAnswer?)] = []
        for number in 0...count {
            store.now += 1
            let isLast = number == count
            if !isLast {
                underWay.append(
                    (store.now, number % 5, randomCall(number, store.revision, &random), nil))
            }
            while underWay.count > (isLast ? 0 : Int.random(in: 0..<5, using: &random)) {
                store.now += 1
                let index = Int.random(in: underWay.indices, using: &random)
                guard let answer = underWay[index].answer else {
                    underWay[index].answer = store.perform(underWay[index].call)
                    continue
                }
                let done = underWay.remove(at: index)
                let isLost = Int.random(in: 0..<8, using: &random) == 0
                store.operations.append(
                    Operation(
                        client: done.client, done.call, invoked: done.invoked,
                        returned: store.now, isLost ? .unknown : .answered(answer)))
            }
        }
        return store
    }

    private static func randomCall(
        _ number: Int, _ revision: Int64, _ random: inout SplitMix64
    ) -> KVCall {
        let keys = ["a", "b", "c", "d"]
        let key = keys[Int.random(in: 0..<4, using: &random)]
        let other = keys[Int.random(in: 0..<4, using: &random)]
        switch Int.random(in: 0..<7, using: &random) {
        case 0, 1: return .put(key, "v\(number)")
        case 2: return .range(.everything)
        case 3:
            return .range(KeySpan(key), revision: Int64.random(in: 1...revision, using: &random))
        case 4: return .delete(KeySpan(key))
        case 5:
            return .txn(
                when: [Comparison(key, equals: .created(0))],
                then: [.put(key, "t\(number)"), .range(KeySpan("a", to: "z"))],
                otherwise: [.delete(KeySpan(other)), .range(KeySpan(key))])
        default:
            return .txn(
                when: [Comparison(key, equals: .modified(revision))],
                then: [.put(key, "s\(number)"), .range(KeySpan(key))],
                otherwise: [.range(KeySpan(key))])
        }
    }
}
