// Clients that append to lists: read the list, then swap it for a longer one if nobody else did.

import Checkers

final class List: ClientScript {
    private unowned let run: WorkloadRun
    private let client: Int
    /// A list that is so long is left alone; the next one is begun.
    private static let longest = 24
    private static let atOnce = 2
    private var generation = 0

    init(_ run: WorkloadRun, client: Int) {
        self.run = run
        self.client = client
    }

    func next(_ done: @escaping () -> Void) {
        let key = "l/\(generation)/\(run.random(below: Self.atOnce))"
        run.call(.range(KeySpan(key)), by: client) { [self] read in
            var seen: (list: [Int], modified: Int64)?
            if case .step(.range(let pairs))? = read.answer?.result {
                seen = (Self.elements(pairs.first), pairs.first?.modified ?? 0)
            }
            add(.read, read, seen.map { .list($0.list) }, key)
            guard let seen else { return done() }
            if seen.list.count >= Self.longest { generation += 1 }
            append(to: key, seen.list, seen.modified, done)
        }
    }

    private func append(
        to key: String, _ list: [Int], _ modified: Int64, _ done: @escaping () -> Void
    ) {
        let element = run.nextNumber()
        let longer = (list + [element]).map { "\($0)" }.joined(separator: ",")
        let call = KVCall.txn(
            when: [Comparison(key, equals: .modified(modified))], then: [.put(key, longer)],
            otherwise: [.range(KeySpan(key))])
        run.call(call, by: client) { [self] operation in
            var answer: ListModel.Answer?
            if case .txn(let succeeded, let steps)? = operation.answer?.result {
                if succeeded {
                    answer = .appended
                } else if case .range(let pairs)? = steps.first {
                    answer = .list(Self.elements(pairs.first))
                }
            }
            add(
                .append(element, afterCount: list.count, afterLast: list.last), operation, answer,
                key)
            done()
        }
    }

    private func add(
        _ call: ListModel.Call, _ operation: KVOperation, _ answer: ListModel.Answer?,
        _ key: String
    ) {
        let outcome: Outcome<ListModel.Answer> =
            if let answer { .answered(answer) } else if case .refused = operation.outcome {
                .refused
            } else {
                .unknown
            }
        run.recorder.lists[key, default: []].append(
            Operation(
                client: client, call, invoked: operation.invoked, returned: operation.returned,
                outcome))
    }

    private static func elements(_ pair: Pair?) -> [Int] {
        pair?.value.split(separator: ",").compactMap { Int($0) } ?? []
    }
}
