// cairn-chaos: three real members under faults, loaded by clients that write down all they see, and
// the checks of the simulator on what they saw.

import API
import ArgumentParser
import Faults
import Foundation
import TestSupport
import Transport
import Workloads

@main
struct CairnChaos: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cairn-chaos",
        abstract: "Kills, pauses, cuts off and fills the disks of three members under load.")

    @Option(help: "Which faults come when, and what clients do.")
    var seed: UInt64 = .random(in: 0..<1_000_000)

    @Option(help: "Seconds of load and faults.")
    var duration = 30.0

    @Option(help: "Faults, if they are fewer than come in that time.")
    var rounds = Int.max

    @Option(help: "Members.")
    var members = 3

    @Option(help: "The cairn binary; by default the one beside this program.")
    var cairn: String?

    @Option(help: "Where the timeline goes, line by line.")
    var trace: String?

    @Flag(help: "Leaves data and logs of the members in the temporary folder.")
    var keep = false

    /// So long the cluster may take to serve all after the last fault, leases and all.
    private static let patience: UInt64 = 90

    func run() throws {
        signal(SIGPIPE, SIG_IGN)
        let timeline = try Timeline(trace)
        print("seed \(seed), \(Int(duration)) s, \(members) members")
        let place = FileManager.default.temporaryDirectory
            .appendingPathComponent("cairn-chaos-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
        defer { if !keep { try? FileManager.default.removeItem(at: place) } }
        let scene = try Scene(place, members: members, binary: binary)
        defer { scene.end() }
        let result = try play(scene, timeline)
        try report(result, scene, timeline, place)
    }

    private var binary: URL {
        cairn.map { URL(fileURLWithPath: $0) }
            ?? URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
            .deletingLastPathComponent().appendingPathComponent("cairn")
    }

    private func play(
        _ scene: Scene, _ timeline: Timeline
    ) throws -> (ChaosResult, [String: Int]) {
        for member in scene.members { try member.start() }
        let loop = try EventLoop(name: "chaos-clients")
        defer { loop.stop() }
        var options = WorkloadOptions()
        options.thinkTime = 20_000_000
        // Three election timeouts, a slow machine, and revocations that wait their turn.
        options.leaseBound = 20_000_000_000
        options.driftPPM = 1000
        // Every other seed with users, whose tokens go with a member that dies.
        options.usesAuth = seed.isMultiple(of: 2)
        let load = ChaosLoad.start(
            scene.members.map { .unix(path: $0.socketPath) }, on: loop, seed: seed,
            options: options, log: timeline.add)
        let faults = ChaosFaults(
            scene.members, scene.disks, scene.network, random: SplitMix64(seed: seed),
            log: timeline.add)
        try faults.run(until: Date(timeIntervalSinceNow: duration), rounds: rounds)
        let result = load.finish(withinSeconds: Self.patience)
        load.close()
        return (result, faults.counts)
    }

    private func report(
        _ end: (ChaosResult, [String: Int]), _ scene: Scene, _ timeline: Timeline, _ place: URL
    ) throws {
        let (result, faults) = end
        let kinds = faults.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        print("faults: \(kinds.joined(separator: ", "))")
        if scene.network == nil {
            print("no partitions: \(NamespaceNetwork.obstacle ?? "")")
        }
        if !scene.disks.allSatisfy(\.canBeFull) { print("no full disks: nothing can be mounted") }
        let checking = (result.checking * 10).rounded() / 10
        print("\(result.operations) calls and responses checked in \(checking) s")
        if result.hasSettled && result.violations.isEmpty {
            print("every promise was kept")
            return
        }
        if !result.hasSettled {
            print("BROKEN it does not come to rest: it waits for \(result.waitsFor)")
        }
        for violation in result.violations.prefix(20) { print("BROKEN \(violation)") }
        print("\(result.violations.count) broken promises; the last that was seen:")
        for line in timeline.last { print("  \(line)") }
        for member in scene.members {
            print("\(member.name) says:\n\(member.lastWords())")
        }
        if keep { print("data and logs are in \(place.path)") }
        throw ExitCode(1)
    }
}

/// The members, their disks and what lies between them.
private final class Scene {
    let network: NamespaceNetwork?
    private(set) var disks: [ChaosDisk] = []
    private(set) var members: [ChaosMember] = []

    init(_ place: URL, members count: Int, binary: URL) throws {
        network = NamespaceNetwork.obstacle == nil ? try NamespaceNetwork(places: count) : nil
        let listen = (0..<count).map { number in
            network.map { "http://\($0.address(of: number)):2380" }
                ?? "http://127.0.0.1:\(21_380 + number)"
        }
        let peers = listen.enumerated().map { "m\($0 + 1)=\($1)" }.joined(separator: ",")
        for number in 0..<count {
            let disk = try ChaosDisk(place.appendingPathComponent("m\(number + 1)"))
            disks.append(disk)
            members.append(
                try ChaosMember(
                    "m\(number + 1)", binary: binary,
                    launcher: network?.launcher(at: number) ?? [], directory: disk.url,
                    listen: listen[number], peers: peers))
        }
    }

    func end() {
        for member in members {
            member.signal(SIGCONT)
            member.end()
        }
    }
}

/// What happened, as lines with their times; the last are kept, all are written where wanted.
private final class Timeline: Sendable {
    private let lines = Locked<[String]>([])
    private let file: FileHandle?
    private let began = Date()
    private static let kept = 60

    init(_ path: String?) throws {
        guard let path else {
            file = nil
            return
        }
        _ = FileManager.default.createFile(atPath: path, contents: nil)
        file = FileHandle(forWritingAtPath: path)
        if file == nil { throw ChaosFailure("\(path) cannot be written") }
    }

    var last: [String] { lines.withLock { $0 } }

    var add: @Sendable (String) -> Void {
        { [self] line in
            let stamped = "\(Int(Date().timeIntervalSince(began) * 1000)) ms \(line)"
            lines.withLock {
                $0.append(stamped)
                if $0.count > Self.kept { $0.removeFirst() }
            }
            file?.write(Data((stamped + "\n").utf8))
        }
    }
}
