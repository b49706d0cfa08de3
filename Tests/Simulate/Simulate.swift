// Runs worlds from seeds.

import ArgumentParser
import Glibc
import Simulation

@main
struct Simulate: ParsableCommand {
    @Option(help: "The first seed.") var seed: UInt64 = 1
    @Option(help: "How many seeds, one after the other.") var seeds: UInt64 = 1
    @Option(help: "Simulated seconds of each.") var seconds: UInt64 = 20
    @Option(help: "Members at the start; 0 leaves it to the seed.") var members = 0
    @Option(help: "Writes all that happens in a run to this file.") var trace: String?

    func run() throws {
        Deterministic.restart()
        for number in seed..<(seed + seeds) {
            let run = SimulationRun(
                seed: number, seconds: seconds, members: members, keepsAll: trace != nil)
            let result = run.run()
            if let trace { try result.writeTrace(to: trace) }
            print(result.summary)
            if result.violation != nil {
                print(result.timeline)
                throw ExitCode(1)
            }
        }
    }
}
