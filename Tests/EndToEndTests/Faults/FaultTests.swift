import API
import Faults
import Foundation
import Testing

extension EndToEnd {
    /// Members that are killed, put to sleep, slow, full or exchanged, under a load that never
    /// stops. What was acknowledged is there afterwards, at all members.
    @Suite("A cluster under faults")
    struct FaultTests {
        private static let quick = PartitionTests.quick

        @Test("every member is killed once, leaders too")
        func killed() async throws {
            let cluster = try ClusterProcesses(arguments: Self.quick)
            let load = try ClusterLoad(on: cluster.members)
            try await load.expectProgress(at: [0, 1, 2])
            for turn in 0..<4 {
                // The leader every other time.
                let victim = turn % 2 == 0 ? try cluster.waitForLeader() : turn % 3
                cluster.members[victim].end(by: SIGKILL)
                try await load.expectProgress(at: [0, 1, 2].filter { $0 != victim })
                try cluster.members[victim].start()
                try await load.expectProgress(at: [0, 1, 2])
            }
            try await cluster.expectAll(await load.stop())
        }

        @Test("all members are killed at once, again and again")
        func allKilled() async throws {
            let cluster = try ClusterProcesses(arguments: Self.quick)
            let load = try ClusterLoad(on: cluster.members)
            for _ in 0..<3 {
                try await load.expectProgress(at: [0, 1, 2])
                for member in cluster.members { kill(member.processID, SIGKILL) }
                for member in cluster.members { member.waitForEnd() }
                for member in cluster.members { try member.launch() }
            }
            try await load.expectProgress(at: [0, 1, 2])
            try await cluster.expectAll(await load.stop())
        }

        @Test("a leader sleeps and wakes; a follower sleeps and wakes")
        func paused() async throws {
            let cluster = try ClusterProcesses(arguments: Self.quick)
            let load = try ClusterLoad(on: cluster.members)
            try await load.expectProgress(at: [0, 1, 2])
            let leader = try cluster.waitForLeader()
            for victim in [leader, (leader + 1) % 3, (leader + 2) % 3] {
                kill(cluster.members[victim].processID, SIGSTOP)
                try await load.expectProgress(at: [0, 1, 2].filter { $0 != victim }, 200)
                kill(cluster.members[victim].processID, SIGCONT)
                try await load.expectProgress(at: [0, 1, 2])
            }
            try await cluster.expectAll(await load.stop())
        }

        @Test("a follower behind a slow wire holds nobody up, and catches up when it is mended")
        func slowFollower() async throws {
            let cluster = try ClusterProcesses(arguments: Self.quick, on: .links)
            let leader = try cluster.waitForLeader()
            let slow = (leader + 1) % 3
            let rest = [0, 1, 2].filter { $0 != slow }
            let load = try ClusterLoad(on: rest.map { cluster.members[$0] })
            let before = try await term(of: cluster, at: leader)
            // Less than the load needs: what is for it piles up.
            cluster.links[slow].behave(
                forth: LinkManner(delayMilliseconds: 30, bytesPerSecond: 10_000))
            try await load.expectProgress(at: [0, 1], 500)
            #expect(load.longestGap < .milliseconds(500))
            #expect(try await term(of: cluster, at: leader) == before)
            cluster.links[slow].mend()
            #expect(try await TestClient(cluster.members[slow]).get("none") == nil)
            try await cluster.expectAll(await load.stop())
        }

        @Test("a wire with much delay to all members: slower, and no election")
        func delayed() async throws {
            let cluster = try ClusterProcesses(on: .links)
            _ = try cluster.waitForLeader()
            let before = try await term(of: cluster, at: 0)
            for link in cluster.links { link.behave(forth: LinkManner(delayMilliseconds: 40)) }
            let load = try ClusterLoad(on: cluster.members, lanes: 8)
            try await load.expectProgress(at: [0, 1, 2], 30)
            #expect(try await term(of: cluster, at: 0) == before)
            try await cluster.expectAll(await load.stop())
        }

        @Test("wires that break and stall at every moment")
        func brokenWires() async throws {
            let cluster = try ClusterProcesses(arguments: Self.quick, on: .links)
            let load = try ClusterLoad(on: cluster.members)
            for turn in 0..<9 {
                let link = cluster.links[turn % 3]
                if turn % 2 == 0 {
                    link.cut()
                } else {
                    link.behave(forth: LinkManner(isStalled: true))
                }
                try await load.expectProgress(at: [(turn + 1) % 3], 5)
                link.mend()
                try await load.expectProgress(at: [turn % 3], 5)
            }
            try await cluster.expectAll(await load.stop())
        }

        @Test(
            "a member's disk is full: the others go on, and it is back when there is room",
            .enabled(if: TinyDisk.isPossible, "mounting a tmpfs takes root"),
            arguments: [true, false])
        func fullDisk(isLeader: Bool) async throws {
            let disk = try TinyDisk(mebibytes: 68)
            let cluster = try ClusterProcesses(
                arguments: Self.quick, own: [0: ["--wal-dir", disk.url.path + "/wal"]])
            if try cluster.waitForLeader() == 0 { try cluster.hand(over: 1) }
            if isLeader { try cluster.hand(over: 0) }
            let load = try ClusterLoad(on: cluster.members)
            try await load.expectProgress(at: [0, 1, 2])
            // The first segment has its room; the second finds none.
            let filler = try await TestClient(cluster.members[1])
            let value = String(repeating: "v", count: 1 << 20)
            for number in 0..<66 { _ = try? await filler.put("fill/\(number)", value) }
            try cluster.members[0].log.wait(for: "the write-ahead log failed")
            try await load.expectProgress(at: [1, 2])
            #expect(try cluster.waitForLeader(of: [1, 2]) != 0)

            #expect(cluster.members[0].end(by: SIGTERM) == 143)
            try disk.grow(toMebibytes: 400)
            try cluster.members[0].start()
            try await load.expectProgress(at: [0, 1, 2])
            try await cluster.expectAll(await load.stop())
        }

        @Test("a rolling restart: each member stops and starts, and nobody waits for an election")
        func rollingRestart() async throws {
            let cluster = try ClusterProcesses()
            let load = try ClusterLoad(on: cluster.members)
            try await load.expectProgress(at: [0, 1, 2])
            load.resetGap()
            for member in cluster.members {
                #expect(member.end(by: SIGTERM) == 143)
                try member.start()
                try await load.expectProgress(at: [0, 1, 2])
            }
            let gap = load.longestGap
            print("rolling restart: the longest time without an answer was \(gap)")
            #expect(gap < .milliseconds(600), "an election takes a second or more")
            try await cluster.expectAll(await load.stop())
        }

        @Test("its members are replaced one by one, until none of the first three is left")
        func replaced() async throws {
            // Strictly, each change would wait until the newest member was there for five seconds.
            let cluster = try ClusterProcesses(
                arguments: Self.quick + [
                    "--strict-reconfig-check=false", "--snapshot-count", "300",
                    "--snapshot-catchup-entries", "50",
                ])
            let load = try ClusterLoad(on: cluster.members)
            for old in 0..<3 {
                try await load.expectProgress(at: cluster.present)
                let remaining = cluster.present.filter { $0 != old }
                let removed = try cluster.remove(old, at: remaining)
                try #require(removed.contains("removed from cluster"), "\(removed)")
                #expect(cluster.members[old].waitForEnd() == 0, "it stops by itself")
                let url = try cluster.prepareMember()
                let new = old + 3
                let added = try cluster.add("m\(new + 1)", url, at: remaining)
                try #require(added.contains("added to cluster"), "\(added)")
                try cluster.members[new].start()
                load.add(cluster.members[new], new)
                try await load.expectProgress(at: remaining + [new])
            }
            #expect(cluster.present == [3, 4, 5])
            #expect(try cluster.etcdctl("member", "list").matches(of: /started/).count == 3)
            try await cluster.expectAll(await load.stop())
        }

        private func term(of cluster: ClusterProcesses, at number: Int) async throws -> UInt64 {
            let client = try await TestClient(cluster.members[number])
            return try await client.range(Range(key: "a", isSerializable: true)).header.term
        }
    }
}
