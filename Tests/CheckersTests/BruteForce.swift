// Linearizability by the definition: some order of the calls, each in its time, explains all
// answers. Tries every order; for little histories only.

import Checkers

enum BruteForce {
    static func isLinearizable<Model: SequentialModel>(
        _ model: Model, _ history: [Operation<Model.Call, Model.Answer>]
    ) -> Bool {
        let calls = history.filter { if case .refused = $0.outcome { false } else { true } }
        return extend(model, model.initial, calls)
    }

    private static func extend<Model: SequentialModel>(
        _ model: Model, _ state: Model.State, _ rest: [Operation<Model.Call, Model.Answer>]
    ) -> Bool {
        if rest.allSatisfy({ $0.answer == nil }) { return true }
        // Next may be whatever was invoked no later than the first return.
        let firstReturn = rest.filter { $0.answer != nil }.map(\.returned).min() ?? .max
        return rest.indices.contains { index in
            guard rest[index].invoked <= firstReturn,
                let next = model.state(
                    after: rest[index].call, on: state, answer: rest[index].answer)
            else { return false }
            var others = rest
            others.remove(at: index)
            return extend(model, next, others)
        }
    }
}
