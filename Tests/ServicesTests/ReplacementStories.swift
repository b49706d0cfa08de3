// Another member's state takes the place of this one's: what those notice who watch, wait, hold
// leases or ask.

import API
import Consensus
import TestSupport
import Testing

@testable import Services
@testable import Storage

/// The state of one store, made into what may take the place of another's.
private func carry(
    from leader: MVCCStore, to directory: TemporaryDirectory, on core: DeterministicExecutor,
    _ committer: DeterministicExecutor
) throws -> IncomingStore {
    final class Box: @unchecked Sendable {
        var source: SnapshotSource?
        var description: SnapshotDescription?
        var count = 0
        var chunks: [[UInt8]] = []
        var incoming: IncomingStore?
    }
    let box = Box()
    core.turn {
        leader.assumeIsolated { $0.source { box.source = try? $0.get() } }
    }
    for _ in 0..<4 {
        committer.runUntilIdle()
        core.runUntilIdle()
    }
    let files = DeterministicExecutor()
    let spool = SnapshotSpool(
        of: try #require(box.source), cluster: PlayedMember.identity.cluster, stream: 3,
        at: directory.path + "/spool", on: files
    ) { event in
        switch event {
        case .began(let description): box.description = description
        case .grew(let chunks, _): box.count = chunks
        case .failed(let error): Issue.record(error)
        }
    }
    spool.start()
    files.turn {}
    for number in 0..<box.count {
        spool.read(chunk: number) { if let chunk = try? $0.get() { box.chunks.append(chunk) } }
    }
    files.turn {}
    let builder = SnapshotBuilder(
        try #require(box.description), replacing: directory.path + "/cairn.mdb",
        quotaBytes: 1 << 28, on: files)
    for chunk in box.chunks {
        builder.add(chunk) {
            if case .success(.whole(let store)) = $0 { box.incoming = store }
        }
    }
    files.turn {}
    return try #require(box.incoming)
}

extension PlayedWatch {
    /// Takes the other's state on.
    fileprivate func become(_ leader: PlayedWatch) throws {
        leader.core.turn {
            leader.store.assumeIsolated { store in
                do {
                    let next = store.appliedIndex.next
                    #expect(try store.beginApply(at: next, term: Term(1)))
                    store.setConfState(ConfState(voters: [MemberID(1)]))
                    store.endApply()
                } catch { Issue.record(error) }
            }
        }
        let incoming = try carry(
            from: leader.store, to: directory, on: leader.core, leader.committer)
        core.turn {
            store.assumeIsolated { $0.replace(with: incoming) { #expect($0 == nil) } }
        }
        for _ in 0..<4 {
            committer.runUntilIdle()
            core.runUntilIdle()
        }
    }
}

@Suite("Watchers, when another member's state takes the place of this one's")
struct WatchReplacementStories {
    /// Two of the same past: a is put at 2, b at 3.
    private func worlds() throws -> (leader: PlayedWatch, follower: PlayedWatch) {
        let worlds = (leader: try PlayedWatch(), follower: try PlayedWatch())
        for world in [worlds.leader, worlds.follower] {
            world.put("a", "1")
            world.put("b", "1")
        }
        return worlds
    }

    private func goOn(_ leader: PlayedWatch) {
        leader.put("a", "2")
        leader.apply(.put("a2", "1"), .put("a3", "1"))
        leader.delete("a")
        leader.put("c", "1")
    }

    @Test("are told every change in between, once and in order, and what comes after")
    func nothingIsLost() throws {
        let (leader, follower) = try worlds()
        let now = follower.stream()
        now.send(WatchCommand.create("a", to: "b", id: 1))
        now.send(WatchCommand.create("a", to: "b", start: 2, id: 2))
        now.send(WatchCommand.create("a", to: "b", start: 6, id: 3))
        now.send(WatchCommand.create("c", start: 8, id: 4))
        now.send(WatchCommand.create("a", id: 5, previous: true))
        _ = try now.read()
        goOn(leader)
        try follower.become(leader)
        let answers = try now.take()
        var told: [Int64: [String]] = [:]
        for answer in answers {
            for event in answer.events {
                told[answer.id, default: []].append(
                    "\(event.modified) \(event.key)\(event.isDelete ? " gone" : "=\(event.value)")")
            }
        }
        let all = ["4 a=2", "5 a2=1", "5 a3=1", "6 a gone"]
        #expect(told == [1: all, 2: all, 3: ["6 a gone"], 5: [all[0], all[3]]])
        #expect(answers.filter { $0.id == 5 }.flatMap(\.events).map(\.previous) == ["1", "2"])
        #expect(follower.counters.pendingEvents.value == 0)
        #expect(follower.counters.slowWatchers.value == 0)
    }

    @Test("that have not taken what came before are told that too, once")
    func slow() throws {
        let (leader, follower) = try worlds()
        let stream = follower.stream(room: 1)
        stream.send(WatchCommand.create("a", to: "b"))
        #expect(try stream.read().count == 1)
        for world in [leader, follower] {
            world.put("a", "2")
            world.put("a", "3")
        }
        goOn(leader)
        try follower.become(leader)
        var events: [String] = []
        while case let some = try stream.take(), !some.isEmpty {
            events += some.flatMap(\.events).map { "\($0.modified) \($0.key)" }
        }
        #expect(events == ["4 a", "5 a", "6 a", "7 a2", "7 a3", "8 a"])
    }

    @Test("are told of no compaction of what they were told, though it was nothing")
    func compactedBehindThem() throws {
        let (leader, follower) = try worlds()
        let stream = follower.stream()
        stream.send(WatchCommand.create("z", start: 2))
        _ = try stream.read()
        for world in [leader, follower] {
            for value in 4...8 { world.put("b", "\(value)") }
        }
        leader.compact(7)
        leader.put("z", "9")
        leader.commit()
        try follower.become(leader)
        let answers = try stream.take()
        #expect(answers.map(\.isCanceled) == [false])
        #expect(answers.flatMap(\.events).map(\.modified) == [9])
    }

    @Test("are told that it was compacted if the other has no history of it any more")
    func compacted() throws {
        let (leader, follower) = try worlds()
        let stream = follower.stream()
        stream.send(WatchCommand.create("a"))
        _ = try stream.read()
        goOn(leader)
        leader.compact(6)
        leader.commit()
        try follower.become(leader)
        let answer = try #require(try stream.take().last)
        #expect(answer.isCanceled && answer.compacted == 6)
    }
}

@Suite("The applied state, when another member's takes its place")
struct StateReplacementStories {
    private func become(_ follower: PlayedMember, _ leader: PlayedMember) throws {
        leader.commit()
        let life = follower.life
        let store = try carry(
            from: leader.life.store, to: follower.directory, on: leader.life.core,
            leader.life.committer)
        let incoming = try IncomingState(
            reading: store, cluster: PlayedMember.identity.cluster)
        life.core.turn {
            life.applier.leaderChanged(to: MemberID(0xA2), term: Term(3))
            life.applier.assumeIsolated { $0.become(incoming) {} }
        }
        for _ in 0..<4 { follower.runCommitter() }
    }

    /// Two of the same past.
    private func members(
        _ past: (PlayedMember) throws -> Void = { _ in }
    ) throws -> (leader: PlayedMember, follower: PlayedMember) {
        let members = (leader: try PlayedMember(), follower: try PlayedMember())
        try past(members.leader)
        try past(members.follower)
        return members
    }

    @Test("has the other's keys, leases, alarms and members")
    func everything() throws {
        let (leader, follower) = try members { member in
            member.put("a", "1")
            _ = try member.grant(16, ttl: 1000)
            _ = try member.grant(32, ttl: 1000)
        }
        _ = try leader.revoke(16)
        _ = try leader.grant(48, ttl: 500)
        leader.put(Request.put("k", "1", lease: 48))
        _ = leader.alarm(Request.alarm(.activate, .noSpace, of: MemberID(7)))
        try become(follower, leader)
        #expect(try follower.everything() == leader.everything())
        #expect(try follower.leases().sorted() == [32, 48])
        let keys = follower.life.core.turn {
            follower.life.applier.lessor.assumeIsolated { lessor in
                var keys: [String] = []
                lessor.forEachKey(of: LeaseID(48)) {
                    keys.append(String(decoding: $0, as: UTF8.self))
                }
                return keys
            }
        }
        #expect(keys == ["k"])
        let alarms = [AlarmFields(member: MemberID(7), alarm: .noSpace)]
        #expect(follower.state { $0.alarms.list(.none) } == alarms)
        #expect(follower.state { $0.membership } == leader.state { $0.membership })
        let index = leader.nextIndex.previous
        #expect(follower.life.events.heard.contains("replaced at \(index.rawValue)"))
        #expect(follower.durableIndex == index)
    }

    @Test("ends the tokens that were given here, if users have changed in between")
    func tokens() throws {
        for changes in [true, false] {
            let (leader, follower) = try members { member in
                member.enableAuth()
                _ = member.token(of: "alice")
            }
            func tokens() -> Int { follower.state { $0.authority.board.tokens.count } }
            #expect(tokens() == 1)
            if changes {
                let password = LoggedPassword(hashed: [])
                #expect(
                    leader.auth(.userChangePassword(AuthName("alice"), password)).failure == nil)
            }
            leader.put(Request.put("a", "1"))
            try become(follower, leader)
            #expect(tokens() == (changes ? 0 : 1))
        }
    }

    @Test("wakes those who wait for a lock that was given back in between")
    func locks() throws {
        var callers: [Caller] = []
        let (leader, follower) = try members { member in
            for id in [16, 32] { _ = try member.grant(Int64(id), ttl: 1000) }
            callers.append(member.lock("a", lease: 16).caller)
            callers.append(member.lock("a", lease: 32).caller)
        }
        #expect(try follower.held(callers[3]) == "waits")
        _ = leader.unlock("a/10")
        try become(follower, leader)
        #expect(try follower.held(callers[3]).hasPrefix("a/20 at"))
    }
}
