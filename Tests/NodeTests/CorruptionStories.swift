// Three members compare their keys, in virtual time. What is altered is an entry on its way to one
// of them: its log and its store hold another value than the others'.

import API
import Services
import Testing

@testable import Consensus
@testable import Node
@testable import Storage

private let second: UInt64 = 1_000_000_000

/// A world whose members all have a checker.
private final class CheckedWorld {
    let world: SnapshotWorld
    private var checkers: [MemberID: CorruptionChecker] = [:]

    init(_ settings: CorruptionSettings) throws {
        world = try SnapshotWorld()
        for member in world.members.values {
            let events = MemberEvents(
                Applier.Identity(cluster: world.cluster, member: member.id),
                metrics: member.metrics, logger: member.lines.logger())
            let checker = CorruptionChecker(settings, of: member.applier, on: world.executor) {
                events.corruption($0)
            }
            checkers[member.id] = checker
            world.executor.turn { checker.assumeIsolated { $0.start() } }
        }
    }

    deinit {
        world.executor.turn {
            for checker in checkers.values { checker.assumeIsolated { $0.stop() } }
        }
    }

    /// A follower, and a put with another value there.
    func alteredFollower() throws -> WorldMember {
        let leader = try #require(world.leader)
        let follower = try #require(world.members.values.first { $0.id != leader.id })
        world.alters[follower.id] = { entry in
            Entry(
                term: entry.term, index: entry.index, kind: entry.kind,
                data: entry.data.map { $0 == 0xFE ? 0xFD : $0 })
        }
        try leader.put("altered", [UInt8](repeating: 0xFE, count: 3))
        world.settle()
        world.alters = [:]
        return follower
    }

    func alarms(of member: WorldMember) -> [AlarmFields] {
        world.executor.turn { member.applier.assumeIsolated { $0.alarms.list(.none) } }
    }

    /// Whether a member asked before it serves would serve.
    func initialCheck(of member: WorldMember) -> String? {
        let told = Told<String?>()
        let checker = checkers[member.id]
        world.executor.turn {
            checker?.assumeIsolated { $0.checkAtStart { told.tell($0) } }
        }
        world.settle()
        return told.all.count == 1 ? told.all[0] : "told \(told.all.count) times"
    }

    func lines(of member: WorldMember, with text: String) -> Int {
        member.lines.all.count { $0.contains(text) }
    }
}

@Suite("Members compare their keys")
struct CorruptionStories {
    private func everySecond() throws -> CheckedWorld {
        try CheckedWorld(CorruptionSettings(interval: second, timeout: 7 * second))
    }

    private func everyCompaction() throws -> CheckedWorld {
        try CheckedWorld(CorruptionSettings(compactionInterval: second, timeout: 7 * second))
    }

    @Test("Healthy members never raise an alarm, whatever is written and compacted meanwhile")
    func healthy() throws {
        let checked = try CheckedWorld(
            CorruptionSettings(
                interval: second / 7, compactionInterval: second / 5, timeout: 7 * second))
        let world = checked.world
        let leader = try #require(world.leader)
        for round in 0..<30 {
            for number in 0..<20 {
                try leader.put("k\(number % 7)", [UInt8(round), UInt8(number)])
                world.executor.advance(byMilliseconds: 7)
            }
            if round % 3 == 2 {
                try leader.compact(to: Revision(leader.revision.rawValue - Int64(round)))
            }
            // One follower lags now and then.
            if round % 5 == 4 {
                let late = try #require(world.members.values.first { $0.id != leader.id })
                world.isolated = round % 10 == 4 ? [late.id] : []
            }
        }
        world.isolated = []
        world.settle(seconds: 5)
        #expect(world.leader?.id == leader.id)
        for member in world.members.values { #expect(checked.alarms(of: member).isEmpty) }
        #expect(checked.lines(of: leader, with: "finished peer corruption check") > 10)
        #expect(checked.lines(of: leader, with: "finished compaction hash check") > 10)
        #expect(checked.lines(of: leader, with: "must") == 0)
        #expect(checked.lines(of: leader, with: "mismatch") == 0)
        #expect(checked.initialCheck(of: leader) == nil)
    }

    @Test("A follower with another value is found by the leader, and all members have the alarm")
    func found() throws {
        let checked = try everySecond()
        let leader = try #require(checked.world.leader)
        let altered = try checked.alteredFollower()
        checked.world.settle(seconds: 3)
        let alarm = AlarmFields(member: altered.id, alarm: .corrupt)
        for member in checked.world.members.values {
            #expect(checked.alarms(of: member) == [alarm])
            #expect(member.lines.all.contains { $0.contains("alarm raised") })
            let metrics = String(decoding: member.metrics.registry.exposition(), as: UTF8.self)
            #expect(
                metrics.contains(
                    "etcd_debugging_server_alarms{alarm_type=\"CORRUPT\",server_id=\""
                        + "\(altered.id.hex)\"} 1"))
        }
        #expect(
            leader.lines.all.contains(
                "warning: same compact revision then hashes must match"))
        let others = checked.world.members.values.filter { $0.id != leader.id }
        for other in others {
            #expect(checked.lines(of: other, with: "finished peer") == 0, "it does not lead")
        }
    }

    @Test("A compaction's hashes tell who is in the minority")
    func foundByCompaction() throws {
        let checked = try everyCompaction()
        let world = checked.world
        let leader = try #require(world.leader)
        let altered = try checked.alteredFollower()
        world.settle()
        #expect(checked.alarms(of: leader).isEmpty, "nothing was compacted")
        try leader.compact(to: leader.revision)
        world.settle(seconds: 4)
        let alarm = AlarmFields(member: altered.id, alarm: .corrupt)
        for member in world.members.values { #expect(checked.alarms(of: member) == [alarm]) }
        #expect(checked.lines(of: leader, with: "Detected compaction hash mismatch") == 1)
        let before = checked.lines(of: leader, with: "finished compaction hash check")
        world.settle(seconds: 4)
        #expect(checked.lines(of: leader, with: "finished compaction hash check") > before)
        #expect(
            checked.lines(of: leader, with: "Detected compaction hash mismatch") == 1,
            "a compaction is judged once")
    }

    @Test("A member that differs does not begin to serve; the others do")
    func atStart() throws {
        let checked = try everySecond()
        let leader = try #require(checked.world.leader)
        let altered = try checked.alteredFollower()
        #expect(
            checked.initialCheck(of: altered)
                == "\(altered.id.hex) found data inconsistency with peers")
        #expect(
            altered.lines.all.contains(
                "warning: found different hash values from remote peer"))
        checked.world.isolated = [altered.id]
        #expect(checked.initialCheck(of: leader) == nil, "it cannot know")
        #expect(leader.lines.all.contains("warning: cannot fetch hash from remote peer"))
    }
}
