// Load on a server that runs already.

import ArgumentParser
import Transport

struct LoadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load", abstract: "Loads a server that runs already.")

    @Option(help: "Where the server listens: host:port or unix://path.")
    var endpoint = "127.0.0.1:2379"

    @Option(help: "The server's process on this machine, to read its CPU and memory.")
    var pid: Int32?

    @OptionGroup var options: WorkloadOptions

    func run() throws {
        let url = endpoint.contains("://") ? endpoint : "http://\(endpoint)"
        let run = Run(
            workload: options.workload, target: .server(try Endpoint(url: url)),
            server: pid.map { .processes([$0]) } ?? .unknown, serverName: endpoint,
            threads: options.threads, fills: options.fill)
        try options.report(try run.measure())
    }
}
