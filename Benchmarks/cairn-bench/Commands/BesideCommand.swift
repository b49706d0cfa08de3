// What small requests feel of a large compaction, and of a defragmentation.

import API
import ArgumentParser
import Dispatch
import Foundation
import Synchronization
import Transport

struct BesideCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "beside",
        abstract: "Latencies of small puts and gets: idle, and beside a large compaction.")

    @Option(help: "Revisions before the compaction.")
    var revisions = 1_000_000

    @Option(help: "How many different keys they are of.")
    var keys = 100_000

    @Option(help: "Bytes of a value.")
    var valueSize = 256

    @Option(help: "Puts per second, and as many gets.")
    var rate = 1000.0

    @Option(help: "Seconds of the idle measurement.")
    var idle = 10.0

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
                [
                    "server", "beside", "took s", "put p50 us", "p99", "p99.9", "get p50 us", "p99",
                    "p99.9",
                ]
            ], leading: 2)
        for kind in ServerKind.all(cairn: cairn, rivals: rivals)
        where kind.isThere && (server.isEmpty || kind.name.contains(server)) {
            table.rows += try measure(kind, in: folder.url)
        }
        print("\(revisions) revisions of \(keys) keys, \(Int(rate)) puts/s and gets/s")
        print(table.text)
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
        let nothing = pair.measure { Thread.sleep(forTimeInterval: idle) }
        let last = try administrator.revision()
        let compaction = pair.measure {
            try? administrator.compact(to: last, isPhysical: true)
        }
        let defragmentation = pair.measure { try? administrator.defragment() }
        return [
            row(kind, "nothing", nothing), row(kind, "compaction", compaction),
            row(kind, "defragmentation", defragmentation),
        ]
    }

    private func fill(_ target: Target) throws {
        var workload = workload(.put)
        (workload.rate, workload.requests, workload.connections) = (nil, revisions, 10)
        let generator = try LoadGenerator(workload, to: target, threads: 1)
        defer { generator.close() }
        if let failure = generator.measure().firstFailure {
            throw ServerFailure(description: failure)
        }
    }

    private func row(_ kind: ServerKind, _ beside: String, _ felt: Pair.Felt) -> [String] {
        func percentiles(_ outcome: PhaseOutcome) -> [String] {
            [50, 99, 99.9].map { .whole(outcome.latencies.microseconds(at: $0)) }
        }
        return [kind.name, beside, .hundredth(felt.seconds)]
            + percentiles(felt.puts) + percentiles(felt.gets)
    }
}

/// Puts and gets at once. Each generator is driven by one thread at a time.
private struct Pair: @unchecked Sendable {
    struct Felt {
        var puts = PhaseOutcome()
        var gets = PhaseOutcome()
        var seconds = 0.0
    }
    let puts: LoadGenerator
    let gets: LoadGenerator

    /// Runs short rounds of load until `work`, on another thread, is done. Only rounds that began
    /// before its end count.
    func measure(beside work: @escaping () -> Void) -> Felt {
        let isOver = Flag()
        let began = Date()
        nonisolated(unsafe) let work = work
        Thread.detachNewThread {
            work()
            isOver.raise(at: Date())
        }
        var felt = Felt()
        var round = 0
        while isOver.time == nil {
            round += 1
            let pass = round
            let outcomes: [(isPut: Bool, PhaseOutcome)] = waitForAll(2) { number, done in
                Thread.detachNewThread {
                    let generator = number == 0 ? puts : gets
                    done((number == 0, generator.measure(pass: pass, seconds: 0.5)))
                }
            }
            for (isPut, outcome) in outcomes {
                if isPut { felt.puts.add(outcome) } else { felt.gets.add(outcome) }
            }
        }
        felt.seconds = (isOver.time ?? began).timeIntervalSince(began)
        return felt
    }
}

/// When something was over.
private final class Flag: Sendable {
    private let moment = Mutex<Date?>(nil)
    var time: Date? { moment.withLock { $0 } }
    func raise(at time: Date) { moment.withLock { $0 = time } }
}
