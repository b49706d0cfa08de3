// The search for a linearization: known histories, good and bad, and many generated ones.

import Checkers
import TestSupport
import Testing

private typealias Step = Operation<RegisterModel.Call, RegisterModel.Answer>

private func read(_ value: Int?, _ from: Moment, _ to: Moment) -> Step {
    Operation(client: 1, .read, invoked: from, returned: to, .answered(.value(value)))
}

private func write(_ value: Int?, _ from: Moment, _ to: Moment) -> Step {
    Operation(client: 2, .write(value), invoked: from, returned: to, .answered(.written))
}

private func lostWrite(_ value: Int?, _ from: Moment) -> Step {
    Operation(client: 3, .write(value), invoked: from, returned: from, .unknown)
}

private func swap(
    _ old: Int?, _ new: Int?, _ from: Moment, _ to: Moment, finding found: Int? = nil
) -> Step {
    Operation(
        client: 4, .swap(expected: old, new: new), invoked: from, returned: to,
        .answered(found == nil ? .swapped : .value(found)))
}

@Suite("Linearizability")
struct LinearizabilityTests {
    private func verdict(_ history: Step...) -> Verdict {
        LinearizabilityChecker(RegisterModel()).check(history)
    }

    private func isImpossible(_ history: Step...) -> Bool {
        if case .impossible = LinearizabilityChecker(RegisterModel()).check(history) {
            true
        } else {
            false
        }
    }

    @Test("One after the other")
    func sequential() {
        #expect(verdict() == .linearizable)
        #expect(
            verdict(write(1, 1, 2), read(1, 3, 4), write(nil, 5, 6), read(nil, 7, 8))
                == .linearizable)
    }

    @Test("A concurrent write may be seen or not, by one reader after the other")
    func concurrent() {
        #expect(verdict(write(1, 1, 10), read(nil, 2, 3), read(1, 4, 5)) == .linearizable)
        #expect(verdict(write(1, 1, 10), read(1, 11, 12)) == .linearizable)
        // Ends that touch are concurrent.
        #expect(verdict(write(1, 1, 5), read(nil, 5, 6)) == .linearizable)
    }

    @Test("A stale read")
    func staleRead() {
        #expect(isImpossible(write(1, 1, 2), write(2, 3, 4), read(1, 5, 6)))
        // Seen once, a value does not go away.
        #expect(isImpossible(write(1, 1, 10), read(1, 2, 3), read(nil, 4, 5)))
    }

    @Test("A dirty read: of a value that nobody wrote, or whose write was refused")
    func dirtyRead() {
        #expect(isImpossible(write(1, 1, 2), read(7, 3, 4)))
        let refused = Operation<RegisterModel.Call, RegisterModel.Answer>(
            client: 1, .write(7), invoked: 1, returned: 2, .refused)
        #expect(isImpossible(refused, read(7, 3, 4)))
    }

    @Test("A lost update: two swaps of the same value cannot both succeed")
    func lostUpdate() {
        #expect(isImpossible(swap(nil, 1, 1, 9), swap(nil, 2, 1, 9)))
        #expect(verdict(swap(nil, 1, 1, 9), swap(nil, 2, 1, 9, finding: 1)) == .linearizable)
    }

    @Test("An unknown write happens late, early or never, but once")
    func unknown() {
        #expect(verdict(lostWrite(1, 1), read(nil, 2, 3)) == .linearizable)
        #expect(verdict(lostWrite(1, 1), read(nil, 2, 3), read(1, 50, 51)) == .linearizable)
        #expect(isImpossible(lostWrite(1, 5), read(1, 2, 3)))
        #expect(
            isImpossible(
                lostWrite(1, 1), read(1, 2, 3), write(2, 4, 5), read(1, 6, 7)))
    }

    @Test("The complaint names the call and what was possible")
    func complaint() {
        let history = [write(1, 1, 2), read(2, 3, 4)]
        guard case .impossible(let text) = LinearizabilityChecker(RegisterModel()).check(history)
        else {
            Issue.record("a read of what was not written passed")
            return
        }
        #expect(text.contains("no place for c1 [0.000000 0.000000] read"))
        #expect(text.contains("it was Optional(1)"))
    }

    @Test("Keys are checked apart")
    func parts() {
        let checker = LinearizabilityChecker(SetElementModel())
        func step(
            _ kind: SetElementModel.Call.Kind, _ element: Int, _ answer: SetElementModel.Answer,
            _ at: Moment
        ) -> Operation<SetElementModel.Call, SetElementModel.Answer> {
            Operation(
                client: 1, SetElementModel.Call(kind, element), invoked: at, returned: at,
                .answered(answer))
        }
        let found = checker.check(
            [
                step(.add, 1, .done, 1), step(.look, 1, .isThere(true), 2),
                step(.add, 2, .done, 3), step(.look, 2, .isThere(false), 4),
            ], by: \.element)
        #expect(found.map(\.part) == [2])
    }

    @Test("Agrees with trying every order, on thousands of little histories")
    func bruteForce() {
        var good = 0
        for seed in 0..<4000 {
            var random = SplitMix64(seed: UInt64(seed))
            var history = HistoryGenerator.register(operations: 7, clients: 3, values: 2)
                .history(&random)
            // Half of them are spoilt, so that both verdicts are common.
            if seed % 2 == 1 { mutate(&history, &random) }
            let expected = BruteForce.isLinearizable(RegisterModel(), history)
            let found = LinearizabilityChecker(RegisterModel()).check(history)
            #expect((found == .linearizable) == expected, "seed \(seed): \(history)")
            good += expected ? 1 : 0
        }
        #expect(good > 2000 && good < 3800)
    }

    private func mutate(_ history: inout [Step], _ random: inout SplitMix64) {
        let answered = history.indices.filter { history[$0].answer != nil }
        guard let index = answered.randomElement(using: &random) else { return }
        switch history[index].answer {
        case .value, .swapped:
            history[index].outcome = .answered(.value(Int.random(in: 0..<2, using: &random)))
        case .written, nil: history[index].outcome = .refused
        }
    }

    @Test("Generated histories of correct stores pass", arguments: 0..<20)
    func generated(seed: Int) {
        var random = SplitMix64(seed: UInt64(seed))
        let registers = HistoryGenerator.register(operations: 300, clients: 6).history(&random)
        #expect(LinearizabilityChecker(RegisterModel()).check(registers) == .linearizable)
        let lists = HistoryGenerator.list(operations: 150).history(&random)
        #expect(LinearizabilityChecker(ListModel()).check(lists) == .linearizable)
        let bank = HistoryGenerator.bank(operations: 200).history(&random)
        #expect(
            LinearizabilityChecker(BankModel(accounts: 4, each: 10)).check(bank) == .linearizable)
    }

    @Test("A read of an older value is found, whatever the history", arguments: 0..<20)
    func mutated(seed: Int) throws {
        var random = SplitMix64(seed: UInt64(seed))
        var history = HistoryGenerator.register(operations: 300, clients: 6).history(&random)
        // The last read of all is given the value of the first.
        let values = history.filter { if case .read = $0.call { true } else { false } }
        let first = try #require(values.compactMap { $0.answer }.first { $0 != .value(nil) })
        let end = (history.map(\.returned).max() ?? 0) + 1
        let writesBehind = [write(-1, end, end + 1)]
        history += writesBehind
        history.append(
            Operation(
                client: 0, .read, invoked: end + 2, returned: end + 3, .answered(first)))
        let verdict = LinearizabilityChecker(RegisterModel()).check(history)
        guard case .impossible = verdict else {
            Issue.record("passed: \(verdict)")
            return
        }
    }

    @Test("Money does not come from nowhere")
    func bank() {
        let model = BankModel(accounts: 2, each: 10)
        let history = [
            Operation<BankModel.Call, BankModel.Answer>(
                client: 1, .transfer(from: 0, to: 1, held: [10, 10], amount: 3), invoked: 1,
                returned: 2, .answered(.transferred(true))),
            // Half of the transfer.
            Operation(
                client: 2, .readAll, invoked: 3, returned: 4, .answered(.balances([7, 10]))),
        ]
        guard case .impossible = LinearizabilityChecker(model).check(history) else {
            Issue.record("a torn transfer passed")
            return
        }
    }

    @Test("Five thousand calls, with hundreds of unknown outcomes, are no matter")
    func large() {
        var random = SplitMix64(seed: 7)
        var generator = HistoryGenerator.register(operations: 5000, clients: 8)
        generator.lost = 8
        let history = generator.history(&random)
        let clock = ContinuousClock()
        let taken = clock.measure {
            #expect(LinearizabilityChecker(RegisterModel()).check(history) == .linearizable)
        }
        #expect(taken < .seconds(20), "a second or so, ten in a debug build")
    }
}
