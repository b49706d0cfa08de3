import API
import Foundation
import TestSupport
import Testing

extension EndToEnd {
    /// Members without a quorum, and what becomes of them.
    @Suite("A cluster that has lost its quorum")
    struct ClusterQuorumTests {
        private static let wantsLeader = [(name: "hasleader", value: Array("true".utf8))]

        @Test("who wants a leader is told that there is none, also in the middle of a watch")
        func hasLeader() async throws {
            let cluster = try ClusterProcesses()
            let client = try await TestClient(cluster.members[2])
            let feed = await WatchFeed(client, metadata: Self.wantsLeader)
            await feed.send(WatchCommand.create("a"))
            _ = try await feed.next()
            let patient = await WatchFeed(client)
            await patient.send(WatchCommand.create("a"))
            _ = try await patient.next()
            for member in 0..<2 { cluster.members[member].end(by: SIGKILL) }
            await #expect(throws: Status.noLeader) { try await feed.next() }
            let range = Range(key: "a", isSerializable: true).encoded
            await #expect(throws: Status.noLeader) {
                try await client.call(
                    "/etcdserverpb.KV/Range", range, metadata: Self.wantsLeader)
            }
            // Who does not ask for a leader is served, and hears on once there is one.
            _ = try await client.call("/etcdserverpb.KV/Range", range)
            for member in 0..<2 { try cluster.members[member].launch() }
            try cluster.etcdctl("put", "a", "1", "--command-timeout=20s", at: [2])
            #expect(try await patient.next().description.contains("a"))
        }

        @Test("a leader that slept does not answer from the past")
        func sleeping() async throws {
            let cluster = try ClusterProcesses()
            let leader = try cluster.waitForLeader()
            let others = [0, 1, 2].filter { $0 != leader }
            try cluster.etcdctl("put", "a", "old", at: others)
            #expect(try cluster.etcdctl("get", "a", at: [leader]) == "a\nold\n")
            let sleeper = cluster.members[leader]
            kill(sleeper.processID, SIGSTOP)
            _ = try cluster.waitForLeader(of: others)
            #expect(try cluster.etcdctl("put", "a", "new", at: others) == "OK\n")
            kill(sleeper.processID, SIGCONT)
            #expect(try cluster.etcdctl("get", "a", at: [leader]) == "a\nnew\n")
            #expect(try cluster.hashes().count == 1)
        }

        @Test("-force-new-cluster: a member goes on alone with all it has, and others join it")
        func forced() throws {
            let cluster = try ClusterProcesses()
            for number in 0..<10 { try cluster.etcdctl("put", "k\(number)", "v") }
            #expect(try cluster.etcdctl("get", "k9", at: [2]) == "k9\nv\n")
            let before = try cluster.etcdctl("member", "list", at: [2]).split(separator: "\n")
            for member in cluster.members { member.end(by: SIGKILL) }
            let survivor = cluster.members[2]
            survivor.arguments.append("--force-new-cluster")
            try survivor.start()
            let log = survivor.log.lines.compactMap(LogEntry.init)
            let forcing = try #require(log.first { $0.message == "forcing restart member" })
            #expect((forcing.fields["removed-members"] as? [String])?.count == 2)
            let after = try cluster.etcdctl("member", "list", at: [2]).split(separator: "\n")
            #expect(after.count == 1 && before.contains(after[0]), "with its old id")
            #expect(try cluster.etcdctl("put", "after", "v", at: [2]) == "OK\n")
            // The flag is for one start; the next one needs it no more.
            survivor.arguments.removeLast()
            survivor.end(by: SIGKILL)
            try survivor.start()
            let keys = try cluster.etcdctl("get", "", "--from-key", "--keys-only", at: [2])
            #expect(keys.split(separator: "\n").count == 11, "\(keys)")
            // The dead are strangers now.
            let stranger = cluster.members[0]
            try stranger.launch()
            #expect(stranger.waitForEnd() == 0, "it hears that it was removed, and stops")
            #expect(try cluster.etcdctl("member", "list", at: [2]).contains("m3"))
        }
    }
}
