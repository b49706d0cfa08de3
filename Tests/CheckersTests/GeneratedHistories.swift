// Histories as correct stores with several clients make them: each call takes effect at a moment
// between its ends, some answers get lost, some calls with them.

import Checkers
import TestSupport

/// Makes histories of a model whose calls come from `call` and whose answers from `answer`.
struct HistoryGenerator<Model: SequentialModel> {
    var model: Model
    var clients = 4
    var operations = 40
    /// In percent: of calls whose answer gets lost.
    var lost = 10
    /// What a client with this knowledge calls next; the number is different each time.
    var call: (_ number: Int, _ known: Model.State, inout SplitMix64) -> Model.Call
    var answer: (Model.Call, Model.State) -> Model.Answer

    private struct UnderWay {
        let client: Int
        let call: Model.Call
        let invoked: Moment
        var answer: Model.Answer?
        var isLost: Bool
    }

    func history(_ random: inout SplitMix64) -> [Operation<Model.Call, Model.Answer>] {
        var history: [Operation<Model.Call, Model.Answer>] = []
        var state = model.initial
        var known = Array(repeating: model.initial, count: clients)
        var idle = Array(0..<clients)
        var underWay: [UnderWay] = []
        var made = 0
        var now: Moment = 0
        while made < operations || underWay.contains(where: { !$0.isLost }) {
            now += 1
            switch Int.random(in: 0..<3, using: &random) {
            case 0 where made < operations && !idle.isEmpty:
                let client = idle.remove(at: Int.random(in: idle.indices, using: &random))
                made += 1
                let next = call(made, known[client], &random)
                let isLost = Int.random(in: 0..<100, using: &random) < lost
                underWay.append(
                    UnderWay(client: client, call: next, invoked: now, isLost: isLost))
                if isLost {  // its client goes on
                    history.append(
                        Operation(client: client, next, invoked: now, returned: now, .unknown))
                    idle.append(client)
                }
            case 1:
                let waiting = underWay.indices.filter { underWay[$0].answer == nil }
                guard let index = waiting.randomElement(using: &random) else { continue }
                let said = answer(underWay[index].call, state)
                state = model.state(after: underWay[index].call, on: state, answer: said) ?? state
                known[underWay[index].client] = state
                underWay[index].answer = said
            default:
                let done = underWay.indices.filter {
                    underWay[$0].answer != nil && !underWay[$0].isLost
                }
                guard let index = done.randomElement(using: &random) else { continue }
                let finished = underWay.remove(at: index)
                guard let answer = finished.answer else { continue }
                history.append(
                    Operation(
                        client: finished.client, finished.call, invoked: finished.invoked,
                        returned: now, .answered(answer)))
                idle.append(finished.client)
            }
        }
        return history
    }
}

extension HistoryGenerator where Model == RegisterModel {
    /// - Parameter values: how many different ones are written; nil: each write its own.
    static func register(operations: Int, clients: Int = 4, values: Int? = nil) -> Self {
        Self(
            model: RegisterModel(), clients: clients, operations: operations,
            call: { number, known, random in
                let value = values.map { Int.random(in: 0..<$0, using: &random) } ?? number
                switch Int.random(in: 0..<4, using: &random) {
                case 0, 1: return .read
                case 2: return .write(value)
                default: return .swap(expected: known, new: value)
                }
            },
            answer: { call, state in
                switch call {
                case .read: .value(state)
                case .write: .written
                case .swap(let expected, _): expected == state ? .swapped : .value(state)
                }
            })
    }
}

extension HistoryGenerator where Model == ListModel {
    static func list(operations: Int) -> Self {
        Self(
            model: ListModel(), operations: operations,
            call: { number, known, random in
                Bool.random(using: &random)
                    ? .read : .append(number, afterCount: known.count, afterLast: known.last)
            },
            answer: { call, state in
                switch call {
                case .read: .list(state)
                case .append(_, let count, let last):
                    state.count == count && state.last == last ? .appended : .list(state)
                }
            })
    }
}

extension HistoryGenerator where Model == BankModel {
    static func bank(operations: Int) -> Self {
        Self(
            model: BankModel(accounts: 4, each: 10), operations: operations,
            call: { _, known, random in
                if Int.random(in: 0..<3, using: &random) == 0 { return .readAll }
                let from = Int.random(in: 0..<4, using: &random)
                let to = (from + Int.random(in: 1..<4, using: &random)) % 4
                return .transfer(
                    from: from, to: to, held: [known[from], known[to]],
                    amount: Int.random(in: 1...3, using: &random))
            },
            answer: { call, state in
                switch call {
                case .readAll: .balances(state)
                case .transfer(let from, let to, let held, _):
                    .transferred([state[from], state[to]] == held)
                }
            })
    }
}
