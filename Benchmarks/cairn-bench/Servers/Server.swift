// The servers that are measured: started here, one at a time, on loopback, with data of their own.

import Foundation
import Transport
import Synchronization

/// A kind of server that can be started.
struct ServerKind {
    var name: String
    let binary: URL
    /// Nil: clients speak without TLS.
    var certificates: BenchCertificates?

    static let subject = "cairn"

    /// Cairn first. The rivals lie where `Scripts/fetch-rivals.sh` puts them.
    /// - Parameter cairn: nil is the binary beside this one.
    static func all(cairn: String?, rivals: String) -> [ServerKind] {
        let own =
            cairn.map { URL(fileURLWithPath: $0) }
            ?? URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
            .deletingLastPathComponent().appendingPathComponent("cairn")
        let folder = URL(fileURLWithPath: rivals)
        return [
            ServerKind(name: subject, binary: own),
            ServerKind(name: "etcd 3.5", binary: folder.appendingPathComponent("etcd-3.5")),
            ServerKind(name: "etcd 3.4", binary: folder.appendingPathComponent("etcd-3.4")),
        ]
    }

    /// The same, over TLS.
    func over(_ certificates: BenchCertificates) -> ServerKind {
        var kind = self
        kind.name += " TLS"
        kind.certificates = certificates
        return kind
    }

    var isThere: Bool { FileManager.default.isExecutableFile(atPath: binary.path) }
}

/// Why a server could not be measured.
struct ServerFailure: Error, CustomStringConvertible {
    let description: String
}

/// A started server; `stop` ends it and removes its data.
final class RunningServer {
    let kind: ServerKind
    let clientPort: UInt16
    private var process = Process()
    private let arguments: [String]
    private let folder: URL

    var processID: Int32 { process.processIdentifier }
    /// Where its clients connect.
    var target: Target {
        let endpoint = Endpoint.tcp(host: "127.0.0.1", port: clientPort)
        guard let certificates = kind.certificates else { return .server(endpoint) }
        return .secureServer(endpoint, certificates.clientSettings)
    }

    /// Starts `kind` on free ports and returns once its log says that it serves clients.
    /// - Parameter parent: a folder for the data.
    init(_ kind: ServerKind, dataIn parent: URL) throws {
        self.kind = kind
        let ports = try freePorts(2)
        clientPort = ports[0]
        folder = parent.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let scheme = kind.certificates == nil ? "http" : "https"
        let client = "\(scheme)://127.0.0.1:\(ports[0])"
        let peer = "http://127.0.0.1:\(ports[1])"
        arguments =
            [
                "--data-dir", folder.appendingPathComponent("data").path,
                "--listen-client-urls", client, "--advertise-client-urls", client,
                "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                "--initial-cluster", "default=\(peer)", "--quota-backend-bytes", "8589934592",
            ] + (kind.certificates?.serverArguments ?? [])
        do { try launch() } catch {
            stop()
            throw error
        }
    }

    /// Starts the process and returns once it serves.
    private func launch() throws {
        process = Process()
        process.executableURL = kind.binary
        process.arguments = arguments
        // etcd 3.4 logs in another format unless told.
        process.environment = ["ETCD_LOGGER": "zap", "PATH": "/usr/bin:/bin"]
        let log = Pipe()
        process.standardError = log
        process.standardOutput = FileHandle.nullDevice
        do { try process.run() } catch {
            throw ServerFailure(description: "\(kind.name) cannot be started: \(error)")
        }
        StartedProcesses.shared.add(processID)
        try waitUntilReady(log.fileHandleForReading)
    }

    /// What all of them log once they accept clients.
    private static let readyText = "serving client traffic"
    private static let startSeconds = 120.0

    private func waitUntilReady(_ log: FileHandle) throws {
        let id = processID
        let impatience = DispatchWorkItem { kill(id, SIGKILL) }
        DispatchQueue.global().asyncAfter(
            deadline: .now() + Self.startSeconds, execute: impatience)
        defer { impatience.cancel() }
        var seen = Data()
        while true {
            let more = log.availableData
            guard !more.isEmpty else {
                let text = String(decoding: seen, as: UTF8.self)
                throw ServerFailure(description: "\(kind.name) does not serve:\n\(text)")
            }
            seen.append(more)
            if String(decoding: seen, as: UTF8.self).contains(Self.readyText) {
                // Read on, so that the server never waits for a full pipe.
                log.readabilityHandler = {
                    if $0.availableData.isEmpty { $0.readabilityHandler = nil }
                }
                return
            }
        }
    }

    /// Ends the process in its own way and starts it again on its data; returns once it serves.
    /// - Parameter ended: called between the two.
    func restart(ended: () -> Void) throws {
        end()
        ended()
        try launch()
    }

    func stop() {
        end()
        try? FileManager.default.removeItem(at: folder)
    }

    private func end() {
        guard process.isRunning else { return }
        process.terminate()
        let patience = Date(timeIntervalSinceNow: 20)
        while process.isRunning && Date() < patience { Thread.sleep(forTimeInterval: 0.02) }
        if process.isRunning { kill(processID, SIGKILL) }
        process.waitUntilExit()
        StartedProcesses.shared.remove(processID)
    }
}

/// What must end with this process, when a signal ends it.
final class StartedProcesses: Sendable {
    static let shared = StartedProcesses()
    private let running = Mutex<Set<Int32>>([])

    func add(_ process: Int32) { running.withLock { _ = $0.insert(process) } }
    func remove(_ process: Int32) { running.withLock { _ = $0.remove(process) } }

    /// SIGINT and SIGTERM end the servers, remove `folder`, and then end this process.
    /// - Returns: what listens for the signals, as long as it is held.
    func endOnSignals(removing folder: DataFolder) -> [any DispatchSourceSignal] {
        [SIGINT, SIGTERM].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { [self] in
                running.withLock { running in
                    for process in running { kill(process, SIGKILL) }
                }
                folder.remove()
                exit(128 + number)
            }
            source.resume()
            return source
        }
    }
}

/// Ports that were free a moment ago, all different.
func freePorts(_ count: Int) throws -> [UInt16] {
    var descriptors: [Int32] = []
    defer { for descriptor in descriptors { close(descriptor) } }
    return try (0..<count).map { _ in
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw ServerFailure(description: "no socket left") }
        descriptors.append(descriptor)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard isBound else { throw ServerFailure(description: "no free port") }
        return UInt16(bigEndian: address.sin_port)
    }
}
