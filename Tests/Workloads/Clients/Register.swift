// Clients that read, write, delete and compare-and-swap a few keys.

import Checkers

final class Register: ClientScript {
    private unowned let run: WorkloadRun
    private let client: Int
    private static let keys = 5
    /// What this client last knew of each key.
    private var known: [Int?] = Array(repeating: nil, count: keys)

    init(_ run: WorkloadRun, client: Int) {
        self.run = run
        self.client = client
    }

    func next(_ done: @escaping () -> Void) {
        let place = run.random(below: Self.keys)
        let key = "r/\(place)"
        let value = run.nextNumber()
        switch run.random(below: 100) {
        case ..<35: read(place, key, done)
        case ..<45: readStale(key, done)
        case ..<50: readPast(key, done)
        case ..<70:
            perform(.put(key, "\(value)"), .write(value), place, key, done)
        case ..<75:
            perform(.delete(KeySpan(key)), .write(nil), place, key, done)
        default: swap(place, key, value, done)
        }
    }

    private func read(_ place: Int, _ key: String, _ done: @escaping () -> Void) {
        perform(.range(KeySpan(key)), .read, place, key, done)
    }

    /// A serializable read is for the check of revisions alone.
    private func readStale(_ key: String, _ done: @escaping () -> Void) {
        run.call(.range(.prefix("r/"), isSerializable: true), by: client) { _ in done() }
    }

    private func readPast(_ key: String, _ done: @escaping () -> Void) {
        let newest = run.watches.log.last
        let revision = max(1, newest - Int64(run.random(below: 30)))
        run.call(.range(KeySpan(key), revision: revision), by: client) { _ in done() }
    }

    private func swap(_ place: Int, _ key: String, _ new: Int, _ done: @escaping () -> Void) {
        let old = known[place]
        let condition = Comparison(
            key, equals: old.map { .value("\($0)") } ?? .created(0))
        perform(
            .txn(
                when: [condition], then: [.put(key, "\(new)"), .range(KeySpan(key))],
                otherwise: [.range(KeySpan(key))]), .swap(expected: old, new: new), place, key,
            done)
    }

    private func perform(
        _ call: KVCall, _ typed: RegisterModel.Call, _ place: Int, _ key: String,
        _ done: @escaping () -> Void
    ) {
        run.call(call, by: client) { [self] operation in
            let outcome: Outcome<RegisterModel.Answer> =
                switch operation.outcome {
                case .refused: .refused
                case .unknown: .unknown
                case .answered(let answer): .answered(learn(answer, typed, place))
                }
            run.recorder.registers[key, default: []].append(
                Operation(
                    client: client, typed, invoked: operation.invoked,
                    returned: operation.returned, outcome))
            done()
        }
    }

    private func learn(
        _ answer: KVAnswer, _ typed: RegisterModel.Call, _ place: Int
    ) -> RegisterModel.Answer {
        switch answer.result {
        case .step(.range(let pairs)):
            known[place] = pairs.first.flatMap { Int($0.value) }
            return .value(known[place])
        case .txn(let succeeded, let steps):
            if case .range(let pairs)? = steps.last {
                known[place] = pairs.first.flatMap { Int($0.value) }
            }
            return succeeded ? .swapped : .value(known[place])
        case .step(.put), .step(.deleted), .done:
            if case .write(let value) = typed { known[place] = value }
            return .written
        }
    }
}
