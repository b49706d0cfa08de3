// A real member: the binary that ships, in a process and a data directory of its own.

import Foundation

/// What kept a member or a client program from doing its part.
struct ProcessFailure: Error, CustomStringConvertible {
    let description: String
}

/// A running `cairn`, killed and its data removed when the value goes away.
final class MemberProcess {
    let port: UInt16
    let dataDirectory: URL
    private let arguments: [String]
    private var process = Process()
    private var log = LineReader(FileHandle.nullDevice)

    var endpoint: String { "127.0.0.1:\(port)" }
    var processID: Int32 { process.processIdentifier }

    /// Starts a member and returns once it says that it serves clients.
    init(arguments: [String] = []) throws {
        port = try Self.freePort()
        dataDirectory = FileManager.default.temporaryDirectory
            .appendingPathComponent("cairn-e2e-\(UUID().uuidString)")
        self.arguments = arguments
        try start()
    }

    deinit {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        process.waitUntilExit()
        try? FileManager.default.removeItem(at: dataDirectory)
    }

    /// Starts the member on its data directory (again).
    /// - Returns: the log lines up to and with the one that says it is ready.
    @discardableResult
    func start() throws -> [String] {
        process = Process()
        process.executableURL = Self.binary
        process.arguments =
            [
                "--data-dir", dataDirectory.path,
                "--listen-client-urls", "http://\(endpoint)",
                "--advertise-client-urls", "http://\(endpoint)",
            ] + arguments
        let pipe = Pipe()
        process.standardError = pipe
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        log = LineReader(pipe.fileHandleForReading)
        return try log.lines(through: "ready to serve client requests")
    }

    /// Ends the process by `signal` and waits for its end.
    /// - Returns: the signal that ended it, or its exit status.
    @discardableResult
    func end(by signal: Int32) -> (status: Int32, reason: Process.TerminationReason) {
        kill(process.processIdentifier, signal)
        process.waitUntilExit()
        return (process.terminationStatus, process.terminationReason)
    }

    /// Waits for the process to end by itself.
    func waitForEnd() -> Int32 {
        process.waitUntilExit()
        return process.terminationStatus
    }

    /// The binary lies beside the test bundle.
    static var binary: URL {
        URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
            .deletingLastPathComponent().appendingPathComponent("cairn")
    }

    /// A port that was free a moment ago.
    static func freePort() throws -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard bound else { throw ProcessFailure(description: "no free port") }
        return UInt16(bigEndian: address.sin_port)
    }
}

/// Reads the lines of a pipe as they come.
struct LineReader {
    private let handle: FileHandle
    private var rest = Data()

    init(_ handle: FileHandle) { self.handle = handle }

    /// The lines up to and with the first that contains `text`; reading goes on in the background
    /// afterwards, so that the writer never waits for a full pipe.
    /// - Throws: `ProcessFailure` when the pipe ends first.
    mutating func lines(through text: String) throws -> [String] {
        var lines: [String] = []
        while true {
            while let end = rest.firstIndex(of: 0x0A) {
                let line = String(decoding: rest[rest.startIndex..<end], as: UTF8.self)
                rest = Data(rest[rest.index(after: end)...])
                lines.append(line)
                if line.contains(text) {
                    handle.readabilityHandler = {
                        if $0.availableData.isEmpty { $0.readabilityHandler = nil }
                    }
                    return lines
                }
            }
            let more = handle.availableData
            guard !more.isEmpty else {
                throw ProcessFailure(
                    description: "ended before \"\(text)\":\n" + lines.joined(separator: "\n"))
            }
            rest.append(more)
        }
    }
}

/// A finished program.
struct ProgramResult {
    let status: Int32
    let output: String
    let errors: String
}

/// Runs a program to its end.
/// - Throws: `ProcessFailure` when it cannot be started.
func run(
    _ path: String, _ arguments: [String], environment: [String: String] = [:], input: String = ""
) throws -> ProgramResult {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    let output = Pipe()
    let errors = Pipe()
    let inputPipe = Pipe()
    process.standardOutput = output
    process.standardError = errors
    process.standardInput = inputPipe
    do { try process.run() } catch {
        throw ProcessFailure(description: "\(path) cannot be started: \(error)")
    }
    inputPipe.fileHandleForWriting.write(Data(input.utf8))
    try inputPipe.fileHandleForWriting.close()
    // Programs here print little on standard error: the pipe does not fill while output is read.
    let printed = output.fileHandleForReading.readDataToEndOfFile()
    let complained = errors.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return ProgramResult(
        status: process.terminationStatus, output: String(decoding: printed, as: UTF8.self),
        errors: String(decoding: complained, as: UTF8.self))
}
