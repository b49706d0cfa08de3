// Many keys at rest: what they cost in memory, and how long a start with them takes.

import ArgumentParser
import Foundation
import Transport

struct KeysCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys",
        abstract: "Fills Cairn and etcd with keys; measures memory, and the start from that data.")

    @Option(help: "How many keys.")
    var keys = 1_000_000

    @Option(help: "Bytes of a key.")
    var keySize = 40

    @Option(help: "Bytes of a value.")
    var valueSize = 256

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
                    "server", "RssAnon MiB, filled", "started again", "RSS MiB",
                    "start to first read s",
                ]
            ], leading: 1)
        for kind in ServerKind.all(cairn: cairn, rivals: rivals)
        where kind.isThere && (server.isEmpty || kind.name.contains(server)) {
            table.rows.append(try measure(kind, in: folder.url))
        }
        print("\(keys) keys of \(keySize) bytes, values of \(valueSize)\n\(table.text)")
    }

    private func measure(_ kind: ServerKind, in folder: URL) throws -> [String] {
        let server = try RunningServer(kind, dataIn: folder)
        defer { server.stop() }
        try load(.put, requests: keys, server)
        Thread.sleep(forTimeInterval: 2)
        let filled = try usage(of: server)
        var launched = Date()
        try server.restart { launched = Date() }
        try load(.serializableRange, requests: 1, server)
        let seconds = Date().timeIntervalSince(launched)
        let started = try usage(of: server)
        return [
            kind.name, .mebibytes(filled.anonymousBytes), .mebibytes(started.anonymousBytes),
            .mebibytes(started.residentBytes), .hundredth(seconds),
        ]
    }

    private func load(_ operation: Operation, requests: Int, _ server: RunningServer) throws {
        let isFill = operation == .put
        let workload = Workload(
            operation: operation, connections: isFill ? 10 : 1, streams: isFill ? 50 : 1,
            keySize: keySize, valueSize: valueSize, keySpace: keys, keyOrder: .sequential,
            requests: requests, warmUp: 0)
        let outcome = try Run(
            workload: workload,
            target: .server(.tcp(host: "127.0.0.1", port: server.clientPort)),
            server: .processes([server.processID]), serverName: server.kind.name, fills: false
        ).measure()
        if outcome.failures > 0 {
            throw ServerFailure(description: "\(server.kind.name): \(outcome.failures) failed")
        }
    }

    private func usage(of server: RunningServer) throws -> ProcessUsage {
        guard let usage = ProcessUsage(of: server.processID) else {
            throw ServerFailure(description: "\(server.kind.name) has ended")
        }
        return usage
    }
}
