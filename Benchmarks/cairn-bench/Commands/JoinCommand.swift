// A fresh member that gets the whole state: how fast, and what the leader and its clients feel.

import ArgumentParser
import Foundation

struct JoinCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "join",
        abstract: "A fresh learner gets a large store by a snapshot, while small puts go on.")

    @Option(help: "Size of the store: keys times the size of a value.")
    var megabytes = 1000

    @Option(help: "Bytes of a value.")
    var valueSize = 1024

    @Option(help: "Puts per second meanwhile.")
    var rate = 1000.0

    @Option(help: "Seconds of rest before, in which the same puts are measured.")
    var seconds = 10.0

    @Option(help: "The cairn binary; by default the one beside this program.")
    var cairn: String?

    @Option(help: "Folder for the members' data; removed afterwards.")
    var dataDir = DataFolder.standard

    private var keys: Int { megabytes * 1_000_000 / valueSize }

    func run() throws {
        let folder = try DataFolder(dataDir)
        defer { folder.remove() }
        let signals = StartedProcesses.shared.endOnSignals(removing: folder)
        defer { withExtendedLifetime(signals) {} }
        let kind = ServerKind.all(cairn: cairn, rivals: "")[0]
        let leader = try RunningServer(kind, dataIn: folder.url)
        defer { leader.stop() }
        let target = Target.server(.tcp(host: "127.0.0.1", port: leader.clientPort))
        try fill(target)
        let administrator = try Administrator(port: leader.clientPort)
        defer { administrator.close() }
        let puts = try LoadGenerator(small, to: target, threads: 1)
        defer { puts.close() }
        // What filling left to the disk is not the leader's rest.
        sync()
        _ = try measure(puts, pass: 1) { Thread.sleep(forTimeInterval: 2) }
        let rest = try measure(puts, pass: 100) { Thread.sleep(forTimeInterval: seconds) }
        let anonymous = try anonymousBytes(of: leader)

        let learner = try RunningServer.joiner(to: [leader], dataIn: folder.url)
        defer { learner.stop() }
        let stored = try administrator.size().inUse
        try administrator.addLearner(learner.peerURL)
        let peak = PeakMemory(of: leader.processID)
        let times = Times()
        let beside = try measure(puts, pass: 200) {
            try learner.start()
            times.began = try line("\"sending database snapshot\"", of: leader)
            times.ended = try line("\"applied snapshot\"", of: learner)
        }
        let taken = Double(times.ended - times.began) / 1e9
        report(
            stored: stored, seconds: taken, rest: rest, beside: beside,
            anonymous: (anonymous, peak.stop()))
    }

    private func report(
        stored: Int, seconds: Double, rest: Latencies, beside: Latencies,
        anonymous: (before: Int, peak: Int)
    ) {
        let p99 = (rest.microseconds(at: 99), beside.microseconds(at: 99))
        let rows = [
            ["the store, pages in use", .mebibytes(stored) + " MiB"],
            ["keys and values", .tenth(Double(keys * (valueSize + small.keySize)) / 1e6) + " MB"],
            ["from sending to applied", .hundredth(seconds) + " s"],
            [
                "keys and values per second",
                .tenth(Double(keys * (valueSize + small.keySize)) / 1e6 / seconds) + " MB/s",
            ],
            [
                "put p50, p99 before",
                .whole(rest.microseconds(at: 50)) + ", " + .whole(p99.0) + " us",
            ],
            [
                "put p50, p99 meanwhile",
                .whole(beside.microseconds(at: 50)) + ", " + .whole(p99.1) + " us",
            ],
            ["p99, ratio", .ratio(p99.1, p99.0)],
            ["leader's RssAnon before", .mebibytes(anonymous.before) + " MiB"],
            ["at most meanwhile", .mebibytes(anonymous.peak) + " MiB"],
        ]
        print(TextTable(rows: rows, leading: 1).text)
    }

    private var small: Workload {
        Workload(
            operation: .put, connections: 2, streams: 50, valueSize: 256, keySpace: 10_000,
            requests: Int.max / 4, warmUp: 0, rate: rate)
    }

    private func fill(_ target: Target) throws {
        var workload = Workload(
            operation: .put, connections: 10, streams: 20, valueSize: valueSize, keySpace: keys,
            requests: keys, warmUp: 0)
        workload.keyOrder = .sequential
        let generator = try LoadGenerator(workload, to: target, threads: 1)
        defer { generator.close() }
        if let failure = generator.measure().firstFailure {
            throw ServerFailure(description: failure)
        }
    }

    /// Puts until `work` is done.
    private func measure(
        _ puts: LoadGenerator, pass first: Int, beside work: @escaping () throws -> Void
    ) throws -> Latencies {
        let background = Background(seconds: 0, work)
        var felt = PhaseOutcome()
        var pass = first
        repeat {
            felt.add(puts.measure(pass: pass, seconds: 0.25))
            if let failure = felt.firstFailure { throw ServerFailure(description: failure) }
            pass += 1
        } while background.result == nil
        _ = try background.result?.get()
        return felt.latencies
    }

    private func line(_ text: String, of server: RunningServer) throws -> UInt64 {
        guard let time = server.log.wait(for: text, seconds: 120) else {
            throw ServerFailure(description: "no \(text) in:\n\(server.log.text)")
        }
        return time
    }

    private func anonymousBytes(of server: RunningServer) throws -> Int {
        guard let usage = ProcessUsage(of: server.processID) else {
            throw ServerFailure(description: "the leader is gone")
        }
        return usage.anonymousBytes
    }
}

/// When the snapshot was under way, in monotonic nanoseconds. Written by one thread, read once it
/// has ended.
private final class Times: @unchecked Sendable {
    var began: UInt64 = 0
    var ended: UInt64 = 0
}

/// Looks at a process's memory every 20 ms.
private final class PeakMemory: @unchecked Sendable {
    private let lock = NSLock()
    private var peak = 0
    private var isOver = false

    init(of process: Int32) {
        Thread.detachNewThread { [self] in
            while !lock.withLock({ isOver }) {
                let now = ProcessUsage(of: process)?.anonymousBytes ?? 0
                lock.withLock { peak = max(peak, now) }
                Thread.sleep(forTimeInterval: 0.02)
            }
        }
    }

    /// - Returns: the most it was.
    func stop() -> Int {
        lock.withLock {
            isOver = true
            return peak
        }
    }
}
