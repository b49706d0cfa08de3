import Foundation
import Testing

extension EndToEnd {
    /// What happens when the log does not reach back far enough any more.
    @Suite("Members that lag behind the log")
    struct ClusterSnapshotTests {
        /// Logs that hold little.
        static let shortLogs = [
            "--snapshot-count", "50", "--snapshot-catchup-entries", "20", "--max-wals", "1",
        ]

        @Test("a member that was away for longer than the log reaches gets a snapshot")
        func lagging() async throws {
            let cluster = try ClusterProcesses(arguments: Self.shortLogs)
            let leader = try cluster.waitForLeader()
            let away = (leader + 1) % 3
            try await write(0..<30, through: cluster.members[leader])
            cluster.members[away].end(by: SIGKILL)
            try await write(30..<400, through: cluster.members[leader])
            try cluster.members[away].start()
            try expectSnapshot(at: cluster.members[away])
            // Entries follow the snapshot: both sides go on as if nothing had been.
            try await write(400..<420, through: cluster.members[away])
            try await expectEverything(420, in: cluster)
            // It is no stranger after a restart from what it was given.
            cluster.members[away].end(by: SIGKILL)
            try cluster.members[away].start()
            try await expectEverything(420, in: cluster)
        }

        @Test("a new member joins a cluster whose log begins far behind its first entry")
        func joining() async throws {
            let cluster = try ClusterProcesses(arguments: Self.shortLogs)
            let leader = try cluster.waitForLeader()
            try await write(0..<400, through: cluster.members[leader])
            // Nobody can hand on the first entries: all have forgotten them.
            for member in cluster.members {
                member.end(by: SIGTERM)
                try member.launch()
            }
            _ = try cluster.waitForLeader()
            let url = try cluster.prepareMember()
            let added = try cluster.add("m4", url)
            #expect(added.contains("added to cluster"))
            try cluster.members[3].start()
            try expectSnapshot(at: cluster.members[3])
            #expect(try cluster.etcdctl("member", "list", at: [3]).contains("started, m4,"))
            try await write(400..<420, through: cluster.members[3])
            try await expectEverything(420, in: cluster)
            cluster.members[3].end(by: SIGKILL)
            try cluster.members[3].start()
            try await expectEverything(420, in: cluster)
        }

        // MARK: Steps

        private func write(_ numbers: Swift.Range<Int>, through member: MemberProcess) async throws
        {
            let client = try await TestClient(member)
            for number in numbers { try await client.put("k\(number)", "v\(number)") }
        }

        private func expectSnapshot(at member: MemberProcess) throws {
            let lines = try member.log.wait(for: "\"applied snapshot\"")
            let entry = try #require(lines.last.flatMap(LogEntry.init))
            #expect((entry.fields["current-snapshot-index"] as? Int ?? 0) > 100)
        }

        /// Every member has all keys and no others.
        private func expectEverything(_ count: Int, in cluster: ClusterProcesses) async throws {
            for member in cluster.members {
                let client = try await TestClient(member)
                let all = try await client.all(prefix: "k")
                #expect(all.pairs.count == count)
                #expect(all.pairs.allSatisfy { $0.value == "v" + $0.key.dropFirst() })
            }
            #expect(try cluster.hashes().count == 1)
        }
    }
}
