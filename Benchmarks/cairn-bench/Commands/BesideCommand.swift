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
    var seconds = 3.0

    @Option(help: "How often each is measured, with the rest before and after it.")
    var rounds = 5

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
                    + ["put", "get"].flatMap {
                        ["\($0) p50 us", "p99", "p99.9", "p99 ratio", "of rounds"]
                    }
            ], leading: 2)
        for kind in ServerKind.all(cairn: cairn, rivals: rivals)
        where kind.isThere && (server.isEmpty || kind.name.contains(server)) {
            table.rows += try measure(kind, in: folder.url)
        }
        print(
            """
            \(revisions) revisions of \(keys) keys with values of \(valueSize) bytes; \
            \(Int(rate)) puts/s and gets/s; medians of \(rounds) rounds, ratios to the mean of the \
            rest before and after
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
        var alone: [Pair.Felt] = []
        var felt: [LargeWork: [Rounds.One]] = [:]
        for round in 0..<rounds {
            if round == 0 { try settle(pair) }
            var before = try measureAlone(pair)
            for work in work {
                if work == .compaction && round > 0 {
                    try fill(target)
                    try settle(pair)
                    before = try measureAlone(pair)
                }
                let beside = try pair.measure(seconds: work.isRepeatable ? seconds : 0) {
                    try work.run(administrator)
                }
                let after = try measureAlone(pair)
                felt[work, default: []].append(.init(beside, before: before, after: after))
                alone.append(before)
                before = after
            }
            alone.append(before)
        }
        let rest = Rounds(alone.map { .init($0, before: $0, after: $0) })
        return [row(kind, "nothing", rest)]
            + work.map { row(kind, $0.rawValue, Rounds(felt[$0] ?? [])) }
    }

    /// What filling left to the disk is not the server's rest.
    private func settle(_ pair: Pair) throws {
        sync()
        _ = try pair.measure(seconds: 1) { Thread.sleep(forTimeInterval: 1) }
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

    private func row(_ kind: ServerKind, _ beside: String, _ rounds: Rounds) -> [String] {
        [kind.name, beside, "\(rounds.times)", .hundredth(rounds.seconds)]
            + rounds.figures(\.puts) + rounds.figures(\.gets)
    }
}

/// What was felt of one work, again and again: a machine's rest is not always the same, and one
/// hiccup of it in some seconds is most of a p99.
private struct Rounds {
    struct One {
        let felt: Pair.Felt
        let before: Pair.Felt
        let after: Pair.Felt

        init(_ felt: Pair.Felt, before: Pair.Felt, after: Pair.Felt) {
            self.felt = felt
            self.before = before
            self.after = after
        }
    }
    let all: [One]

    init(_ all: [One]) { self.all = all }

    /// How often it was done, in all rounds.
    var times: Int { all.reduce(0) { $0 + $1.felt.times } }
    /// What it took each time.
    var seconds: Double { all.reduce(0) { $0 + $1.felt.seconds } / Double(max(times, 1)) }

    func figures(_ part: KeyPath<Pair.Felt, PhaseOutcome>) -> [String] {
        func p99(_ felt: Pair.Felt) -> Double { felt[keyPath: part].latencies.microseconds(at: 99) }
        let ratios = all.map { 2 * p99($0.felt) / (p99($0.before) + p99($0.after)) }
        var together = PhaseOutcome()
        for one in all { together.add(one.felt[keyPath: part]) }
        return [
            .whole(median(all.map { $0.felt[keyPath: part].latencies.microseconds(at: 50) })),
            .whole(median(all.map { p99($0.felt) })),
            .whole(together.latencies.microseconds(at: 99.9)),
            .ratio(median(ratios), 1),
            "\(String.ratio(ratios.min() ?? 0, 1))-\(String.ratio(ratios.max() ?? 0, 1))",
        ]
    }

    private func median(_ numbers: [Double]) -> Double {
        numbers.isEmpty ? 0 : numbers.sorted()[numbers.count / 2]
    }
}

/// What is large.
enum LargeWork: String, CaseIterable, ExpressibleByArgument {
    /// Nothing that the server does: two threads of ours that compute, on lower priority. Whatever
    /// keeps the processors busy is felt like this at least.
    case spinning
    case range, txn, hash, compaction, defragmentation

    /// Whether it finds as much to do the next time.
    var isRepeatable: Bool { self != .compaction && self != .defragmentation }

    func run(_ administrator: Administrator) throws {
        switch self {
        case .spinning: Self.spin(seconds: 0.1)
        case .range: _ = try administrator.readAll()
        case .txn: _ = try administrator.readAllInTxn()
        case .hash: try administrator.hash()
        case .compaction:
            try administrator.compact(to: try administrator.revision(), isPhysical: true)
        case .defragmentation: try administrator.defragment()
        }
    }

    private static func spin(seconds: Double) {
        let end = monotonicNanoseconds() + UInt64(seconds * 1e9)
        let _: [Bool] = waitForAll(2) { _, done in
            Thread.detachNewThread {
                setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 10)
                while monotonicNanoseconds() < end {}
                done(true)
            }
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
