// Scenario files: stories of a cluster as prose, commands and their exact outcome.
//
//     # Prose.
//     cluster 1 2 3; elect 1
//     ---- 1 became leader at term 1
//     ---- 1: leader, term 1, last 1, commit 1
//
// A line of commands, separated by `;`, is followed by what came of it: first what happened, in
// order, then how every member stands now that stands differently than before. CAIRN_REWRITE=1
// in the environment writes the outcomes anew; read the difference before you keep it.
//
//     cluster 1 2 3 [learners 4] [spares 5] [retain 3] [window 2] [batch 200]
//     option prevote off | option quorum off | option leases on
//     given 1 term 6 [vote 2] [commit 3] log 1 1 4    member 1 wakes with this disk
//     dice 1 4           timeouts of 1 are 10 + 4 ticks from its next draw on
//     tick 1 [n] | tick all [n]                       nothing is delivered
//     pass n             n times: 100 ms pass, everyone ticks, then run
//     clock n            n ms pass, and nothing else: nobody ticks
//     campaign 1 | elect 1 (and run)
//     propose 1 a b | read 1 x
//     change 1 [joint | explicit] add 4 learn 5 remove 1 update 2 | change 1 leave
//     run                disks finish, messages arrive, until nothing moves
//     deliver 1>2 [n] | drop 1>2 [n] | repeat 1>2 | reverse 1>2     `*` is anyone
//     partition 1 2 | 3 4 5        and heal
//     hold-disk 1 | release-disk 1 | store 1 [n] | fail-disk 1
//     crash 1 | restart 1 | unreachable 1 2 (1 is told that 2 missed a message)
//     transfer 1 2 | compact 1 5
//     hold-snapshots | release-snapshots       else they go as soon as they are ordered
//     send-snapshot [5]  the first that was ordered, of the newest state or that of entry 5
//     snapshot-failed 1 2 | install 2
//     log 1 | data 1 | show 1 | members 1 | progress 1 | network | trace on

import API
import Foundation
import Testing

@testable import Consensus

struct Scenario: CustomTestStringConvertible {
    struct Line {
        let number: Int
        /// Prose, or empty, where there is nothing to run.
        let text: String
        let isCommand: Bool
        var expected: [String]
    }

    let file: URL
    var lines: [Line]

    var testDescription: String { file.deletingPathExtension().lastPathComponent }

    static func all(in folder: String) throws -> [Scenario] {
        let source = URL(filePath: #filePath).deletingLastPathComponent()
        let files = try FileManager.default.contentsOfDirectory(
            at: source.appending(path: folder), includingPropertiesForKeys: nil)
        return try files.filter { $0.pathExtension == "txt" }
            .sorted { $0.path < $1.path }.map(Scenario.init)
    }

    init(_ file: URL) throws {
        self.file = file
        lines = []
        let text = try String(contentsOf: file, encoding: .utf8)
        for (offset, line) in text.split(separator: "\n", omittingEmptySubsequences: false)
            .enumerated()
        {
            if line.hasPrefix("----") {
                lines[lines.count - 1].expected.append(String(line))
            } else {
                let isCommand = !line.hasPrefix("#") && !line.allSatisfy(\.isWhitespace)
                lines.append(
                    Line(
                        number: offset + 1, text: String(line), isCommand: isCommand, expected: []))
            }
        }
    }

    static var isRewriting: Bool { ProcessInfo.processInfo.environment["CAIRN_REWRITE"] != nil }

    func rewrite() throws {
        let text = lines.map { ([$0.text] + $0.expected).joined(separator: "\n") }
        try text.joined(separator: "\n").write(to: file, atomically: true, encoding: .utf8)
    }
}

/// What a scenario file says that this stage cannot play.
struct ScenarioError: Error, CustomStringConvertible {
    let description: String
}

/// Plays one scenario.
struct Stage {
    private var cluster = SimulatedCluster(voters: [], options: RaftOptions())
    private var shown: [MemberID: String] = [:]
    private var extra: [String] = []

    /// - Returns: the outcome of a line of commands.
    mutating func play(_ line: String) throws -> [String] {
        extra = []
        for command in line.split(separator: ";") {
            let words = command.split(separator: " ").map(String.init)
            guard let verb = words.first else { continue }
            try play(verb, Array(words.dropFirst()))
        }
        SafetyChecks.checkLogMatching(cluster)
        var outcome = cluster.notes
        cluster.notes = []
        for member in cluster.members {
            let state = Self.describe(member)
            if shown[member.id] != state { outcome.append(state) }
            shown[member.id] = state
        }
        outcome += extra
        return outcome.isEmpty ? ["---- nothing"] : outcome.map { "---- \($0)" }
    }

    private static func describe(_ member: SimulatedCluster.Member) -> String {
        guard let core = member.core else { return "\(member.id.hex): down" }
        var text = "\(member.id.hex): \(core.role.rawValue)"
        if core.role == .follower, core.leader != .none { text += " of \(core.leader.hex)" }
        text += ", term \(core.term.rawValue), last \(core.last.rawValue)"
        if core.stored != core.last { text += " (stored \(core.stored.rawValue))" }
        text += ", commit \(core.committed.rawValue)"
        if core.applied != core.committed { text += " (applied \(core.applied.rawValue))" }
        return text
    }

    private func member(_ word: String?) throws -> MemberID {
        guard let word, let number = UInt64(word),
            cluster.members.contains(where: { $0.id.rawValue == number })
        else { throw ScenarioError(description: "no member \(word ?? "named")") }
        return MemberID(number)
    }

    private func members(_ words: [String]) throws -> [MemberID] {
        if words.first == "all" { return cluster.members.map(\.id) }
        return try words.map(member)
    }

    private mutating func play(_ verb: String, _ words: [String]) throws {
        switch verb {
        case "cluster": try found(words)
        case "option": try option(words)
        case "given": try given(words)
        case "dice": cluster[try member(words.first)].dice = UInt64(words[1])!
        case "tick":
            let who = try members([words[0]])
            for _ in 0..<(words.count > 1 ? Int(words[1])! : 1) { tick(who) }
        case "pass":
            for _ in 0..<Int(words[0])! {
                cluster.time += 100_000_000
                tick(cluster.members.map(\.id))
                cluster.run()
            }
        case "clock": cluster.time += UInt64(words[0])! * 1_000_000
        case "campaign": cluster.step(try member(words.first), .campaign)
        case "elect":
            cluster.step(try member(words.first), .campaign)
            cluster.run()
        case "propose":
            let entries = words.dropFirst().map { ProposedEntry(data: Array($0.utf8)) }
            cluster.step(try member(words.first), .propose(entries))
        case "change":
            let change = ConfChangeV2(words: Array(words.dropFirst()))
            cluster.step(try member(words.first), .propose([change.proposed]))
        case "transfer":
            cluster.step(
                try member(words.first), .transferLeadership(to: try member(words[1])))
        case "compact":
            cluster.step(
                try member(words.first), .compact(through: LogIndex(UInt64(words[1])!)))
        case "hold-snapshots": cluster.holdsSnapshots = true
        case "release-snapshots": cluster.holdsSnapshots = false
        case "send-snapshot":
            guard !cluster.orders.isEmpty else { return extra.append("no snapshot was ordered") }
            cluster.sendSnapshot(at: words.first.map { LogIndex(UInt64($0)!) })
        case "snapshot-failed":
            let (from, to) = (try member(words[0]), try member(words[1]))
            cluster.step(from, .snapshotFailed(to: to))
        case "install": cluster.finishInstall(try member(words.first))
        case "read": cluster.read(try member(words.first), label: words[1])
        case "run": cluster.run()
        case "deliver", "drop", "repeat", "reverse": try carry(verb, words)
        case "partition": try partition(words)
        case "heal": cluster.cut = []
        case "hold-disk": for id in try members(words) { cluster[id].disk.isHeld = true }
        case "release-disk": for id in try members(words) { cluster[id].disk.isHeld = false }
        case "store":
            let limit = words.count > 1 ? Int(words[1])! : .max
            cluster.finishWrites(try member(words.first), limit: limit)
        case "fail-disk":
            for id in try members(words) {
                cluster[id].disk.isHeld = true
                cluster.step(id, .storageFailed)
            }
        case "crash": for id in try members(words) { cluster.crash(id) }
        case "restart": for id in try members(words) { cluster.restart(id) }
        case "unreachable":
            cluster.step(try member(words[0]), .unreachable(try member(words[1])))
        case "log", "data", "show", "network", "members", "progress": try show(verb, words)
        case "trace": cluster.isTracing = words.first == "on"
        default: throw ScenarioError(description: "no command \(verb)")
        }
    }

    private mutating func tick(_ who: [MemberID]) {
        for id in who { cluster.step(id, .tick(dice: cluster[id].dice)) }
    }

    private mutating func found(_ words: [String]) throws {
        var options = RaftOptions()
        var groups: [String: [Int]] = [:]
        var group = "voters"
        for word in words {
            if let number = Int(word) {
                groups[group, default: []].append(number)
            } else {
                group = word
            }
        }
        if let retain = groups["retain"] { options.retainedEntries = retain[0] }
        if let window = groups["window"] { options.maxInFlightMessages = window[0] }
        if let batch = groups["batch"] { options.maxMessageBytes = batch[0] }
        cluster = SimulatedCluster(
            voters: groups["voters"] ?? [], learners: groups["learners"] ?? [],
            spares: groups["spares"] ?? [], options: options)
        shown = [:]
        for member in cluster.members { shown[member.id] = Self.describe(member) }
    }

    private mutating func option(_ words: [String]) throws {
        switch words {
        case ["prevote", "off"]: cluster.options.preVote = false
        case ["quorum", "off"]: cluster.options.checkQuorum = false
        case ["leases", "on"]: cluster.options.votePromise = VotePromise(milliseconds: 900)
        default: throw ScenarioError(description: "no option \(words)")
        }
        for member in cluster.members { cluster.restart(member.id) }
        cluster.notes = []
    }

    private mutating func given(_ words: [String]) throws {
        let id = try member(words.first)
        var disk = SimulatedCluster.Disk()
        var rest = words.dropFirst()
        while let word = rest.popFirst() {
            guard word != "log" else {
                disk.entries = rest.enumerated().map { offset, term in
                    Entry(term: Term(UInt64(term)!), index: LogIndex(UInt64(offset + 1)))
                }
                break
            }
            guard let number = rest.popFirst().flatMap(UInt64.init) else {
                throw ScenarioError(description: "\(word) of what?")
            }
            switch word {
            case "term": disk.hardState.term = Term(number)
            case "vote": disk.hardState.vote = MemberID(number)
            case "commit": disk.hardState.commit = LogIndex(number)
            default: throw ScenarioError(description: "no \(word) on a disk")
            }
        }
        // The durability check must see all disks as the story has them before it looks.
        cluster.checks.checksDurability = false
        cluster[id].disk = disk
        cluster.restart(id)
        cluster.notes = []
    }

    private mutating func partition(_ words: [String]) throws {
        let sides = try words.split(separator: "|").map { try members(Array($0)) }
        cluster.cut = []
        for (number, side) in sides.enumerated() {
            for (other, opposite) in sides.enumerated() where other != number {
                for from in side { for to in opposite { cluster.cut.insert([from, to]) } }
            }
        }
    }

    /// Moves the messages under way on one link, not those that follow from them.
    private mutating func carry(_ verb: String, _ words: [String]) throws {
        let ends = words[0].split(separator: ">").map(String.init)
        func fits(_ message: Message) -> Bool {
            (ends[0] == "*" || ends[0] == message.from.hex)
                && (ends[1] == "*" || ends[1] == message.to.hex)
        }
        let limit = words.count > 1 ? Int(words[1])! : .max
        let chosen = cluster.network.indices.filter { fits(cluster.network[$0]) }.prefix(limit)
        guard !chosen.isEmpty else {
            return extra.append("nothing is under way on \(words[0])")
        }
        let messages = chosen.map { cluster.network[$0] }
        switch verb {
        case "repeat": cluster.network += messages
        case "reverse":
            for (place, message) in zip(chosen, messages.reversed()) {
                cluster.network[place] = message
            }
        default:
            for place in chosen.reversed() { cluster.network.remove(at: place) }
            for message in messages {
                guard verb == "deliver" else {
                    cluster.report(message, arrived: false)
                    continue
                }
                cluster.network.append(message)
                cluster.deliver(at: cluster.network.count - 1)
            }
        }
    }

    private mutating func show(_ verb: String, _ words: [String]) throws {
        if verb == "network" {
            extra += cluster.network.map(\.text)
            if cluster.network.isEmpty { extra.append("nothing is under way") }
            return
        }
        for id in try members(words) {
            let member = cluster[id]
            guard let core = member.core else { continue }
            switch verb {
            case "log":
                let gap = core.log.compacted.index == .zero ? [] : ["..."]
                let terms = core.log.slice(after: core.log.compacted.index, through: core.last)
                    .map { String($0.term.rawValue) }
                extra.append("\(id.hex) log: \((gap + terms).joined(separator: " "))")
            case "data":
                let data = member.applied.filter { !$0.data.isEmpty || $0.kind != .normal }
                    .map(\.content)
                extra.append("\(id.hex) applied: \(data.joined(separator: " "))")
            case "members": extra.append("\(id.hex) counts \(core.confState.text)")
            case "progress":
                let peers = core.peers.map { peer in
                    "\(peer.member.hex)\(peer.isLearner ? " (learner)" : "") "
                        + "\(peer.state) \(peer.match.rawValue)\(peer.isActive ? "" : " silent")"
                }
                extra.append("\(id.hex) sees \(peers.joined(separator: ", "))")
            default: shown[id] = nil
            }
        }
    }
}

extension ConfState {
    /// As `1 2 3, outgoing 1 2, learners 4, next 5`.
    fileprivate var text: String {
        var parts = [voters.words]
        if !votersOutgoing.isEmpty { parts.append("outgoing \(votersOutgoing.words)") }
        if !learners.isEmpty { parts.append("learners \(learners.words)") }
        if !learnersNext.isEmpty { parts.append("next \(learnersNext.words)") }
        if autoLeave { parts.append("leaves by itself") }
        return parts.joined(separator: ", ")
    }
}

extension [MemberID] {
    fileprivate var words: String { map(\.hex).joined(separator: " ") }
}
