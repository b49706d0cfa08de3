// One run: a world from a seed, load and faults, an end without faults, and what it came to.

import API
import Glibc
import TestSupport
import Workloads

/// What a run is given besides its seed.
public struct SimulationSettings: Sendable {
    /// Simulated seconds of load and faults.
    public var seconds: UInt64 = 20
    /// Members at the start; 0 leaves it to the seed.
    public var members = 0
    /// All that happens is written there.
    public var tracePath: String?
    /// Whether the timeline of the result has what clients saw.
    public var isDetailed = false
    /// The places in the plan of the faults that are carried out; nil is all.
    public var faults: [Int]?
    public init() {}
}

/// What a run came to.
public struct SimulationResult {
    public let seed: UInt64
    public let violation: String?
    public let step: UInt64
    public let simulatedSeconds: Double
    public let realSeconds: Double
    public let checkSeconds: Double
    public let hash: UInt64
    public let operations: Int
    /// In the plan.
    public let faultCount: Int
    /// How often what happened.
    public let counts: [(name: String, count: Int)]
    let faults: [(place: Int, text: String)]
    let trace: Trace

    public var summary: String {
        let speed = simulatedSeconds / max(realSeconds, 1e-9)
        return "seed \(seed): \(violation.map { "FAILED at step \(step): \($0)" } ?? "ok"), "
            + "\(operations) operations, \(faultCount) faults, \(step) steps, "
            + "\(Int(simulatedSeconds)) s simulated, \(Int(speed)) s/s, "
            + "checked in \(Int(checkSeconds * 1000)) ms, "
            + "trace \(String(hash, radix: 16))"
    }

    /// The last events of each member, in the order of time.
    public var timeline: String { trace.lines.map(\.description).joined(separator: "\n") }

    /// The faults that were to be carried out.
    public var plan: String { faults.map { "\($0.place): \($0.text)" }.joined(separator: "\n") }
}

public final class SimulationRun {
    private let seed: UInt64
    private let settings: SimulationSettings
    private let trace: Trace
    private let cluster: SimCluster
    private let directory: String
    private let workload: WorkloadRun
    private let plan: FaultPlan
    private let kept: [Int]
    private let faults: FaultInjector
    private static let second: UInt64 = 1_000_000_000

    /// The directory of a run's files, which is gone when it ends in order.
    public static func directory(process: Int32, seed: UInt64) -> String {
        "/dev/shm/cairn-simulation-\(process)-\(seed)"
    }

    public init(seed: UInt64, _ settings: SimulationSettings) {
        self.seed = seed
        self.settings = settings
        trace = Trace(isDetailed: settings.isDetailed, path: settings.tracePath)
        directory = Self.directory(process: getpid(), seed: seed)
        trace.hidden = directory
        mkdir(directory, 0o700)
        var dice = SplitMix64(seed: seed ^ 0x0FF_1CE)
        var options = SimOptions(&dice)
        if settings.members > 0 { options.members = settings.members }
        let usesAuth = options.chooseTokens(seed, directory)
        // With chance of its own: what else the seed decides stays as it is.
        var chance = SplitMix64(seed: seed ^ 0x1_EA56)
        options.leases = chance.next() % 4 == 0
        options.chooseMessages(seed)
        cluster = SimCluster(seed: seed, options: options, trace: trace, directory: directory)
        var load = WorkloadOptions(&dice)
        load.usesAuth = usesAuth
        workload = WorkloadRun(SimClientWorld(cluster), load)
        if usesAuth {
            cluster.clients.operatorCall = { [workload] method, request, place, timeout, done in
                workload.callAsRoot(
                    method, request, to: place - 1, timeoutNanoseconds: timeout, done)
            }
        }
        let all = Self.plan(seed, settings, options)
        kept = settings.faults ?? Array(all.faults.indices)
        plan = all.keeping(kept)
        faults = FaultInjector(plan, in: cluster)
    }

    private static func plan(
        _ seed: UInt64, _ settings: SimulationSettings, _ options: SimOptions
    ) -> FaultPlan {
        FaultPlan(
            seed: seed, members: options.members,
            window: 2 * second...max(3, settings.seconds) * second)
    }

    /// Faults in the plan of a run.
    static func faultCount(_ seed: UInt64, _ settings: SimulationSettings) -> Int {
        var dice = SplitMix64(seed: seed ^ 0x0FF_1CE)
        var options = SimOptions(&dice)
        if settings.members > 0 { options.members = settings.members }
        return plan(seed, settings, options).faults.count
    }

    public func run() -> SimulationResult {
        let began = Self.realTime()
        cluster.start()
        cluster.clientExecutor.add { [workload] in workload.start() }
        faults.start()
        go(settings.seconds)
        if cluster.violation == nil { settle() }
        if cluster.violation == nil { compare() }
        let ran = Self.realTime()
        let violation = cluster.violation ?? workload.check().first.map { "\($0)" }
        let checked = Self.realTime()
        cluster.letGo()
        removeTree(directory)
        let result = SimulationResult(
            seed: seed, violation: violation, step: cluster.kernel.steps,
            simulatedSeconds: Double(cluster.kernel.time - Self.second) / 1e9,
            realSeconds: Double(ran - began) / 1e9,
            checkSeconds: Double(checked - ran) / 1e9, hash: trace.hash,
            operations: workload.operationCount, faultCount: plan.faults.count,
            counts: counts(),
            faults: zip(kept, plan.faults).map {
                ($0, "\($1.time / 1_000_000) ms: \($1.kind)")
            }, trace: trace)
        return result
    }

    private func counts() -> [(name: String, count: Int)] {
        let counts = trace.counts
        for (name, count) in workload.tally { counts.add(name, count) }
        counts.add("runs")
        if workload.options.usesAuth { counts.add("runs with users") }
        counts.add("seen: elections", cluster.watcher.elections)
        counts.add("ends of processes", cluster.graveyard.count)
        counts.add("processes not freed", cluster.graveyard.unrestful)
        return counts.all
    }

    private func go(_ seconds: UInt64, until isOver: () -> Bool = { false }) {
        cluster.run(until: cluster.kernel.time + seconds * Self.second, orUntil: isOver)
    }

    /// Faults end: the cluster serves, clients read the end of the history.
    private func settle() {
        cluster.clientExecutor.enter { workload.stop() }
        faults.end()
        go(60) { workload.isQuiet && faults.isQuiet }
        guard cluster.violation == nil else { return }
        if !workload.isQuiet {
            return cluster.violated("liveness: calls are open a minute after the end of all faults")
        }
        if !faults.isQuiet {
            return cluster.violated(
                "liveness: members cannot be changed after the end of all faults")
        }
        let isSettled = Flag()
        cluster.clientExecutor.enter { workload.settle { isSettled.value = true } }
        go(90) { isSettled.value }
        guard cluster.violation == nil, !isSettled.value else { return }
        // What clients saw says more, if there is something.
        let seen = workload.check().first.map { "\($0)" }
        cluster.violated(
            seen ?? "liveness: clients cannot settle after the end of all faults, they wait for "
                + workload.waitsFor)
    }

    /// All members have the same, in memory and on disk.
    private func compare() {
        go(3)
        guard cluster.violation == nil else { return }
        for isLast in [false, false, false, false, true] {
            let comparison = StateComparison(cluster)
            comparison.begin()
            go(30) { comparison.isDone }
            guard cluster.violation == nil else { return }
            if isLast || !comparison.isUnsettled { return comparison.conclude() }
            go(1)
        }
    }

    private final class Flag {
        var value = false
    }

    private static func realTime() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

extension SimOptions {
    /// What the seed decides.
    init(_ dice: inout SplitMix64) {
        self.init()
        members = [3, 3, 3, 3, 4, 5, 5, 7][Int(dice.next() % 8)]
        logSizes.segment = (32 << 10) << Int(dice.next() % 4)
        logSizes.zeros = (4 << 10) << Int(dice.next() % 3)
        snapshotCount = [20, 100, 500][Int(dice.next() % 3)]
        catchUpEntries = [5, 50, 300][Int(dice.next() % 3)]
        preVote = dice.next() % 8 != 0
    }

    /// Small messages part what belongs together; with few in flight a follower lags.
    mutating func chooseMessages(_ seed: UInt64) {
        var dice = SplitMix64(seed: seed ^ 0x3E55_A6E)
        messages.bytes = [1 << 20, 1 << 20, 4096, 400, 1][Int(dice.next() % 5)]
        messages.inFlight = [512, 512, 16, 2][Int(dice.next() % 4)]
    }

    /// - Returns: whether there are users.
    mutating func chooseTokens(_ seed: UInt64, _ directory: String) -> Bool {
        var dice = SplitMix64(seed: seed ^ 0xA07_4)
        let usesAuth = dice.next() % 4 == 0
        // Some end while they are used, or between two uses.
        let isShort = dice.next() % 2 == 0
        tokens =
            dice.next() % 2 == 0
            ? .kept(seconds: isShort ? 2 : 300)
            : .signed(seconds: isShort ? 5 : 300, key: directory + "/token.key")
        return usesAuth
    }
}

extension WorkloadOptions {
    /// About a hundred operations a second, of kinds that the seed decides.
    init(_ dice: inout SplitMix64) {
        self.init()
        let full = dice.next() % 3 == 0
        func chance() -> Bool { full || dice.next() % 2 == 0 }
        if !chance() { lists = 0 }
        if !chance() { sets = 0 }
        if !chance() { banks = 0 }
        if !chance() { leases = 0 }
        if !chance() { locks = 0 }
        if !chance() { watchers = 1 }
        if !chance() { housekeepers = 0 }
        let clients = registers + lists + sets + banks + leases + locks
        thinkTime = UInt64(clients) * 12_000_000
        driftPPM = 1000
        leaseBound = 12_000_000_000
    }
}

/// Removes a directory with all that is in it.
public func removeTree(_ path: String) {
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
