// Small requests while somebody reads everything: how much later are they answered?

import ArgumentParser
import Foundation
import Transport

struct InterferenceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "interference",
        abstract: "Latency of small requests, alone and while the whole key space is read.")

    @Option(help: "How many keys.")
    var keys = 1_000_000

    @Option(help: "Bytes of a value.")
    var valueSize = 256

    @Option(help: "Small requests per second.")
    var rate: Double = 500

    @Option(help: "Seconds for each measurement.")
    var seconds: Double = 15

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
                    "server", "request", "p50 us", "p99 us", "p50 while read", "p99 while read",
                    "p99 ratio", "ranges/s",
                ]
            ], leading: 2)
        for kind in ServerKind.all(cairn: cairn, rivals: rivals)
        where kind.isThere && (server.isEmpty || kind.name.contains(server)) {
            table.rows += try measure(kind, in: folder.url)
        }
        print(
            """
            \(keys) keys with values of \(valueSize) bytes; \(Int(rate)) small requests/s for \
            \(Int(seconds)) s
            \(table.text)
            """)
    }

    private func measure(_ kind: ServerKind, in folder: URL) throws -> [[String]] {
        let server = try RunningServer(kind, dataIn: folder)
        defer { server.stop() }
        try fill(server)
        return try [Operation.put, .range].map { operation in
            let alone = try load(operation, server)
            let ranges = try FullRanges(to: .tcp(host: "127.0.0.1", port: server.clientPort))
            ranges.start()
            let started = monotonicNanoseconds()
            let beside: Measurement
            do { beside = try load(operation, server) } catch {
                _ = ranges.stop()
                throw error
            }
            let read = ranges.stop()
            if let failure = read.failure {
                throw ServerFailure(description: "\(kind.name): \(failure)")
            }
            let took = Double(monotonicNanoseconds() - started) / 1e9
            let (before, after) = (alone.latencyMicroseconds, beside.latencyMicroseconds)
            return [
                kind.name, operation.rawValue, .tenth(before.p50), .tenth(before.p99),
                .tenth(after.p50), .tenth(after.p99), .hundredth(after.p99 / before.p99),
                .hundredth(Double(read.answered) / took),
            ]
        }
    }

    private func fill(_ server: RunningServer) throws {
        var workload = workload(.put)
        workload.connections = 10
        workload.streams = 50
        workload.keyOrder = .sequential
        workload.requests = keys
        workload.warmUp = 0
        workload.rate = nil
        workload.seconds = nil
        try check(measure(workload, server), server)
    }

    private func load(_ operation: Operation, _ server: RunningServer) throws -> Measurement {
        let measurement = try measure(workload(operation), server)
        try check(measurement, server)
        return measurement
    }

    private func check(_ measurement: Measurement, _ server: RunningServer) throws {
        if measurement.failures > 0 {
            throw ServerFailure(
                description: "\(server.kind.name): \(measurement.firstFailure ?? "failures")")
        }
    }

    private func workload(_ operation: Operation) -> Workload {
        Workload(
            operation: operation, connections: 4, streams: 25, keySize: 32, valueSize: valueSize,
            keySpace: keys, keyOrder: .random, requests: Int(rate * seconds), seconds: nil,
            warmUp: 500, rate: rate)
    }

    private func measure(_ workload: Workload, _ server: RunningServer) throws -> Measurement {
        try Run(
            workload: workload,
            target: .server(.tcp(host: "127.0.0.1", port: server.clientPort)),
            server: .process(server.processID), serverName: server.kind.name, fills: false
        ).measure()
    }
}
