// A member that needs more than the log holds gets the state, whatever happens on the way.

import API
import Consensus
import Foundation
import Services
import Storage
import TestSupport
import Testing

@testable import Node

@Suite("A member that lags behind the log")
struct LaggingMemberTests {
    /// A world whose last follower has missed `puts` entries.
    private func lagging(
        puts: Int = 300, valueBytes: Int = 100, missing count: Int = 1,
        members: Int = 3, settings: SnapshotSettings = SnapshotSettings()
    ) throws -> (world: SnapshotWorld, late: [WorldMember]) {
        let world = try SnapshotWorld(members: members, settings: settings)
        try world.put(0..<20)
        let leader = try #require(world.leader)
        let late = world.members.values.filter { $0.id != leader.id }
            .sorted { $0.id < $1.id }.suffix(count)
        world.isolated = Set(late.map(\.id))
        try world.put(20..<20 + puts, valueBytes: valueBytes)
        #expect(world.leader?.id == leader.id)
        return (world, Array(late))
    }

    private func heal(_ world: SnapshotWorld, seconds: Int = 5) {
        world.isolated = []
        world.settle(seconds: seconds)
    }

    @Test("gets the state while puts go on, and goes on from the log behind it")
    func catchesUp() throws {
        let (world, late) = try lagging()
        let before = late[0].revision
        world.isolated = []
        for round in 0..<30 {
            try world.leader?.put("meanwhile\(round)", [1])
            world.executor.advance(byMilliseconds: 50)
        }
        world.settle(seconds: 5)
        try world.expectAgreement()
        #expect(late[0].revision > before)
        #expect(late[0].disk.snapshots.count == 1)
        let leader = try #require(world.leader)
        #expect(
            late[0].heard.lines == [
                "receives from \(leader.id.hex)", "received from \(leader.id.hex)", "installs",
                "installed",
            ])
        #expect(leader.heard.lines.suffix(1) == ["sent to \(late[0].id.hex)"])
        let members = late[0].applier.assumeIsolatedMembership(world)
        #expect(members == leader.applier.assumeIsolatedMembership(world) && members.count == 3)
        try world.put(1000..<1010)
        try world.expectAgreement("and takes part again")
        let names = try late[0].directory.names(in: ".")
        #expect(names == ["cairn.mdb", "cairn.mdb-lock"])
        #expect(try leader.directory.names(in: ".") == ["cairn.mdb", "cairn.mdb-lock"])
    }

    @Test("goes on where it was when the call is cut, again and again")
    func resumes() throws {
        let (world, late) = try lagging(puts: 400, valueBytes: 20_000)
        world.cutsAfterChunks = 3
        heal(world, seconds: 60)
        try world.expectAgreement()
        #expect(late[0].heard.lines.filter { $0 == "installed" }.count == 1)
        let calls = world.calls.filter { $0.chunks > 0 }
        #expect(calls.count >= 5)
        // What was on its way when a call was cut goes twice; nothing else does.
        #expect(world.chunksOnLanes <= calls.count * (SnapshotMessage.windowChunks + 3))
        #expect(late[0].heard.lines.filter { $0.hasPrefix("receives") }.count == 1)
    }

    @Test("is never sent more than the window ahead of what it has taken")
    func window() throws {
        let (world, _) = try lagging(puts: 400, valueBytes: 20_000)
        world.laneMilliseconds = 10
        heal(world)
        try world.expectAgreement()
        #expect(world.chunksOnLanes > SnapshotMessage.windowChunks)
        #expect(world.mostUnanswered == SnapshotMessage.windowChunks)
    }

    @Test("is sent the state no faster than the rate, and heartbeats go on")
    func rate() throws {
        var settings = SnapshotSettings()
        settings.bytesPerSecond = 1 << 20
        let (world, late) = try lagging(puts: 600, valueBytes: 20_000, settings: settings)
        let term = try #require(world.leader).status.term
        heal(world, seconds: 30)
        try world.expectAgreement()
        let leader = try #require(world.leader)
        #expect(leader.status.term == term)
        // The burst that a pause allows is 4 MiB.
        let beyond = UInt64(max(0, world.chunksOnLanes * SnapshotMessage.contentBytes - 5 << 20))
        let least = beyond * 1_000_000_000 / settings.bytesPerSecond
        #expect(leader.heard.tookNanoseconds >= least)
        #expect(leader.heard.tookNanoseconds > 1_000_000_000)
        #expect(late[0].heard.lines.last == "installed")
    }

    @Test("shares one snapshot with another that lags")
    func shared() throws {
        let (world, late) = try lagging(missing: 2, members: 5)
        heal(world, seconds: 10)
        try world.expectAgreement()
        let leader = try #require(world.leader)
        #expect(leader.heard.sentStreams.count == 1)
        for member in late { #expect(member.heard.lines.last == "installed") }
    }

    @Test("that is gone in the middle is given up, and sent another when it is back")
    func gone() throws {
        let (world, late) = try lagging(puts: 400, valueBytes: 20_000)
        world.cutsAfterChunks = 2
        world.isolated = []
        for _ in 0..<50 where world.chunksOnLanes == 0 {
            world.executor.advance(byMilliseconds: 20)
        }
        #expect(world.chunksOnLanes > 0)
        world.isolated = [late[0].id]
        world.settle(seconds: 120)
        let leader = try #require(world.leader)
        #expect(
            leader.heard.lines.last == "not sent to \(late[0].id.hex): the call was cut 10 times")
        world.cutsAfterChunks = nil
        try world.put(0..<50)
        heal(world, seconds: 20)
        try world.expectAgreement()
        #expect(late[0].heard.lines.last == "installed")
        #expect(try late[0].directory.names(in: ".") == ["cairn.mdb", "cairn.mdb-lock"])
    }

    @Test("is not sent one after the other without pause when they cannot be made")
    func cannotBeMade() throws {
        let (world, late) = try lagging()
        let leader = try #require(world.leader)
        let obstacle = leader.directory.path + "/cairn.mdb.snapshot"
        try FileManager.default.createDirectory(
            atPath: obstacle, withIntermediateDirectories: false)
        heal(world, seconds: 20)
        let failures = leader.heard.lines.filter { $0.hasPrefix("not made: open") }.count
        #expect((3...5).contains(failures))
        #expect(late[0].heard.lines.isEmpty)
        try FileManager.default.removeItem(atPath: obstacle)
        world.settle(seconds: 10)
        try world.expectAgreement()
        #expect(late[0].heard.lines.last == "installed")
    }
}

extension Applier {
    fileprivate nonisolated func assumeIsolatedMembership(_ world: SnapshotWorld) -> [ClusterMember]
    {
        world.executor.turn { assumeIsolated { $0.membership.sorted } }
    }
}
