// The shortest list of faults for the same failure.

import Testing

@testable import Simulation

@Suite("Fewest faults")
struct MinimizerTests {
    /// What is left of twenty faults when all of `needed` are needed for the failure.
    private func fewest(_ needed: Set<Int>) -> (kept: [Int], runs: Int) {
        var runs = 0
        let kept = Minimizer.fewest(of: Array(0..<20)) { faults in
            runs += 1
            return needed.isSubset(of: faults)
        }
        return (kept, runs)
    }

    @Test(
        "Just the faults that are needed are left",
        arguments: [[], [0], [19], [3, 4], [0, 19], [2, 9, 17], Array(0..<20)])
    func needed(_ faults: [Int]) {
        #expect(fewest(Set(faults)).kept == faults)
    }

    @Test("A few faults of many are found in few runs")
    func runs() { #expect(fewest([7, 11]).runs < 40) }

    @Test("Of two ways to fail one is left, whole")
    func either() {
        let kept = Minimizer.fewest(of: Array(0..<20)) { faults in
            Set([1, 2]).isSubset(of: faults) || Set([8, 15]).isSubset(of: faults)
        }
        #expect(kept == [1, 2] || kept == [8, 15])
    }
}
