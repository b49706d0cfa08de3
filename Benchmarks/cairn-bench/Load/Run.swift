// A workload on a target, from connecting to the figures.

import Foundation

/// Why a run has no figures.
struct RunFailure: Error, CustomStringConvertible {
    let description: String
}

/// Whose CPU and memory are counted as the server's.
enum ServerProcess {
    /// Nobody's: it runs elsewhere.
    case unknown
    /// That of all of them: the members of a cluster.
    case processes([Int32])
    /// This process, without the generator's threads.
    case inside
}

/// Fills, warms up, measures.
struct Run {
    let workload: Workload
    let target: Target
    let server: ServerProcess
    /// Named so in the report.
    let serverName: String
    var threads = 1
    /// Whether to put all keys first, if the workload reads.
    var fills = true
    /// Of the users whose connections they are.
    var tokens: [[UInt8]] = []

    func measure() throws -> Measurement {
        let generator = try LoadGenerator(workload, to: target, threads: threads, tokens: tokens)
        defer { generator.close() }
        if fills && workload.operation.reads {
            try demand(generator.fill(), "fill the key space")
        }
        try demand(generator.warmUp(), "warm up")
        let before = usages()
        let outcome = generator.measure()
        let after = usages()
        return Measurement(
            server: serverName, workload: workload, outcome: outcome,
            spent: serverUsage(from: before, to: after),
            clientCPUSeconds: clientSeconds(from: before.own, to: after.own))
    }

    /// A phase that is not measured must have gone well, or what is measured means nothing.
    private func demand(_ outcome: PhaseOutcome, _ what: String) throws {
        guard let failure = outcome.firstFailure else { return }
        throw RunFailure(
            description: """
                could not \(what) (\(workload.title) on \(serverName)): \
                \(outcome.failed) of \(outcome.failed + outcome.answered) failed: \(failure)
                """)
    }

    // MARK: CPU and memory

    private struct Usages {
        let own: ProcessUsage?
        let server: ProcessUsage?
    }

    private func usages() -> Usages {
        let own = ProcessUsage(of: getpid())
        switch server {
        case .unknown: return Usages(own: own, server: nil)
        case .processes(let ids):
            return Usages(own: own, server: ProcessUsage(sumOf: ids))
        case .inside: return Usages(own: own, server: own)
        }
    }

    private func serverUsage(from before: Usages, to after: Usages) -> ProcessUsage? {
        guard let first = before.server, let last = after.server else { return nil }
        var spent = last.spent(since: first)
        if case .inside = server {
            spent.cpuSeconds -= clientSeconds(from: first, to: last)
            spent.threads = spent.threads.filter { !$0.key.hasPrefix(LoadGenerator.threadName) }
        }
        return spent
    }

    /// What the generator's own threads spent.
    private func clientSeconds(from before: ProcessUsage?, to after: ProcessUsage?) -> Double {
        guard let before, let after else { return 0 }
        return after.spent(since: before).threads
            .filter { $0.key.hasPrefix(LoadGenerator.threadName) }.values.reduce(0, +)
    }
}
