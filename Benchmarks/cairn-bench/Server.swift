// The servers that are measured: started here, one at a time, on loopback, with data of their own.

import Foundation

/// A kind of server that can be started.
struct ServerKind {
    let name: String
    let binary: URL

    /// Those whose binary is there, Cairn first: the rivals are fetched by `make bench`.
    static func available(cairn: String?, rivals: String) -> [ServerKind] {
        let own =
            cairn.map { URL(fileURLWithPath: $0) }
            ?? URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
            .deletingLastPathComponent().appendingPathComponent("cairn")
        let folder = URL(fileURLWithPath: rivals)
        let candidates = [
            ServerKind(name: "cairn", binary: own),
            ServerKind(
                name: "etcd 3.5.1", binary: folder.appendingPathComponent("etcd-3.5.1/etcd")),
            ServerKind(
                name: "etcd 3.4 (Debian)",
                binary: folder.appendingPathComponent("etcd-debian/etcd")),
        ]
        return candidates.filter { FileManager.default.isExecutableFile(atPath: $0.binary.path) }
    }
}

/// Why a server could not be measured.
struct ServerFailure: Error, CustomStringConvertible {
    let description: String
}

/// A started server; `stop` ends it and removes its data.
final class RunningServer {
    let kind: ServerKind
    let clientPort: UInt16
    private let process = Process()
    private let folder: URL

    var processID: Int32 { process.processIdentifier }

    /// Starts `kind` and returns once its log says that it serves clients.
    init(_ kind: ServerKind, ports: (client: UInt16, peer: UInt16), dataIn parent: URL) throws {
        self.kind = kind
        clientPort = ports.client
        folder = parent.appendingPathComponent("cairn-bench-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let client = "http://127.0.0.1:\(ports.client)"
        let peer = "http://127.0.0.1:\(ports.peer)"
        process.executableURL = kind.binary
        process.arguments = [
            "--data-dir", folder.appendingPathComponent("data").path,
            "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", "default=\(peer)",
        ]
        // Debian's 3.4 logs in another format unless told.
        process.environment = ["ETCD_LOGGER": "zap", "PATH": "/usr/bin:/bin"]
        let log = Pipe()
        process.standardError = log
        process.standardOutput = FileHandle.nullDevice
        do { try process.run() } catch {
            throw ServerFailure(description: "\(kind.name) cannot be started: \(error)")
        }
        try waitUntilReady(log.fileHandleForReading)
    }

    private func waitUntilReady(_ log: FileHandle) throws {
        var seen = Data()
        while true {
            let more = log.availableData
            guard !more.isEmpty else {
                throw ServerFailure(
                    description: "\(kind.name) ended:\n" + String(decoding: seen, as: UTF8.self))
            }
            seen.append(more)
            if String(decoding: seen, as: UTF8.self).contains("ready to serve client requests") {
                // Read on, so that the server never waits for a full pipe.
                log.readabilityHandler = {
                    if $0.availableData.isEmpty { $0.readabilityHandler = nil }
                }
                return
            }
        }
    }

    func stop() {
        process.terminate()
        process.waitUntilExit()
        try? FileManager.default.removeItem(at: folder)
    }
}
