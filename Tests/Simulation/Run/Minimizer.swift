// Fewer faults for the same failure: leaves out ever smaller parts of the plan and keeps what the
// failure does not need (ddmin, Zeller and Hildebrandt, 2002).

public struct Minimizer {
    private let seed: UInt64
    private var settings: SimulationSettings
    private let kind: String

    public init(seed: UInt64, _ settings: SimulationSettings, _ violation: String) {
        self.seed = seed
        self.settings = settings
        self.settings.tracePath = nil
        kind = Self.kind(violation)
    }

    /// What stays the same when the same failure comes about in another way: its words.
    private static func kind(_ violation: String) -> String {
        String(violation.prefix { $0 != ":" }.filter { !$0.isNumber })
    }

    /// - Returns: places in the plan: without any one of them, or any of the parts that were tried,
    ///   the run does not fail like this.
    public func run(_ report: (String) -> Void) -> [Int] {
        let all = settings.faults ?? Array(0..<SimulationRun.faultCount(seed, settings))
        return Self.fewest(of: all, report, fails)
    }

    /// - Parameter fails: whether it still fails with those only; it does with all.
    static func fewest(
        of all: [Int], _ report: (String) -> Void = { _ in }, _ fails: ([Int]) -> Bool
    ) -> [Int] {
        var kept = all
        var parts = 2
        while !kept.isEmpty {
            let size = max(1, kept.count / parts)
            var found: [Int]?
            for start in stride(from: 0, to: kept.count, by: size) {
                let rest = Array(kept[..<start]) + kept[min(start + size, kept.count)...]
                if fails(rest) {
                    found = rest
                    break
                }
            }
            if let found {
                kept = found
                parts = max(2, parts - 1)
                report("fails with \(kept.count) faults: \(kept)")
            } else if size == 1 {
                break
            } else {
                parts = min(kept.count, parts * 2)
            }
        }
        return kept
    }

    private func fails(_ faults: [Int]) -> Bool {
        var settings = settings
        settings.faults = faults
        guard let violation = SimulationRun(seed: seed, settings).run().violation else {
            return false
        }
        return Self.kind(violation) == kind
    }
}
