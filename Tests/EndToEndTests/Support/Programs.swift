// Programs that run to their end.

import Foundation

/// What kept a member or a client program from doing its part.
struct ProcessFailure: Error, CustomStringConvertible {
    let description: String
}

/// A finished program.
struct ProgramResult {
    /// The exit status, or 128 and the signal that ended it, as a shell says it.
    let status: Int32
    let output: String
    let errors: String
}

extension Process {
    /// As a shell says it. Of a process that has ended.
    var shellStatus: Int32 {
        terminationReason == .uncaughtSignal ? 128 + terminationStatus : terminationStatus
    }
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
    let complaints = LogCollector(errors.fileHandleForReading)
    inputPipe.fileHandleForWriting.write(Data(input.utf8))
    try inputPipe.fileHandleForWriting.close()
    let printed = output.fileHandleForReading.readDataToEndOfFile()
    let complained = try complaints.waitForEnd()
    process.waitUntilExit()
    return ProgramResult(
        status: process.shellStatus, output: String(decoding: printed, as: UTF8.self),
        errors: complained.joined(separator: "\n"))
}

/// A directory that goes away with the value.
final class TemporaryDirectory: Sendable {
    let url: URL
    var path: String { url.path }

    init(in parent: URL = FileManager.default.temporaryDirectory) throws {
        url = parent.appendingPathComponent("cairn-e2e-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }
}
