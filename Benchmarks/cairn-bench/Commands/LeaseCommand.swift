// What leases cost the server: CPU of keeping them alive, and what a storm of expiries does to others.

import ArgumentParser
import Foundation
import Transport

struct LeaseCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lease",
        abstract: "Keeps leases of Cairn and etcd alive, then lets as many expire at once.")

    @Option(help: "Leases that are kept alive; as many expire.")
    var leases = 50_000

    @Option(help: "Each is renewed once in so many seconds.")
    var interval = 5.0

    @Option(
        help: """
            Each connection sends what is due once in so many seconds, as etcd's client does; 0: \
            each renewal when it is due.
            """)
    var burst = 0.5

    @Option(help: "Seconds that are measured.")
    var seconds = 15.0

    @Option(help: "Puts per second beside the expiries.")
    var rate = 200.0

    @Option(help: "TTL of the leases that expire, in seconds.")
    var ttl: Int64 = 90

    @Option(help: "Connections, with one stream of renewals each.")
    var connections = 10

    @Option(help: "The cairn binary; by default the one beside this program.")
    var cairn: String?

    @Option(help: "The folder with etcd-3.5 and etcd-3.4.")
    var rivals = ".build-rivals"

    @Option(help: "Only servers whose name contains this.")
    var server = ""

    @Option(help: "Folder for the servers' data; removed afterwards.")
    var dataDir = DataFolder.standard

    /// After so long the leases that are left are not waited for.
    private static let patience = 120.0

    func run() throws {
        let folder = try DataFolder(dataDir)
        defer { folder.remove() }
        let signals = StartedProcesses.shared.endOnSignals(removing: folder)
        defer { withExtendedLifetime(signals) {} }
        var table = TextTable(
            rows: [
                [
                    "server", "renewals/s", "lost", "CPU %", "CPU us each", "RSS MiB",
                    "gone after s", "Put p50 ms", "p99", "in the storm p50", "p99", "storm CPU s",
                ]
            ], leading: 1)
        for kind in ServerKind.all(cairn: cairn, rivals: rivals)
        where kind.isThere && (server.isEmpty || kind.name.contains(server)) {
            table.rows.append(try measure(kind, in: folder.url))
        }
        print("\(Machine.description)\n\(leases) leases\n\(table.text)")
    }

    private func measure(_ kind: ServerKind, in folder: URL) throws -> [String] {
        let server = try RunningServer(kind, dataIn: folder)
        defer { server.stop() }
        let load = try LeaseLoad(
            to: .tcp(host: "127.0.0.1", port: server.clientPort), connections: connections)
        defer { load.close() }
        let renewal = try measureRenewals(load, server)
        let storm = try measureStorm(load, server)
        return [kind.name] + renewal + storm
    }

    private func measureRenewals(_ load: LeaseLoad, _ server: RunningServer) throws -> [String] {
        try load.grant(0..<leases, ttl: 3600)
        let rate = Double(leases) / interval
        load.renew(0..<leases, rate: rate, seconds: 2, burst: burst)
        let (before, answered) = (try usage(of: server), load.renewed.answered)
        load.renew(0..<leases, rate: rate, seconds: seconds, burst: burst)
        let (after, renewed) = (try usage(of: server), load.renewed)
        let cpu = after.spent(since: before).cpuSeconds
        let count = renewed.answered - answered
        return [
            .whole(Double(count) / seconds), "\(renewed.lost)", .tenth(100 * cpu / seconds),
            .tenth(cpu * 1e6 / Double(max(1, count))), .mebibytes(after.residentBytes),
        ]
    }

    private func measureStorm(_ load: LeaseLoad, _ server: RunningServer) throws -> [String] {
        let expiring = leases..<2 * leases
        // Granting takes longer than that: all of them end within the second by a renewal.
        try load.grant(expiring, ttl: ttl)
        try load.attach(expiring)
        try load.renewOnce(expiring)
        let end = Date(timeIntervalSinceNow: Double(ttl))
        Thread.sleep(forTimeInterval: 3)
        load.beginPuts(rate: rate)
        Thread.sleep(forTimeInterval: 10)
        let idle = try load.endPuts()
        Thread.sleep(until: end.addingTimeInterval(-1.5))
        let before = try usage(of: server)
        guard try load.attachedKeys() == leases else {
            throw RunFailure(description: "\(server.kind.name): leases expired too early")
        }
        load.beginPuts(rate: rate)
        while try load.attachedKeys() > 0, Date().timeIntervalSince(end) < Self.patience {
            Thread.sleep(forTimeInterval: 0.1)
        }
        let left = try load.attachedKeys()
        let took = Date().timeIntervalSince(end)
        let storm = try load.endPuts()
        let after = try usage(of: server)
        return [
            left == 0 ? .tenth(took) : "\(left) left",
            Self.milliseconds(idle, 0.5), Self.milliseconds(idle, 0.99),
            Self.milliseconds(storm, 0.5), Self.milliseconds(storm, 0.99),
            .tenth(after.spent(since: before).cpuSeconds),
        ]
    }

    private static func milliseconds(_ ascending: [UInt64], _ quantile: Double) -> String {
        guard !ascending.isEmpty else { return "-" }
        let place = min(ascending.count - 1, Int(Double(ascending.count) * quantile))
        return .hundredth(Double(ascending[place]) / 1e6)
    }

    private func usage(of server: RunningServer) throws -> ProcessUsage {
        guard let usage = ProcessUsage(of: server.processID) else {
            throw ServerFailure(description: "\(server.kind.name) has ended")
        }
        return usage
    }
}
