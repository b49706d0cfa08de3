// A member in this process, over streams in memory: what a request costs without the kernel's
// sockets. The same workload through `load` shows what these cost.

import ArgumentParser
import Foundation
import Node

struct InProcessCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inprocess",
        abstract: "Loads a member inside this process over the in-memory transport.")

    @Option(help: "Folder for the member's data; removed afterwards.")
    var dataDir = DataFolder.standard

    @OptionGroup var options: WorkloadOptions

    func run() throws {
        let folder = try DataFolder(dataDir)
        defer { folder.remove() }
        let member = try start(in: folder.url)
        defer { member.stop() }
        let run = Run(
            workload: options.workload, target: .member(member), server: .inside,
            serverName: "cairn in this process", threads: options.threads, fills: options.fill)
        try options.report(try run.measure())
    }

    private func start(in folder: URL) throws -> MemberServer {
        let ports = try freePorts(2)
        let client = "http://127.0.0.1:\(ports[0])"
        let peer = "http://127.0.0.1:\(ports[1])"
        let arguments = [
            "--data-dir", folder.appendingPathComponent("member").path, "--log-level", "error",
            "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", "default=\(peer)",
        ]
        switch CommandLineReader.read(arguments, environment: [:]) {
        case .run(let configuration, _):
            return try MemberServer.serving(
                configuration, log: try ServerLog(configuration.logging))
        case .answer(_, let error, _): throw ServerFailure(description: error)
        case .refused(let error, _): throw ServerFailure(description: "\(error)")
        }
    }
}
