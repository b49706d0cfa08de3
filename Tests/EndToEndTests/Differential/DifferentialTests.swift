// Sequences of generated requests to a member and to a real etcd: equal answers, all through.
//
//     CAIRN_DIFFERENTIAL_SEEDS=7-9        these seeds instead of the fixed ones
//     CAIRN_DIFFERENTIAL_REQUESTS=50000   so many requests of each seed
//     CAIRN_DIFFERENTIAL_METHODS=put,txn  nothing but these
//     CAIRN_CI=1                          fails, instead of being left out, without an etcd

import Foundation
import TestSupport
import Testing

/// How much is compared.
private struct Plan {
    var seeds: ClosedRange<UInt64> = 1...24
    var requests = 4400
    var methods = Method.allCases
    /// Sequences that run at the same time, each with two servers of its own.
    var lanes = 2
    /// What has to have been compared in the end, whatever was left out.
    var leastCompared: Int { isStandard ? 100_000 : 0 }
    private var isStandard = true

    init(_ environment: [String: String] = ProcessInfo.processInfo.environment) throws {
        if let text = environment["CAIRN_DIFFERENTIAL_SEEDS"] {
            let numbers = text.split(separator: "-").compactMap { UInt64($0) }
            guard let first = numbers.first, let last = numbers.last, first <= last else {
                throw ProcessFailure(description: "no seeds: \(text)")
            }
            seeds = first...last
            isStandard = false
        }
        if let text = environment["CAIRN_DIFFERENTIAL_REQUESTS"] {
            guard let count = Int(text), count > 0 else {
                throw ProcessFailure(description: "no number of requests: \(text)")
            }
            requests = count
            isStandard = false
        }
        if let text = environment["CAIRN_DIFFERENTIAL_METHODS"] {
            methods = try text.split(separator: ",").map {
                guard let method = Method(rawValue: String($0)) else {
                    throw ProcessFailure(description: "no method: \($0)")
                }
                return method
            }
            isStandard = false
        }
    }
}

extension EndToEnd {
    @Suite("beside etcd 3.5", .enabled(if: Rival.isExpected, Rival.absence))
    struct DifferentialTests {
        @Test("sequences of KV requests, valid and invalid, have the same answers")
        func sequences() async throws {
            let plan = try Plan()
            let start = ContinuousClock.now
            var statistics = Statistics()
            try await withThrowingTaskGroup(of: Outcome.self) { group in
                var seeds = plan.seeds.makeIterator()
                func next(_ group: inout ThrowingTaskGroup<Outcome, any Error>) {
                    guard let seed = seeds.next() else { return }
                    group.addTask { try await Self.run(plan, seed: seed) }
                }
                for _ in 0..<plan.lanes { next(&group) }
                while let outcome = try await group.next() {
                    statistics.add(outcome.statistics)
                    next(&group)
                }
            }
            let compared = statistics.requests - statistics.oursAlone
            let seconds = (ContinuousClock.now - start) / .seconds(1)
            print(
                "beside etcd: seeds \(plan.seeds.lowerBound) to \(plan.seeds.upperBound),",
                "\(compared) requests to both in \(Int(seconds)) s,",
                "\(statistics.oursAlone) to Cairn alone, \(statistics.restarts) restarts;",
                "accepted + refused: \(statistics.text)")
            #expect(compared >= plan.leastCompared)
            for method in plan.methods {
                let accepted = statistics.accepted[method] ?? 0
                let refused = statistics.refused[method] ?? 0
                #expect(accepted * 5 > refused, "\(method) was refused nearly always")
            }
        }

        /// Runs the sequence of a seed. A failure is shrunk and told.
        private static func run(_ plan: Plan, seed: UInt64) async throws -> Outcome {
            var generator = SequenceGenerator(seed: seed, methods: plan.methods)
            let comparison = SequenceComparison(habits: generator.habits)
            let steps = generator.steps(plan.requests)
            let outcome = try await comparison.run(steps)
            if let mismatch = outcome.mismatch {
                print("seed \(seed), step \(mismatch.index): \(mismatch)\nMaking it shorter...")
                let finding = try await comparison.shrink(steps, failing: mismatch)
                Issue.record("seed \(seed): \(finding)")
            }
            return outcome
        }
    }
}
