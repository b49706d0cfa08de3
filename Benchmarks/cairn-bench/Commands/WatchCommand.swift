// What watchers cost the server: memory at rest, CPU per event that is delivered.

import ArgumentParser
import Foundation
import Transport

struct WatchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Watches keys of Cairn and etcd; measures memory per watcher, CPU per event.")

    @Option(help: "Connections with watchers.")
    var connections = 10

    @Option(help: "Watch streams on each connection.")
    var streams = 10

    @Option(help: "Watchers on each stream.")
    var watchers = 100

    @Flag(help: "Every watcher has a key of its own, instead of one key for all.")
    var distinct = false

    @Option(help: "Puts of the first key.")
    var puts = 2000

    @Option(help: "Puts per second.")
    var rate = 1000.0

    @Option(help: "Bytes of a value.")
    var valueSize = 16

    @Option(help: "The cairn binary; by default the one beside this program.")
    var cairn: String?

    @Option(help: "The folder with etcd-3.5 and etcd-3.4.")
    var rivals = ".build-rivals"

    @Option(help: "Only servers whose name contains this.")
    var server = ""

    @Option(help: "Folder for the servers' data; removed afterwards.")
    var dataDir = DataFolder.standard

    /// Without a new event for so long a server is given up.
    private static let patience = 30.0

    private var plan: WatchPlan {
        WatchPlan(
            connections: connections, streams: streams, watchers: watchers, valueSize: valueSize,
            hasDistinctKeys: distinct)
    }

    func run() throws {
        let folder = try DataFolder(dataDir)
        defer { folder.remove() }
        let signals = StartedProcesses.shared.endOnSignals(removing: folder)
        defer { withExtendedLifetime(signals) {} }
        var table = TextTable(
            rows: [
                [
                    "server", "watchers", "bytes each", "delivered", "of", "responses", "seconds",
                    "CPU s", "CPU us/event", "RSS MiB",
                ]
            ], leading: 1)
        for kind in ServerKind.all(cairn: cairn, rivals: rivals)
        where kind.isThere && (server.isEmpty || kind.name.contains(server)) {
            table.rows.append(try measure(kind, in: folder.url))
        }
        print("\(Machine.description)\n\(puts) puts at \(String.whole(rate))/s\n\(table.text)")
    }

    private func measure(_ kind: ServerKind, in folder: URL) throws -> [String] {
        let server = try RunningServer(kind, dataIn: folder)
        defer { server.stop() }
        Thread.sleep(forTimeInterval: 2)
        let empty = try usage(of: server)
        let load = try WatchLoad(plan)
        defer { load.close() }
        try load.open(.tcp(host: "127.0.0.1", port: server.clientPort))
        try waitUntil(kind, load) { $0.created == plan.allWatchers }
        Thread.sleep(forTimeInterval: 2)
        let idle = try usage(of: server)
        let goal = distinct ? puts : puts * plan.allWatchers
        let start = Date()
        load.put(puts, rate: rate)
        try waitUntil(kind, load) { $0.events >= goal && $0.answered == puts }
        let seconds = Date().timeIntervalSince(start)
        let end = try usage(of: server)
        let count = load.count
        let each = (idle.anonymousBytes - empty.anonymousBytes) / plan.allWatchers
        let cpu = end.cpuSeconds - idle.cpuSeconds
        return [
            kind.name, "\(plan.allWatchers)", "\(each)", "\(count.events)", "\(goal)",
            "\(count.responses)", .tenth(seconds), .hundredth(cpu),
            .hundredth(cpu * 1e6 / Double(max(count.events, 1))), .mebibytes(end.residentBytes),
        ]
    }

    private func waitUntil(
        _ kind: ServerKind, _ load: WatchLoad, _ isDone: (WatchLoad.Count) -> Bool
    ) throws {
        var last = load.count
        var lastNews = Date()
        while !isDone(last) {
            Thread.sleep(forTimeInterval: 0.05)
            let now = load.count
            if let failure = now.failure {
                throw ServerFailure(description: "\(kind.name): \(failure)")
            }
            if now.created + now.events + now.answered
                > last.created + last.events + last.answered
            {
                lastNews = Date()
            }
            last = now
            guard Date().timeIntervalSince(lastNews) < Self.patience else {
                throw ServerFailure(
                    description: "\(kind.name): no news for \(Self.patience) s; \(now)")
            }
        }
    }

    private func usage(of server: RunningServer) throws -> ProcessUsage {
        guard let usage = ProcessUsage(of: server.processID) else {
            throw ServerFailure(description: "\(server.kind.name) has ended")
        }
        return usage
    }
}
