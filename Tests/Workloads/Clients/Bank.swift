// Clients that move money between accounts and count it.

import Checkers

final class Bank: ClientScript {
    static let accounts = 5
    static let each = 100

    private unowned let run: WorkloadRun
    private let client: Int

    init(_ run: WorkloadRun, client: Int) {
        self.run = run
        self.client = client
    }

    private static func key(_ account: Int) -> String { "b/\(account)" }

    /// Opens the accounts, unless they are there; tries until a member has done so.
    static func open(_ run: WorkloadRun, _ done: @escaping () -> Void) {
        let puts = (0..<accounts).map { KVStep.put(key($0), "\(each)") }
        let call = KVCall.txn(
            when: [Comparison(key(0), equals: .created(0))], then: puts, otherwise: [])
        run.call(call, by: 0) { operation in
            if operation.answer != nil { return done() }
            run.think { open(run, done) }
        }
    }

    func next(_ done: @escaping () -> Void) {
        run.call(.range(.prefix("b/")), by: client) { [self] operation in
            guard case .step(.range(let pairs))? = operation.answer?.result else { return done() }
            let balances = pairs.compactMap { Int($0.value) }
            add(.readAll, operation, .balances(balances))
            guard balances.count == Self.accounts else {
                run.recorder.report("accounts do not go away", "\(operation)")
                return done()
            }
            if run.chance(30) { return done() }
            transfer(balances, done)
        }
    }

    private func transfer(_ balances: [Int], _ done: @escaping () -> Void) {
        let from = run.random(below: Self.accounts)
        let to = (from + 1 + run.random(below: Self.accounts - 1)) % Self.accounts
        let amount = 1 + run.random(below: 10)
        let call = KVCall.txn(
            when: [from, to].map {
                Comparison(Self.key($0), equals: .value("\(balances[$0])"))
            },
            then: [
                .put(Self.key(from), "\(balances[from] - amount)"),
                .put(Self.key(to), "\(balances[to] + amount)"),
            ], otherwise: [.range(.prefix("b/"))])
        run.call(call, by: client) { [self] operation in
            var isDone = false
            if case .txn(let succeeded, _)? = operation.answer?.result { isDone = succeeded }
            add(
                .transfer(
                    from: from, to: to, held: [balances[from], balances[to]], amount: amount),
                operation, .transferred(isDone))
            done()
        }
    }

    private func add(
        _ call: BankModel.Call, _ operation: KVOperation, _ answer: BankModel.Answer
    ) {
        let outcome: Outcome<BankModel.Answer> =
            switch operation.outcome {
            case .answered: .answered(answer)
            case .refused: .refused
            case .unknown: .unknown
            }
        run.recorder.bank.append(
            Operation(
                client: client, call, invoked: operation.invoked, returned: operation.returned,
                outcome))
    }
}
