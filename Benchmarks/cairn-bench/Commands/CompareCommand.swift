// Cairn beside etcd: the same workloads on each, one server at a time.

import ArgumentParser
import Foundation
import Transport

struct CompareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Measures Cairn and etcd 3.5 and 3.4, started here one after the other.")

    @Flag(help: "A tenth of the requests and of the keys.")
    var quick = false

    @Flag(help: "Values of 16 KiB and 256 KiB too.")
    var large = false

    @Option(help: "The cairn binary; by default the one beside this program.")
    var cairn: String?

    @Option(help: "The folder with etcd-3.5 and etcd-3.4.")
    var rivals = ".build-rivals"

    @Option(help: "Only workloads whose title contains this.")
    var only = ""

    @Option(help: "Only servers whose name contains this.")
    var server = ""

    @Option(help: "Members of each cluster; more than one leaves etcd 3.4 out.")
    var members = 1

    @Option(help: "How often each server is measured; the table shows the median.")
    var rounds = 1

    @Option(help: "Folder for the servers' data; removed afterwards.")
    var dataDir = DataFolder.standard

    @Option(help: "Threads of the generator.")
    var threads = 1

    @Flag(help: "Over TLS; and Cairn without, beside it.")
    var tls = false

    @Flag(help: "With auth on, 100 users and 100 roles; and Cairn without, beside it.")
    var auth = false

    @Flag(help: "Print JSON.")
    var json = false

    func validate() throws {
        guard !auth || (members == 1 && !tls) else {
            throw ValidationError("--auth is for one member, without TLS")
        }
        guard rounds >= 1, threads >= 1, members >= 1 else {
            throw ValidationError("--rounds, --threads and --members must be at least 1")
        }
    }

    func run() throws {
        let kinds = ServerKind.all(cairn: cairn, rivals: rivals)
            .filter {
                server.isEmpty ? members == 1 || $0.name != "etcd 3.4" : $0.name.contains(server)
            }
        for kind in kinds where !kind.isThere {
            note("\(kind.name) is left out: there is no \(kind.binary.path)")
        }
        let workloads = CompareWorkloads.all(
            quick: quick, large: large, isCluster: members > 1
        )
        .filter { only.isEmpty || $0.title.contains(only) }
        guard !workloads.isEmpty, kinds.contains(where: \.isThere) else {
            throw ValidationError("nothing to measure")
        }
        let folder = try DataFolder(dataDir)
        defer { folder.remove() }
        let measured = try tls ? secured(kinds, in: folder.url) : auth ? guarded(kinds) : kinds
        let signals = StartedProcesses.shared.endOnSignals(removing: folder)
        defer { withExtendedLifetime(signals) {} }
        var passes: [Comparison] = []
        note(Machine.description)
        for _ in 0..<rounds {
            var pass = Comparison()
            for kind in measured where kind.isThere {
                try measure(kind, workloads, in: folder.url, into: &pass)
            }
            passes.append(pass)
        }
        let comparison = Comparison(medianOf: passes)
        print(
            json
                ? try cairn_bench.json(comparison)
                : comparison.text(subject: measured[0].name))
        if comparison.measurements.contains(where: { $0.failures > 0 }) { throw ExitCode.failure }
    }

    /// Cairn over TLS first, then Cairn without, then the rivals over TLS.
    private func secured(_ kinds: [ServerKind], in folder: URL) throws -> [ServerKind] {
        let certificates = try BenchCertificates(in: folder)
        return kinds.flatMap { kind in
            let secure = kind.over(certificates)
            return kind.name == ServerKind.subject ? [secure, kind] : [secure]
        }
    }

    /// Cairn with users first, then Cairn without, then the rivals with users.
    private func guarded(_ kinds: [ServerKind]) -> [ServerKind] {
        kinds.flatMap { $0.name == ServerKind.subject ? [$0.withUsers, $0] : [$0.withUsers] }
    }

    private func enableAuth(_ server: RunningServer) throws -> [[UInt8]] {
        let administrator = try Administrator(port: server.clientPort)
        defer { administrator.close() }
        return try BenchUsers.enable(by: administrator, loggingIn: 10)
    }

    private func measure(
        _ kind: ServerKind, _ workloads: [Workload], in folder: URL, into pass: inout Comparison
    ) throws {
        let servers =
            members == 1
            ? [try RunningServer(kind, dataIn: folder)]
            : try RunningServer.cluster(of: members, kind, dataIn: folder)
        defer { for server in servers { server.stop() } }
        // What a server does at its start is not rest.
        Thread.sleep(forTimeInterval: 2)
        let processes = servers.map(\.processID)
        if let usage = ProcessUsage(sumOf: processes) {
            pass.idle.append(
                Comparison.Idle(
                    server: kind.name, residentBytes: usage.residentBytes,
                    anonymousBytes: usage.anonymousBytes))
        }
        let tokens = kind.hasUsers ? try enableAuth(servers[0]) : []
        var isFilled = false
        for workload in workloads {
            note("\(kind.name): \(workload.title)")
            let asked = try asked(workload.asked, of: servers)
            let run = Run(
                workload: workload,
                target: asked.target,
                server: .processes(processes), serverName: kind.name, threads: threads,
                // Guarded writes begin with what the puts have told.
                fills: !isFilled || workload.operation == .txn, tokens: tokens)
            pass.measurements.append(try run.measure())
            if workload.operation.reads { isFilled = true }
        }
    }

    /// The member that leads, or one that does not.
    private func asked(
        _ member: AskedMember?, of servers: [RunningServer]
    ) throws -> RunningServer {
        guard let member else { return servers[0] }
        for server in servers {
            let administrator = try Administrator(port: server.clientPort)
            defer { administrator.close() }
            if try administrator.leads() == (member == .leader) { return server }
        }
        throw ServerFailure(description: "no \(member.rawValue) among \(servers.count) members")
    }

    /// For whoever watches; the table goes to standard output alone.
    private func note(_ text: String) {
        FileHandle.standardError.write(Data((text + "\n").utf8))
    }
}

/// What is compared by default.
enum CompareWorkloads {
    static func all(quick: Bool, large: Bool, isCluster: Bool = false) -> [Workload] {
        let scale = quick ? 10 : 1
        var all =
            isCluster
            ? cluster
            : [
                workload(.put, 10, 50, 300_000), workload(.range, 10, 50, 500_000),
                workload(.serializableRange, 10, 50, 500_000), workload(.mixed, 10, 50, 300_000),
                workload(.txn, 10, 50, 300_000),
                workload(.put, 1, 1, 20_000), workload(.range, 1, 1, 40_000),
            ]
        if large {
            all += [
                workload(.put, 10, 10, 20_000, valueSize: 16 << 10),
                workload(.put, 10, 2, 1_000, valueSize: 256 << 10),
            ]
        }
        return all.map { workload in
            var workload = workload
            workload.requests /= scale
            workload.warmUp /= scale
            workload.keySpace /= scale
            return workload
        }
    }

    /// What the members cost each other: writes, and reads that ask the leader.
    private static var cluster: [Workload] {
        [
            workload(.put, 10, 50, 200_000, asked: .leader),
            workload(.put, 10, 50, 200_000, asked: .follower),
            workload(.range, 10, 50, 300_000, asked: .leader),
            workload(.range, 10, 50, 300_000, asked: .follower),
            workload(.put, 1, 1, 10_000, asked: .leader),
            workload(.range, 1, 1, 20_000, asked: .follower),
        ]
    }

    /// A tenth of the requests again warms up, and a slow server is not waited for.
    private static func workload(
        _ operation: Operation, _ connections: Int, _ streams: Int, _ requests: Int,
        valueSize: Int = 256, asked: AskedMember? = nil
    ) -> Workload {
        Workload(
            operation: operation, connections: connections, streams: streams, valueSize: valueSize,
            keySpace: valueSize > 1024 ? 1000 : 100_000, requests: requests, seconds: 30,
            warmUp: requests / 10, asked: asked)
    }
}
