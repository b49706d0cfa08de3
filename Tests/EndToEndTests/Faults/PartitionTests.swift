import API
import Faults
import Foundation
import Testing

extension EndToEnd {
    /// Members in network namespaces, whose kernel drops what is cut.
    @Suite("A cluster that is cut apart", .enabled(if: Ground.isThere, Ground.whyNot))
    struct PartitionTests {
        /// Cuts are noticed sooner than by etcd's default of a second.
        static let quick = ["--heartbeat-interval", "50", "--election-timeout", "500"]

        @Test("a leader in the minority answers nothing linearizable; the others go on")
        func leaderInMinority() async throws {
            let (cluster, network) = try ClusterProcesses.inNetwork(arguments: Self.quick)
            let leader = try cluster.waitForLeader()
            let others = [0, 1, 2].filter { $0 != leader }
            let load = try ClusterLoad(on: cluster.members)
            try await load.expectProgress(at: [0, 1, 2])
            try await put("register", "old", at: cluster.members[leader])

            try network.isolate([leader])
            try await load.expectProgress(at: others)
            try await put("register", "new", at: cluster.members[others[0]])
            // Its own client is on its side of the cut, and hears nothing that is not so.
            let lonely = try await TestClient(cluster.members[leader])
            let range = Range(key: "register")
            await #expect(throws: Status.self, "linearizable") {
                try await lonely.call(
                    "/etcdserverpb.KV/Range", range.encoded, timeoutMilliseconds: 1500)
            }
            await #expect(throws: Status.self) {
                try await lonely.call(
                    "/etcdserverpb.KV/Put", Put(key: "register", value: "lost").encoded,
                    timeoutMilliseconds: 300)
            }
            let stale = try await lonely.range(Range(key: "register", isSerializable: true))
            #expect(stale.pairs.first?.value == "old", "serializable: what it knows")

            try network.mend()
            try await load.expectProgress(at: [0, 1, 2])
            // What it was asked for while alone may come late; it is never told as done.
            let value = try await lonely.get("register")?.value
            #expect(value == "new" || value == "lost")
            try await cluster.expectAll(await load.stop())
        }

        @Test("a member that was cut off rejoins, and disturbs nobody: same term, same leader")
        func rejoining() async throws {
            let (cluster, network) = try ClusterProcesses.inNetwork(arguments: Self.quick)
            let leader = try cluster.waitForLeader()
            let lonely = (leader + 1) % 3
            let load = try ClusterLoad(on: cluster.members)
            try await load.expectProgress(at: [0, 1, 2])
            let before = try await term(at: cluster.members[leader])

            try network.isolate([lonely])
            // It asks for votes again and again, in no new term.
            try cluster.members[lonely].log.wait(for: "became pre-candidate", times: 3)
            try await load.expectProgress(at: [0, 1, 2].filter { $0 != lonely })
            try network.mend()
            try await load.expectProgress(at: [0, 1, 2])

            #expect(try await term(at: cluster.members[leader]) == before)
            #expect(try await term(at: cluster.members[lonely]) == before)
            #expect(try cluster.leader() == leader)
            try await cluster.expectAll(await load.stop())
        }

        @Test("a leader that is not heard any more is replaced, though it hears the others")
        func mutedLeader() async throws {
            try await expectReplaced { try $0.mute([$1]) }
        }

        @Test("a leader that hears nobody any more steps down, though it is heard")
        func deafLeader() async throws {
            try await expectReplaced { try $0.deafen([$1]) }
        }

        private func expectReplaced(
            by fault: (NamespaceNetwork, Int) throws -> Void
        ) async throws {
            let (cluster, network) = try ClusterProcesses.inNetwork(arguments: Self.quick)
            let leader = try cluster.waitForLeader()
            let others = [0, 1, 2].filter { $0 != leader }
            let load = try ClusterLoad(on: cluster.members)
            try await load.expectProgress(at: [0, 1, 2])
            try fault(network, leader)
            try await load.expectProgress(at: others)
            #expect(try cluster.leader(of: others) != nil)
            try network.mend()
            try await load.expectProgress(at: [0, 1, 2])
            try await cluster.expectAll(await load.stop())
        }

        @Test("a follower cut off in one direction does not disturb the leader", arguments: [0, 1])
        func oneWayFollower(_ way: Int) async throws {
            let (cluster, network) = try ClusterProcesses.inNetwork(arguments: Self.quick)
            let leader = try cluster.waitForLeader()
            let follower = (leader + 1) % 3
            let rest = [0, 1, 2].filter { $0 != follower }
            let load = try ClusterLoad(on: cluster.members)
            try await load.expectProgress(at: [0, 1, 2])
            let before = try await term(at: cluster.members[leader])
            if way == 0 {
                // It is heard: its questions for votes arrive, and are refused.
                try network.deafen([follower])
                try cluster.members[follower].log.wait(for: "became pre-candidate", times: 2)
            } else {
                try network.mute([follower])
            }
            try await load.expectProgress(at: rest, 200)
            try network.mend()
            try await load.expectProgress(at: [0, 1, 2])
            #expect(try await term(at: cluster.members[leader]) == before)
            #expect(try cluster.leader() == leader)
            try await cluster.expectAll(await load.stop())
        }

        @Test("five members in three parts that change: whoever is many goes on")
        func changingParts() async throws {
            let (cluster, network) = try ClusterProcesses.inNetwork(5, arguments: Self.quick)
            let load = try ClusterLoad(on: cluster.members, lanes: 1)
            try await load.expectProgress(at: Array(0..<5))
            for (parts, many) in [
                ([[0, 1], [2, 3, 4]], [2, 3, 4]), ([[0], [1, 2, 3], [4]], [1, 2, 3]),
                ([[1, 3], [0, 2, 4]], [0, 2, 4]),
            ] {
                try network.separate(parts)
                try await load.expectProgress(at: many)
            }
            try network.separate([[0, 1], [2, 3], [4]])
            let lonely = try await TestClient(cluster.members[2])
            await #expect(throws: Status.self) {
                try await lonely.call(
                    "/etcdserverpb.KV/Range", Range(key: "a").encoded, timeoutMilliseconds: 1500)
            }
            try network.mend()
            try await load.expectProgress(at: Array(0..<5))
            try await cluster.expectAll(await load.stop())
        }

        // MARK: Steps

        private func put(_ key: String, _ value: String, at member: MemberProcess) async throws {
            try await TestClient(member).put(key, value)
        }

        private func term(at member: MemberProcess) async throws -> UInt64 {
            try await TestClient(member).range(Range(key: "a", isSerializable: true)).header.term
        }
    }
}

/// Whether tests can have networks of their own.
enum Ground {
    /// With CAIRN_CI, a test that can have none fails instead of being left out.
    static var isThere: Bool {
        NamespaceNetwork.obstacle == nil || ProcessInfo.processInfo.environment["CAIRN_CI"] != nil
    }
    static var whyNot: Comment {
        Comment(rawValue: NamespaceNetwork.obstacle ?? "network namespaces are there")
    }
}
