// The servers that are measured: started here, one at a time, on loopback, with data of their own.

import Foundation
import Synchronization
import Transport

/// A kind of server that can be started.
struct ServerKind {
    var name: String
    let binary: URL
    /// Nil: clients speak without TLS.
    var certificates: BenchCertificates?
    /// Whether auth is on, and clients show tokens.
    var hasUsers = false

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

    /// The same, with auth on.
    var withUsers: ServerKind {
        var kind = self
        kind.name += " auth"
        kind.hasUsers = true
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
    let peerURL: String
    private(set) var log = ProcessLog()
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

    /// Starts `kind` on free ports, alone, and returns once its log says that it serves clients.
    /// - Parameter parent: a folder for the data.
    convenience init(_ kind: ServerKind, dataIn parent: URL) throws {
        let ports = try freePorts(2)
        let place = Place(name: "default", client: ports[0], peer: ports[1])
        try self.init(kind, place, initial: [place], state: "new", dataIn: parent)
        do { try start() } catch {
            stop()
            throw error
        }
    }

    /// Starts `count` members that are one cluster, and returns once all serve clients.
    static func cluster(
        of count: Int, _ kind: ServerKind, dataIn parent: URL
    ) throws -> [RunningServer] {
        let ports = try freePorts(2 * count)
        let places = (0..<count).map {
            Place(name: "m\($0 + 1)", client: ports[2 * $0], peer: ports[2 * $0 + 1])
        }
        var members: [RunningServer] = []
        do {
            members = try places.map {
                try RunningServer(kind, $0, initial: places, state: "new", dataIn: parent)
            }
            for member in members { try member.launch() }
            for member in members { try member.waitUntilReady() }
            return members
        } catch {
            for member in members { member.stop() }
            throw error
        }
    }

    /// One more member for those that are there, of the name `joiner`; it is not started.
    static func joiner(to members: [RunningServer], dataIn parent: URL) throws -> RunningServer {
        let ports = try freePorts(2)
        let place = Place(name: "joiner", client: ports[0], peer: ports[1])
        return try RunningServer(
            members[0].kind, place, initial: members.map(\.place) + [place], state: "existing",
            dataIn: parent)
    }

    private struct Place {
        let name: String
        let client: UInt16
        let peer: UInt16
        var peerURL: String { "http://127.0.0.1:\(peer)" }
    }

    private let place: Place

    private init(
        _ kind: ServerKind, _ place: Place, initial: [Place], state: String, dataIn parent: URL
    ) throws {
        self.kind = kind
        self.place = place
        clientPort = place.client
        peerURL = place.peerURL
        folder = parent.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let scheme = kind.certificates == nil ? "http" : "https"
        let client = "\(scheme)://127.0.0.1:\(place.client)"
        arguments =
            [
                "--name", place.name, "--data-dir", folder.appendingPathComponent("data").path,
                "--listen-client-urls", client, "--advertise-client-urls", client,
                "--listen-peer-urls", peerURL, "--initial-advertise-peer-urls", peerURL,
                "--initial-cluster",
                initial.map { "\($0.name)=\($0.peerURL)" }.joined(separator: ","),
                "--initial-cluster-state", state, "--quota-backend-bytes", "8589934592",
            ] + (kind.certificates?.serverArguments ?? [])
            // What passwords cost is not what is measured.
            + (kind.hasUsers ? ["--bcrypt-cost", "4"] : [])
    }

    /// Starts the process and returns once it serves.
    func start() throws {
        try launch()
        try waitUntilReady()
    }

    /// Starts the process.
    private func launch() throws {
        process = Process()
        process.executableURL = kind.binary
        process.arguments = arguments
        // etcd 3.4 logs in another format unless told.
        process.environment = ["ETCD_LOGGER": "zap", "PATH": "/usr/bin:/bin"]
        let pipe = Pipe()
        process.standardError = pipe
        process.standardOutput = FileHandle.nullDevice
        do { try process.run() } catch {
            throw ServerFailure(description: "\(kind.name) cannot be started: \(error)")
        }
        StartedProcesses.shared.add(processID)
        log = ProcessLog()
        log.read(pipe.fileHandleForReading)
    }

    /// What all of them log once they accept clients.
    private static let readyText = "serving client traffic"
    private static let startSeconds = 120.0

    private func waitUntilReady() throws {
        guard log.wait(for: Self.readyText, seconds: Self.startSeconds) != nil else {
            throw ServerFailure(description: "\(kind.name) does not serve:\n\(log.text)")
        }
    }

    /// Ends the process in its own way and starts it again on its data; returns once it serves.
    /// - Parameter ended: called between the two.
    func restart(ended: () -> Void) throws {
        end()
        ended()
        try start()
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
