// What small requests feel of large ones: somebody reads all keys, compacts, hashes, defragments.

import API
import ArgumentParser
import Foundation

struct BesideCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "beside",
        abstract: "Latencies of small puts and gets: alone, and beside large requests.")

    @Option(help: "Revisions beforehand.")
    var revisions = 1_000_000

    @Option(help: "How many different keys they are of.")
    var keys = 250_000

    @Option(help: "Bytes of a value.")
    var valueSize = 256

    @Option(help: "Puts per second, and as many gets.")
    var rate = 1000.0

    @Option(help: "Seconds of each measurement; what is done only once takes what it takes.")
    var seconds = 10.0

    @Option(parsing: .upToNextOption, help: "Beside what: \(names(LargeWork.allCases)).")
    var work = LargeWork.allCases

    @Option(help: "The cairn binary; by default the one beside this program.")
    var cairn: String?

    @Option(help: "The folder with etcd-3.5 and etcd-3.4.")
    var rivals = ".build-rivals"

    @Option(help: "Only servers whose name contains this.")
    var server = ""

    @Option(help: "Folder for the servers' data; removed afterwards.")
    var dataDir = DataFolder.standard

    func run() throws {
        let folder = try DataFolder(dataDir)
        defer { folder.remove() }
        let signals = StartedProcesses.shared.endOnSignals(removing: folder)
        defer { withExtendedLifetime(signals) {} }
        var table = TextTable(
            rows: [
                ["server", "beside", "times", "s each"]
                    + ["put", "get"].flatMap { ["\($0) p50 us", "p99", "p99.9", "p99 ratio"] }
            ], leading: 2)
        for kind in ServerKind.all(cairn: cairn, rivals: rivals)
        where kind.isThere && (server.isEmpty || kind.name.contains(server)) {
            table.rows += try measure(kind, in: folder.url)
        }
        print(
            """
            \(revisions) revisions of \(keys) keys with values of \(valueSize) bytes; \
            \(Int(rate)) puts/s and gets/s
            \(table.text)
            """)
    }

    private func workload(_ operation: Operation) -> Workload {
        Workload(
            operation: operation, connections: 2, streams: 50, valueSize: valueSize,
            keySpace: keys, requests: Int.max / 4, warmUp: 0, rate: rate)
    }

    private func measure(_ kind: ServerKind, in folder: URL) throws -> [[String]] {
        let server = try RunningServer(kind, dataIn: folder)
        defer { server.stop() }
        let target = Target.server(.tcp(host: "127.0.0.1", port: server.clientPort))
        try fill(target)
        let administrator = try Administrator(port: server.clientPort)
        defer { administrator.close() }
        let puts = try LoadGenerator(workload(.put), to: target, threads: 1)
        defer { puts.close() }
        let gets = try LoadGenerator(workload(.range), to: target, threads: 1)
        defer { gets.close() }
        let pair = Pair(puts: puts, gets: gets)
        // What filling left to the disk is not the server's rest.
        sync()
        _ = try pair.measure(seconds: 1) { Thread.sleep(forTimeInterval: 1) }
        // Before and after: a machine's rest is not always the same.
        var alone = try measureAlone(pair)
        var felt: [(String, Pair.Felt)] = []
        for work in work {
            let beside = try pair.measure(seconds: work.isRepeatable ? seconds : 0) {
                try work.run(administrator)
            }
            felt.append((work.rawValue, beside))
        }
        alone.add(try measureAlone(pair))
        return ([("nothing", alone)] + felt).map { row(kind, $0, $1, alone: alone) }
    }

    private func measureAlone(_ pair: Pair) throws -> Pair.Felt {
        try pair.measure(seconds: seconds) { Thread.sleep(forTimeInterval: seconds) }
    }

    private func fill(_ target: Target) throws {
        var workload = workload(.put)
        (workload.rate, workload.requests, workload.connections) = (nil, revisions, 10)
        workload.keyOrder = .sequential
        let generator = try LoadGenerator(workload, to: target, threads: 1)
        defer { generator.close() }
        if let failure = generator.measure().firstFailure {
            throw ServerFailure(description: failure)
        }
    }

    private func row(
        _ kind: ServerKind, _ beside: String, _ felt: Pair.Felt, alone: Pair.Felt
    ) -> [String] {
        func figures(_ outcome: PhaseOutcome, _ alone: PhaseOutcome) -> [String] {
            let p99 = outcome.latencies.microseconds(at: 99)
            return [50, 99, 99.9].map { .whole(outcome.latencies.microseconds(at: $0)) }
                + [.ratio(p99, alone.latencies.microseconds(at: 99))]
        }
        return [kind.name, beside, "\(felt.times)", .hundredth(felt.seconds / Double(felt.times))]
            + figures(felt.puts, alone.puts) + figures(felt.gets, alone.gets)
    }
}

/// What is large.
enum LargeWork: String, CaseIterable, ExpressibleByArgument {
    case range, txn, hash, compaction, defragmentation

    /// Whether it finds as much to do the next time.
    var isRepeatable: Bool { self == .range || self == .txn || self == .hash }

    func run(_ administrator: Administrator) throws {
        switch self {
        case .range: _ = try administrator.readAll()
        case .txn: _ = try administrator.readAllInTxn()
        case .hash: try administrator.hash()
        case .compaction:
            try administrator.compact(to: try administrator.revision(), isPhysical: true)
        case .defragmentation: try administrator.defragment()
        }
    }
}

private func names(_ work: [LargeWork]) -> String {
    work.map(\.rawValue).joined(separator: ", ")
}

/// Puts and gets at once. Each generator is driven by one thread at a time.
private struct Pair: @unchecked Sendable {
    struct Felt {
        var puts = PhaseOutcome()
        var gets = PhaseOutcome()
        /// How often the work was done, and in how many seconds.
        var times = 0
        var seconds = 0.0

        mutating func add(_ other: Felt) {
            puts.add(other.puts)
            gets.add(other.gets)
            times += other.times
            seconds += other.seconds
        }
    }
    let puts: LoadGenerator
    let gets: LoadGenerator

    /// Runs short rounds of load until `work`, on another thread, was done at least once and for
    /// `seconds`. Only rounds that began before its end count.
    func measure(seconds: Double, beside work: @escaping () throws -> Void) throws -> Felt {
        let background = Background(seconds: seconds, work)
        var felt = Felt()
        var pass = 2
        repeat {
            let round = pass
            let outcomes: [(isPut: Bool, PhaseOutcome)] = waitForAll(2) { number, done in
                Thread.detachNewThread {
                    let generator = number == 0 ? puts : gets
                    done((number == 0, generator.measure(pass: round, seconds: 0.5)))
                }
            }
            for (isPut, outcome) in outcomes {
                if let failure = outcome.firstFailure { throw ServerFailure(description: failure) }
                if isPut { felt.puts.add(outcome) } else { felt.gets.add(outcome) }
            }
            pass += 1
        } while background.result == nil
        if let result = background.result { (felt.times, felt.seconds) = try result.get() }
        return felt
    }
}
