// Clients that add elements to a set, take them out, and read the whole set: a key per element.

import Checkers

final class ElementSet: ClientScript {
    private unowned let run: WorkloadRun
    private let client: Int
    private static let elements = 12

    init(_ run: WorkloadRun, client: Int) {
        self.run = run
        self.client = client
    }

    private static func key(_ element: Int) -> String { "s/\(element)" }

    func next(_ done: @escaping () -> Void) {
        let element = run.random(below: Self.elements)
        switch run.random(below: 3) {
        case 0:
            let value = "\(run.nextNumber())"
            run.call(.put(Self.key(element), value), by: client) { [self] operation in
                add(.add, element, operation, .done)
                done()
            }
        case 1:
            run.call(.delete(KeySpan(Self.key(element))), by: client) { [self] operation in
                add(.remove, element, operation, .done)
                done()
            }
        default:
            run.call(.range(.prefix("s/")), by: client) { [self] operation in
                look(operation)
                done()
            }
        }
    }

    private func look(_ operation: KVOperation) {
        guard case .step(.range(let pairs))? = operation.answer?.result else { return }
        let there = Set(pairs.map(\.key))
        for element in 0..<Self.elements {
            add(.look, element, operation, .isThere(there.contains(Self.key(element))))
        }
    }

    private func add(
        _ kind: SetElementModel.Call.Kind, _ element: Int, _ operation: KVOperation,
        _ answer: SetElementModel.Answer
    ) {
        let outcome: Outcome<SetElementModel.Answer> =
            switch operation.outcome {
            case .answered: .answered(answer)
            case .refused: .refused
            case .unknown: .unknown
            }
        run.recorder.elements.append(
            Operation(
                client: client, .init(kind, element), invoked: operation.invoked,
                returned: operation.returned, outcome))
    }
}
