// Runs worlds from seeds: one here, or many in processes of their own.

import API
import ArgumentParser
import Glibc
import Simulation

@main
struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs whole clusters in virtual time, from seeds, and checks what they promise.")

    @Option(help: "The first seed.") var seed: UInt64 = 1
    @Option(help: "How many seeds.") var seeds: UInt64 = 1
    @Option(help: "Processes at once, if there are many seeds.") var jobs = 2
    @Option(help: "Simulated seconds of load and faults.") var seconds: UInt64 = 20
    @Option(help: "Members at the start; 0 leaves it to the seed.") var members = 0
    @Option(help: "Writes all that happens in a run to this file.") var trace: String?
    @Option(help: "Only these faults of the plan, such as 0,3,7; - for none.") var faults: String?
    @Option(help: "A mistake to make on purpose, in builds of make bugs; all: each in turn.")
    var bug: String?
    @Flag(help: "After a failure, looks for the fewest faults that it needs.") var minimize = false
    @Flag(help: "Goes on after a failure.") var keepGoing = false
    @Flag(help: "One line for each run, and nothing else.") var brief = false
    @Flag(help: "At the end, how often each kind of fault, client and check occurred.")
    var counts = false
    @Option(help: .hidden) var countsFile: String?

    private var settings: SimulationSettings {
        var settings = SimulationSettings()
        settings.seconds = seconds
        settings.members = members
        settings.tracePath = trace
        settings.faults = faults.map { $0.split(separator: ",").compactMap { Int($0) } }
        return settings
    }

    func run() throws {
        try chooseBug()
        let table = counts ? CountTable() : nil
        defer { table?.show() }
        let countsFile = countsFile ?? table?.path
        if seeds > 1, jobs > 1 || seeds > Batch.chunk {
            var batch = Batch(seed..<(seed + seeds), jobs: jobs, keepGoing: keepGoing)
            guard try batch.run(childArguments(countsFile)) else { throw ExitCode(1) }
            return
        }
        var hasFailed = false
        for number in seed..<(seed + seeds) {
            let result = SimulationRun(seed: number, settings).run()
            print(result.summary)
            if let countsFile { CountTable.add(result.counts, to: countsFile) }
            fflush(nil)
            guard let violation = result.violation else { continue }
            hasFailed = true
            if !brief { explain(result, violation) }
            if !keepGoing { break }
        }
        if hasFailed { throw ExitCode(1) }
    }

    private func chooseBug() throws {
        guard let bug else { return }
        #if CAIRN_BUGS
            guard let known = DeliberateBug(rawValue: bug) else {
                throw ValidationError(
                    "mistakes are " + DeliberateBug.allCases.map(\.rawValue).joined(separator: ", ")
                )
            }
            DeliberateBug.made = known
        #else
            throw ValidationError("\(bug): mistakes are in builds of make bugs only")
        #endif
    }

    private func explain(_ result: SimulationResult, _ violation: String) {
        if trace == nil {
            // The same again, this time with what clients saw.
            var settings = settings
            settings.isDetailed = true
            print(SimulationRun(seed: result.seed, settings).run().timeline)
        }
        print("Faults:\n\(result.plan)")
        print("VIOLATED: \(violation)")
        print("Again: simulate --seed \(result.seed) --seconds \(seconds) --trace FILE")
        guard minimize else { return }
        let fewest = Minimizer(seed: result.seed, settings, violation).run { print($0) }
        let text = fewest.isEmpty ? "-" : fewest.map(String.init).joined(separator: ",")
        print("With the fewest faults: simulate --seed \(result.seed) --faults \(text)")
    }

    /// For a process that runs some of the seeds.
    private func childArguments(_ countsFile: String?) -> [String] {
        var arguments = ["--seconds", "\(seconds)", "--members", "\(members)", "--jobs", "1"]
        if let countsFile { arguments += ["--counts-file", countsFile] }
        if let bug { arguments += ["--bug", bug] }
        if keepGoing { arguments += ["--keep-going"] }
        if brief { arguments += ["--brief"] }
        if minimize { arguments += ["--minimize"] }
        return arguments
    }
}
