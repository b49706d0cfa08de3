// What a call must do and answer on a given state (reference: semantics.md, Range to Txn).

/// The effect of a call.
public struct Effect: Hashable, Sendable {
    public var answer: KVAnswer.Result
    /// Its changes, as of the revision it makes; none if it changes nothing.
    public var events: [KeyEvent]
}

extension ReplayedHistory {
    /// What `call`, if it is a write or a read of the newest state, does to the state after
    /// `revision`; what it changes gets the revision behind.
    public func effect(of call: KVCall, after revision: Int64) -> Effect {
        var evaluation = Evaluation(history: self, base: revision)
        let answer: KVAnswer.Result
        switch call {
        case .range(let span, _, _): answer = .step(evaluation.run(.range(span)))
        case .put(let key, let value, let lease):
            answer = .step(evaluation.run(.put(key, value, lease: lease)))
        case .delete(let span): answer = .step(evaluation.run(.delete(span)))
        case .txn(let comparisons, let then, let otherwise):
            let holds = comparisons.allSatisfy { evaluation.holds($0) }
            answer = .txn(
                succeeded: holds, (holds ? then : otherwise).map { evaluation.run($0) })
        case .revoke(let lease):
            for key in keys(of: lease, at: revision) { _ = evaluation.run(.delete(KeySpan(key))) }
            answer = .done
        case .compact: answer = .done
        }
        return Effect(answer: answer, events: evaluation.events)
    }
}

private struct Evaluation {
    let history: ReplayedHistory
    let base: Int64
    var events: [KeyEvent] = []
    /// What the steps up to now have changed; nil is deleted.
    private var changed: [String: Pair?] = [:]

    init(history: ReplayedHistory, base: Int64) {
        self.history = history
        self.base = base
    }

    func holds(_ comparison: Comparison) -> Bool {
        let pair = history.pair(comparison.key, at: base)
        switch comparison.target {
        case .version(let wanted): return (pair?.version ?? 0) == wanted
        case .created(let wanted): return (pair?.created ?? 0) == wanted
        case .modified(let wanted): return (pair?.modified ?? 0) == wanted
        case .lease(let wanted): return (pair?.lease ?? 0) == wanted
        case .value(let wanted): return pair?.value == wanted
        }
    }

    mutating func run(_ step: KVStep) -> StepAnswer {
        switch step {
        case .range(let span): return .range(pairs(span))
        case .put(let key, let value, let lease):
            let before = pairs(KeySpan(key)).first
            let pair = Pair(
                key: key, value: value, created: before?.created ?? base + 1, modified: base + 1,
                version: (before?.version ?? 0) + 1, lease: lease)
            changed[key] = .some(pair)
            events.append(KeyEvent(put: pair))
            return .put
        case .delete(let span):
            let gone = pairs(span)
            for pair in gone {
                changed[pair.key] = .some(nil)
                events.append(KeyEvent(deleted: pair.key, at: base + 1))
            }
            return .deleted(Int64(gone.count))
        }
    }

    private func pairs(_ span: KeySpan) -> [Pair] {
        let stored = history.pairs(span, at: base)
        let mine = changed.filter { span.contains($0.key) }
        if mine.isEmpty { return stored }
        let rest = stored.filter { mine[$0.key] == nil }
        return (rest + mine.values.compactMap { $0 }).sorted { $0.key < $1.key }
    }
}
