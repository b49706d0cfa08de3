import API
import Consensus
import Storage
import TestSupport
import Testing

@testable import Services

@Suite("A member founds its cluster and says who it is")
struct FoundingStories {
    @Test("It applies its own addition, publishes itself and decides the cluster's version, once")
    func founding() throws {
        let member = try PlayedMember()
        #expect(
            member.life.events.heard == [
                "added a1", "leader a1 at term 2", "published a1 m0 [\"http://c:1\"]",
                "version none to 3.7.0",
            ])
        let (applier, core) = (member.life.applier, member.life.core)
        let membership = core.turn { applier.assumeIsolated { $0.membership } }
        #expect(membership.clusterVersion == "3.7.0")
        var record = PlayedMember.record
        record.name = "m0"
        record.clientURLs = ["http://c:1"]
        #expect(membership.sorted == [record])
        #expect(applier.presence.hasLeader)
    }

    @Test("All of that is in the store after its commit and is read back by the next start")
    func persisted() throws {
        let member = try PlayedMember()
        let before = member.state { ($0.membership, $0.storageVersion) }
        member.commit()
        #expect(member.life.events.holds.last?.confState == ConfState(voters: [MemberID(0xA1)]))
        try member.crash()
        let after = member.state { ($0.membership, $0.storageVersion) }
        #expect(before.0 == after.0)
        #expect(after.1 == "3.7.0" && before.1 == after.1)
        #expect(
            member.life.events.heard == [
                "leader a1 at term 3", "published a1 m0 [\"http://c:1\"]",
            ],
            "each start publishes; the version is decided already")
    }

    @Test("A publication that is lost is made again")
    func publishedAgain() throws {
        let member = try PlayedMember(starts: false) { $0.options.maxProposalBytes = 1000 }
        member.put("a", String(repeating: "x", count: 900))  // no room for more
        member.start()
        #expect(!member.life.events.heard.contains { $0.hasPrefix("published") })
        member.advance(milliseconds: 7500)
        #expect(
            member.life.events.heard == [
                "added a1", "leader a1 at term 2", "version none to 3.7.0",
                "published a1 m0 [\"http://c:1\"]",
            ])
        member.advance(milliseconds: 60_000)
        #expect(member.life.events.heard.count == 4, "once")
    }

    @Test("What the store holds is told with the membership of that time")
    func holds() throws {
        let member = try PlayedMember()
        member.put("a", "1")
        member.commit()
        let last = try #require(member.life.events.holds.last)
        #expect(last.durable.index == member.nextIndex.previous)
        #expect(last.durable.term == Term(2))
        #expect(last.confState == ConfState(voters: [MemberID(0xA1)]))
    }

    @Test("Attributes of a member that is not there change nothing")
    func stranger() throws {
        let member = try PlayedMember()
        let payload = encoded {
            $0.appendClusterMemberAttrSet(
                ProposalHeader(id: RequestID(1)), member: MemberID(9), name: "x", clientURLs: [])
        }
        member.applyForeign([Entry(term: Term(2), index: member.nextIndex, data: payload)])
        let life = member.life
        let count = life.core.turn { life.applier.assumeIsolated { $0.membership.members.count } }
        #expect(count == 1)
    }

    @Test("MemberList has no revision in its header")
    func list() throws {
        let member = try PlayedMember()
        member.put("a", "1")
        let life = member.life
        for isLinearizable in [true, false] {
            let request = encoded { $0.appendMemberListRequest(isLinearizable: isLinearizable) }
            let caller = member.call { life, caller in
                request.withUnsafeBytes { life.cluster.memberList($0, caller) }
            }
            let fields = life.core.turn {
                life.applier.assumeIsolated { $0.membership.sorted.map(\.fields) }
            }
            let header = member.header(0)
            #expect(caller.message == encoded { $0.appendMemberListResponse(header, fields) })
        }
        let refused = member.call { life, caller in
            [UInt8]([0xff]).withUnsafeBytes { life.cluster.memberList($0, caller) }
        }
        #expect(refused.failure?.code == .internal)
    }

    @Test("Status tells versions, sizes, places in the log, and what is wrong")
    func status() throws {
        let member = try PlayedMember { $0.quotaBytes = 1 << 30 }
        _ = member.alarm(Request.alarm(.activate, .corrupt, of: MemberID(7)))
        let caller = member.call { life, caller in
            life.maintenance.status(UnsafeRawBufferPointer(start: nil, count: 0), caller)
        }
        let arena = Arena()
        let status = try StatusResponse.decode(#require(caller.message), in: arena)
        #expect(status.version == "3.7.1" && status.storageVersion == "3.7.0")
        #expect(status.leader == MemberID(0xA1) && status.raftTerm == Term(2))
        #expect(status.raftIndex == LogIndex(5) && status.raftAppliedIndex == LogIndex(5))
        #expect(status.errors == ["memberID:7 alarm:CORRUPT"])
        #expect(status.dbSizeQuota == 1 << 30)
        #expect(status.dbSize >= status.dbSizeInUse && status.dbSizeInUse > 0)
        let unborn = try PlayedMember(starts: false)
        let leaderless = unborn.call { life, caller in
            life.maintenance.status(UnsafeRawBufferPointer(start: nil, count: 0), caller)
        }
        let other = try StatusResponse.decode(#require(leaderless.message), in: arena)
        #expect(other.errors == ["etcdserver: no leader"])
        #expect(other.leader == .none && other.storageVersion == "")
        #expect(!unborn.life.applier.presence.hasLeader)
    }
}

@Suite("Records of the applied state are read at start, or refused")
struct StoredStateTests {
    /// What a start makes of the records that `write` leaves.
    private func read(
        _ write: @Sendable (isolated MVCCStore) throws -> Void
    ) throws -> StoredState {
        let (core, committer) = (DeterministicExecutor(), DeterministicExecutor())
        let directory = try TemporaryDirectory()
        let (store, _) = try PlayedMember.openStore(directory, on: core, committingOn: committer)
        try core.turn {
            try store.assumeIsolated { store in
                guard try store.beginApply(at: LogIndex(1), term: Term(1)) else { return }
                try write(store)
                store.endApply()
                store.flush { _ in }
            }
        }
        committer.runUntilIdle()
        core.runUntilIdle()
        return try core.turn {
            try store.assumeIsolated { try StoredState(reading: $0, cluster: ClusterID(1)) }
        }
    }

    @Test("Of an empty store: nothing")
    func empty() throws {
        let state = try read { _ in }
        #expect(state.membership == Membership(cluster: ClusterID(1)))
        #expect(state.alarms == AlarmSet() && state.storageVersion == nil)
    }

    @Test("etcd's records of members, removed members, alarms and versions")
    func full() throws {
        let state = try read { store in
            try store.write(
                .members, key: Array("a1".utf8),
                value: Array(PlayedMember.record.json.description.utf8))
            try store.write(
                .membersRemoved, key: Array("b2".utf8), value: Array("removed".utf8))
            try store.write(.cluster, key: Array("clusterVersion".utf8), value: Array("3.7.0".utf8))
            try store.write(.cluster, key: Array("downgrade".utf8), value: Array("{}".utf8))
            try store.write(
                .alarm,
                key: encoded {
                    $0.appendAlarmMember(AlarmFields(member: MemberID(7), alarm: .corrupt))
                }, value: [])
            try store.write(.meta, key: MetaKey.storageVersion, value: Array("3.7.0".utf8))
        }
        #expect(state.membership.sorted == [PlayedMember.record])
        #expect(state.membership.removed == [MemberID(0xb2)])
        #expect(state.membership.clusterVersion == "3.7.0" && state.storageVersion == "3.7.0")
        #expect(
            state.alarms.list(.none) == [AlarmFields(member: MemberID(7), alarm: .corrupt)])
    }

    @Test(
        "What is damaged",
        arguments: [
            (Table.members, "a1", "{"),
            (.members, "a1", "{\"id\":162,\"peerURLs\":[]}"),
            (.members, "zz", "{\"id\":161,\"peerURLs\":[]}"),
            (.membersRemoved, "xyz", "removed"),
            (.alarm, "\u{10}\u{09}", ""),
            (.alarm, "\u{08}\u{07}", ""),
            (.alarm, "\u{08}", ""),
            (.cluster, "clusterVersion", "three"),
            (.meta, "storageVersion", "3.x.0"),
        ])
    func damaged(_ table: Table, _ key: String, _ value: String) {
        #expect(throws: (any Error).self) {
            try read { store in
                try store.write(table, key: Array(key.utf8), value: Array(value.utf8))
            }
        }
    }

    @Test("A member that is both there and removed for good")
    func contradiction() {
        #expect(throws: MembershipError.self) {
            try read { store in
                try store.write(
                    .members, key: Array("a1".utf8),
                    value: Array(PlayedMember.record.json.description.utf8))
                try store.write(
                    .membersRemoved, key: Array("a1".utf8), value: Array("removed".utf8))
            }
        }
    }
}
