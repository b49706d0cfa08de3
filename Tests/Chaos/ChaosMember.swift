// A member under chaos: a `cairn` process that is killed, paused and started again.

import Foundation

final class ChaosMember {
    let name: String
    let directory: URL
    /// Where clients find it.
    let socketPath: String
    private let command: [String]
    private var process: Process?
    private let log: FileHandle

    /// - Parameters:
    ///   - launcher: words before the command, of a program that ends by running it.
    ///   - peers: of all members, by their names, as `initial-cluster` has them.
    init(
        _ name: String, binary: URL, launcher: [String], directory: URL, listen: String,
        peers: String
    ) throws {
        self.name = name
        self.directory = directory
        socketPath = directory.appendingPathComponent("clients.sock").path
        command =
            launcher + [
                binary.path, "--name", name, "--data-dir",
                directory.appendingPathComponent("data").path, "--listen-client-urls",
                "unix://\(socketPath)", "--advertise-client-urls", "unix://\(socketPath)",
                "--listen-peer-urls", listen, "--initial-advertise-peer-urls", listen,
                "--initial-cluster", peers, "--initial-cluster-token", "chaos",
                // Snapshots are part of the game.
                "--bcrypt-cost", "4", "--snapshot-count", "500", "--max-wals", "1",
            ]
        let logFile = directory.appendingPathComponent("log").path
        _ = FileManager.default.createFile(atPath: logFile, contents: nil)
        guard let log = FileHandle(forWritingAtPath: logFile) else {
            throw ChaosFailure("no log in \(directory.path)")
        }
        self.log = log
    }

    var isRunning: Bool { process?.isRunning ?? false }

    func start() throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: command[0])
        process.arguments = Array(command.dropFirst())
        log.seekToEndOfFile()
        process.standardError = log
        process.standardOutput = log
        try process.run()
        self.process = process
    }

    func signal(_ number: Int32) {
        if let process, process.isRunning { Glibc.kill(process.processIdentifier, number) }
    }

    /// Ends it at once; what it had not synced stays with the kernel, as after any crash of a
    /// process.
    func end() {
        signal(SIGKILL)
        process?.waitUntilExit()
        process = nil
        unlink(socketPath)
    }

    /// The last lines of its log.
    func lastWords(_ count: Int = 12) -> String {
        let text =
            (try? String(
                contentsOf: directory.appendingPathComponent("log"), encoding: .utf8)) ?? ""
        return text.split(separator: "\n").suffix(count).joined(separator: "\n")
    }
}

/// What keeps the chaos from taking place.
struct ChaosFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
