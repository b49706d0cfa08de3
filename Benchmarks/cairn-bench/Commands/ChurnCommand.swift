// Kubernetes' pattern: objects updated again and again, with a compaction every few seconds. Does
// the file stop growing, and does the pace last?

import API
import ArgumentParser
import Dispatch
import Foundation
import Synchronization
import Transport

struct ChurnCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "churn",
        abstract: "Updates objects again and again beside compactions; watches file and pace.")

    @Option(help: "How many objects.")
    var objects = 20_000

    @Option(help: "Bytes of the smallest value.")
    var smallest = 2048

    @Option(help: "Bytes of the largest value.")
    var largest = 32_768

    @Option(parsing: .upToNextOption, help: "Sizes that one value of 64 has, each of them.")
    var rareSizes: [Int] = []

    @Option(help: "Connections to the server.")
    var connections = 4

    @Option(help: "Calls in flight on each connection, at most.")
    var streams = 8

    @Option(help: "Updates per second; without it, as fast as they are answered.")
    var rate: Double?

    @Option(help: "How long, in seconds.")
    var duration = 600.0

    @Option(help: "Seconds from one line of figures to the next.")
    var window = 20.0

    @Option(help: "Seconds from one compaction to the next; each leaves that much history.")
    var compactEvery = 5.0

    @Option(help: "The cairn binary; by default the one beside this program.")
    var cairn: String?

    @Option(help: "The folder with etcd-3.5 and etcd-3.4.")
    var rivals = ".build-rivals"

    @Option(help: "Only servers whose name contains this.")
    var server = "cairn"

    @Option(help: "Folder for the servers' data; removed afterwards.")
    var dataDir = DataFolder.standard

    func run() throws {
        let folder = try DataFolder(dataDir)
        defer { folder.remove() }
        let signals = StartedProcesses.shared.endOnSignals(removing: folder)
        defer { withExtendedLifetime(signals) {} }
        for kind in ServerKind.all(cairn: cairn, rivals: rivals)
        where kind.isThere && kind.name.contains(server) {
            print("\(kind.name): \(objects) objects of \(smallest) to \(largest) bytes")
            try measure(kind, in: folder.url)
        }
    }

    private var workload: Workload {
        Workload(
            operation: .put, connections: connections, streams: streams, valueSize: smallest,
            largestValueSize: largest, rareValueSizes: rareSizes, keySpace: objects,
            requests: Int.max / 4,
            seconds: window, warmUp: 0, rate: rate)
    }

    private func measure(_ kind: ServerKind, in folder: URL) throws {
        let server = try RunningServer(kind, dataIn: folder)
        defer { server.stop() }
        let administrator = try Administrator(port: server.clientPort)
        defer { administrator.close() }
        let generator = try LoadGenerator(
            workload, to: .server(.tcp(host: "127.0.0.1", port: server.clientPort)), threads: 1)
        defer { generator.close() }
        if let failure = generator.fill().firstFailure { throw ServerFailure(description: failure) }
        let compactions = Compactions(by: administrator, every: compactEvery)
        defer { compactions.stop() }
        print(
            "   s  updates/s  p50 us  p99 us  p99.9 us  file MiB  in use MiB  RssAnon MiB  failed")
        let windows = Int((duration / window).rounded(.up))
        for number in 1...windows {
            let outcome = generator.measure(pass: 1 + number)
            let size = try administrator.size()
            let usage = ProcessUsage(of: server.processID)
            let columns: [(Int, String)] = [
                (4, .whole(Double(number) * window)),
                (9, .whole(Double(outcome.answered) / outcome.seconds)),
                (6, .whole(outcome.latencies.microseconds(at: 50))),
                (6, .whole(outcome.latencies.microseconds(at: 99))),
                (8, .whole(outcome.latencies.microseconds(at: 99.9))),
                (8, .mebibytes(size.total)), (10, .mebibytes(size.inUse)),
                (11, .mebibytes(usage?.anonymousBytes ?? 0)), (6, "\(outcome.failed)"),
            ]
            print(
                columns.map { String(repeating: " ", count: max(0, $0 - $1.count)) + $1 }
                    .joined(separator: "  "))
            if let failure = outcome.firstFailure { print("      \(failure)") }
            fflush(nil)  // each line when it is known, also to a file
        }
    }
}

/// Compacts on a thread of its own, each time to where the server was the time before.
private final class Compactions: Sendable {
    private let isOver = Atomic(false)
    private let ended = DispatchSemaphore(value: 0)

    init(by administrator: Administrator, every seconds: Double) {
        Thread.detachNewThread { [self] in
            var previous: Revision?
            while !isOver.load(ordering: .relaxed) {
                Thread.sleep(forTimeInterval: seconds)
                guard let now = try? administrator.revision() else { continue }
                if let previous { try? administrator.compact(to: previous, isPhysical: false) }
                previous = now
            }
            ended.signal()
        }
    }

    /// Returns once the last compaction is answered.
    func stop() {
        isOver.store(true, ordering: .relaxed)
        ended.wait()
    }
}
