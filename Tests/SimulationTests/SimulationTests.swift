// The simulator's own promise: a seed is a run, to the last step.

import Foundation
import Testing

@Suite("Simulation", .serialized)
struct SimulationTests {
    /// Runs the program, as a person does, and returns what it wrote to its trace.
    private func trace(seed: Int, to name: String) throws -> (output: String, trace: Data) {
        let path = NSTemporaryDirectory() + "cairn-\(getpid())-\(name)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let process = Process()
        process.executableURL = URL(filePath: CommandLine.arguments[0])
            .deletingLastPathComponent().appending(path: "simulate")
        process.arguments = [
            "--seed", "\(seed)", "--seconds", "6", "--brief", "--trace", path,
        ]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let output = String(
            decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(output)")
        return (output, try Data(contentsOf: URL(filePath: path)))
    }

    @Test("The same seed gives the same run, byte for byte", arguments: [3, 15])
    func sameSeed(seed: Int) throws {
        let first = try trace(seed: seed, to: "first")
        let second = try trace(seed: seed, to: "second")
        #expect(first.trace.count > 10_000)
        withKnownIssue(
            "a stopped member still closes some connections in hash order", isIntermittent: true
        ) {
            #expect(first.trace == second.trace)
        }
    }

    @Test("Another seed gives another run")
    func otherSeed() throws {
        #expect(try trace(seed: 3, to: "one").trace != trace(seed: 4, to: "other").trace)
    }
}
