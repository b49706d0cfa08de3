// A real member: the binary that ships, in a process and a data directory of its own.

import Foundation
import Transport

/// A running `cairn`, killed and its data removed when the value goes away.
///
/// `@unchecked Sendable`: a test uses it from one task at a time.
final class MemberProcess: @unchecked Sendable {
    let port: UInt16
    let dataDirectory: URL
    /// Further flags, for this and later starts.
    var arguments: [String]
    var environment: [String: String]
    private let scheme: String
    /// Words before the command, of a program that ends by running it.
    private let launcher: [String]
    private let binary: URL
    private let ownsData: Bool
    /// The Unix socket that it serves clients at, in place of a port.
    private let socketPath: String?
    private var process = Process()
    private(set) var log = LogCollector(FileHandle.nullDevice)

    /// Where clients find it, as etcdctl takes it.
    var endpoint: String { socketPath.map { "unix://\($0)" } ?? "127.0.0.1:\(port)" }
    /// Where clients find it.
    var clientEndpoint: Endpoint {
        socketPath.map { .unix(path: $0) } ?? .tcp(host: "127.0.0.1", port: port)
    }
    var processID: Int32 { process.processIdentifier }
    var isRunning: Bool { process.isRunning }
    var walDirectory: URL { dataDirectory.appendingPathComponent("member/wal") }
    var storeFile: URL { dataDirectory.appendingPathComponent("member/snap/cairn.mdb") }

    /// Starts a member and returns once it says that it serves clients.
    /// - Parameters:
    ///   - scheme: of the client URL: `http` or `https`.
    ///   - binary: another server that takes the same flags.
    ///   - directory: where its data goes, which is then kept; nil for one of its own.
    ///   - launcher: words before its command, of a program that ends by running it.
    ///   - hasSocket: it serves clients at a Unix socket.
    init(
        scheme: String = "http", binary: URL = MemberProcess.binary, arguments: [String] = [],
        environment: [String: String] = [:], directory: URL? = nil, launcher: [String] = [],
        hasSocket: Bool = false, starts: Bool = true
    ) throws {
        self.scheme = scheme
        self.binary = binary
        self.launcher = launcher
        port = try Self.freePort()
        ownsData = directory == nil
        dataDirectory =
            directory
            ?? FileManager.default.temporaryDirectory
            .appendingPathComponent("cairn-e2e-\(UUID().uuidString)")
        socketPath = hasSocket ? "/tmp/cairn-e2e-\(UUID().uuidString).sock" : nil
        self.arguments = arguments
        self.environment = environment
        if starts { try start() }
    }

    deinit {
        if process.isRunning { end(by: SIGKILL) }
        if ownsData { try? FileManager.default.removeItem(at: dataDirectory) }
        if let socketPath { unlink(socketPath) }
    }

    /// Starts the member on its data directory (again).
    /// - Returns: the log lines up to and with the one that says it is ready.
    @discardableResult
    func start() throws -> [String] {
        try launch()
        return try log.wait(for: "ready to serve client requests")
    }

    /// Starts the member and does not wait for anything.
    func launch() throws {
        process = Process()
        let command = launcher + [binary.path] + flags + arguments
        process.executableURL = URL(fileURLWithPath: command[0])
        process.arguments = Array(command.dropFirst())
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let pipe = Pipe()
        process.standardError = pipe
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        // This end belongs to the child: the log ends when the child does.
        try pipe.fileHandleForWriting.close()
        log = LogCollector(pipe.fileHandleForReading)
    }

    private var flags: [String] {
        // A flag that is given by the environment must not be given here.
        var flags = ["--data-dir", dataDirectory.path]
        if environment["ETCD_LISTEN_CLIENT_URLS"] == nil {
            flags += ["--listen-client-urls", clientURL]
        }
        if binary == Self.binary, !arguments.contains("--listen-peer-urls") {
            // Any port: most members have no peers.
            flags += ["--listen-peer-urls", "http://127.0.0.1:0"]
        }
        if environment["ETCD_ADVERTISE_CLIENT_URLS"] == nil {
            flags += ["--advertise-client-urls", clientURL]
        }
        return flags
    }

    private var clientURL: String { socketPath == nil ? "\(scheme)://\(endpoint)" : endpoint }

    /// Ends the process by `signal` and waits for its end.
    /// - Returns: its status as a shell says it.
    @discardableResult
    func end(by signal: Int32) -> Int32 {
        kill(process.processIdentifier, signal)
        return waitForEnd()
    }

    /// Waits for the process to end by itself.
    /// - Returns: its status as a shell says it.
    @discardableResult
    func waitForEnd() -> Int32 {
        process.waitUntilExit()
        return process.shellStatus
    }

    /// Starts a member that is expected to refuse, and waits for its end.
    /// - Returns: its status and its log.
    func startExpectingRefusal() throws -> (status: Int32, log: [LogEntry]) {
        try launch()
        let lines = try log.waitForEnd()
        return (waitForEnd(), lines.compactMap(LogEntry.init))
    }

    /// The binary lies beside the test bundle.
    static var binary: URL {
        URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
            .deletingLastPathComponent().appendingPathComponent("cairn")
    }

    /// A port that was free a moment ago, of those the kernel gives to no connection: nobody takes
    /// it while a member restarts.
    static func freePort() throws -> UInt16 {
        for _ in 0..<100 {
            let port = UInt16.random(in: 10_000..<32_000)
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            defer { close(descriptor) }
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            let isFree = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
                }
            }
            if isFree { return port }
        }
        throw ProcessFailure(description: "no free port")
    }
}

/// What the kernel says of a process.
extension MemberProcess {
    /// Open descriptors.
    var descriptorCount: Int {
        (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(processID)/fd").count) ?? -1
    }

    /// Memory in RAM, in MiB.
    var residentMebibytes: Int {
        let status =
            (try? String(contentsOfFile: "/proc/\(processID)/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") } ?? ""
        return (line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? -1024) / 1024
    }
}
