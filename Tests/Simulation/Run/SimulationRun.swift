// One run: a world from a seed, a load, and what it came to.

import API
import Glibc
import TestSupport

/// What a run came to.
public struct SimulationResult {
    public let seed: UInt64
    public let violation: String?
    public let step: UInt64
    public let simulatedSeconds: Double
    public let realSeconds: Double
    public let hash: UInt64
    public let operations: Int
    let trace: Trace

    public var summary: String {
        let speed = simulatedSeconds / max(realSeconds, 1e-9)
        return "seed \(seed): \(violation.map { "FAILED at step \(step): \($0)" } ?? "ok"), "
            + "\(operations) operations, \(step) steps, \(Int(simulatedSeconds)) s simulated, "
            + "\(Int(speed)) s/s, trace \(String(hash, radix: 16))"
    }

    public var timeline: String { trace.lines.map(\.description).joined(separator: "\n") }

    public func writeTrace(to path: String) throws {
        guard let file = fopen(path, "w") else { throw SimError("cannot write \(path)") }
        defer { fclose(file) }
        for line in trace.lines { fputs(line.description + "\n", file) }
    }
}

public final class SimulationRun {
    private let seed: UInt64
    private let seconds: UInt64
    private let trace: Trace
    private let cluster: SimCluster
    private let directory: String
    private var load: TrivialLoad?

    public init(seed: UInt64, seconds: UInt64, members: Int, keepsAll: Bool) {
        self.seed = seed
        self.seconds = seconds
        trace = Trace(keepsAll: keepsAll)
        directory = "/dev/shm/cairn-simulation-\(getpid())-\(seed)"
        mkdir(directory, 0o700)
        var options = SimOptions()
        options.members = members > 0 ? members : 3
        cluster = SimCluster(seed: seed, options: options, trace: trace, directory: directory)
    }

    public func run() -> SimulationResult {
        let began = MonotonicTime.now()
        let load = TrivialLoad(cluster)
        let plan = FaultPlan(
            seed: seed, members: cluster.options.members,
            window: 2_000_000_000...max(3, seconds) * 1_000_000_000)
        let faults = FaultInjector(plan, in: cluster)
        cluster.start()
        load.start()
        faults.start()
        go(seconds)
        faults.end()
        settle(load, faults)
        let result = SimulationResult(
            seed: seed, violation: cluster.violation, step: cluster.kernel.steps,
            simulatedSeconds: Double(cluster.kernel.time - 1_000_000_000) / 1e9,
            realSeconds: Double(MonotonicTime.now() - began) / 1e9, hash: trace.hash,
            operations: load.answered, trace: trace)
        cluster.letGo()
        removeTree(directory)
        return result
    }

    private func go(_ seconds: UInt64, until isOver: () -> Bool = { false }) {
        cluster.run(until: cluster.kernel.time + seconds * 1_000_000_000, orUntil: isOver)
    }

    /// Once faults are over the cluster serves, and its members come to agree.
    private func settle(_ load: TrivialLoad, _ faults: FaultInjector) {
        var before = load.answered
        go(60) { load.answered >= before + 100 && faults.isQuiet }
        if load.answered < before + 100 {
            return cluster.violated("after the end of all faults nobody serves for a minute")
        }
        if !faults.isQuiet {
            return cluster.violated("after the end of all faults members cannot be changed")
        }
        load.stop()
        before = load.answered
        go(5)
        let comparison = StateComparison(cluster)
        comparison.begin()
        go(30) { comparison.isDone }
        comparison.conclude()
    }
}

extension MonotonicTime {
    static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

/// Removes a directory with all that is in it.
func removeTree(_ path: String) {
    guard let entries = opendir(path) else {
        unlink(path)
        return
    }
    while let entry = readdir(entries) {
        let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        if name != ".", name != ".." { removeTree(path + "/" + name) }
    }
    closedir(entries)
    rmdir(path)
}

/// Puts and reads, a hundred a second.
final class TrivialLoad {
    private let cluster: SimCluster
    private var dice: SplitMix64
    private(set) var answered = 0
    private var asked = 0

    init(_ cluster: SimCluster) {
        self.cluster = cluster
        dice = SplitMix64(seed: cluster.seed &+ 77)
    }

    func start() { cluster.clientExecutor.add { [self] in next() } }

    private var isStopped = false
    func stop() { isStopped = true }

    private func next() {
        guard !isStopped else { return }
        cluster.clientExecutor.schedule(afterNanoseconds: 5_000_000 + dice.next() % 10_000_000) {
            [self] in next()
        }
        asked += 1
        let key = Array("k\(dice.next() % 50)".utf8)
        let place = 1 + Int(dice.next() % UInt64(cluster.members.count))
        var request = ByteBuffer()
        let isPut = dice.next() % 2 == 0
        request.appendField(1, bytes: key)
        if isPut { request.appendField(2, bytes: Array("v\(asked)".utf8)) }
        let number = asked
        cluster.clients.call(
            isPut ? "/etcdserverpb.KV/Put" : "/etcdserverpb.KV/Range", request.array, to: place,
            timeoutNanoseconds: 5_000_000_000
        ) { [self] end in
            switch end {
            case .answered:
                answered += 1
            case .failed(let status):
                cluster.kernel.trace.add("clients", "\(number) failed: \(status.message)")
            case .neverSent:
                cluster.kernel.trace.add("clients", "\(number) never sent to m\(place)")
            }
        }
    }
}
