import Foundation
import Testing

extension EndToEnd {
    /// Three members on real sockets, driven by Debian's etcdctl as an operator would.
    @Suite("A cluster of three")
    struct ClusterTests {
        @Test("any member answers for all: keys, leases, locks and watches")
        func anyMember() throws {
            let cluster = try ClusterProcesses()
            #expect(try cluster.etcdctl("put", "a", "1", at: [0]) == "OK\n")
            for member in 0..<3 {
                #expect(try cluster.etcdctl("get", "a", at: [member]) == "a\n1\n")
            }
            for member in 0..<3 {
                let granted = try cluster.etcdctl("lease", "grant", "100", at: [member])
                let lease = String(granted.split(separator: " ")[1])
                let asked = (member + 1) % 3
                let renewed = try cluster.etcdctl(
                    "lease", "keep-alive", "--once", lease, at: [asked])
                #expect(renewed == "lease \(lease) keepalived with TTL(100)\n")
                try cluster.etcdctl("put", "leased\(member)", "x", "--lease", lease)
                let told = try cluster.etcdctl("lease", "timetolive", lease, "--keys", at: [asked])
                #expect(told.contains("granted with TTL(100s)"))
                #expect(told.contains("attached keys([leased\(member)])"))
                #expect(
                    try cluster.etcdctl("lock", "l", "echo", "held", at: [member]) == "held\n")
            }
            #expect(try cluster.etcdctl("endpoint", "health").matches(of: /is healthy/).count == 3)
            #expect(try cluster.hashes().count == 1)
        }

        @Test("goes on when its leader is killed; what was acknowledged is there, also at the dead")
        func leaderKilled() throws {
            let cluster = try ClusterProcesses()
            for number in 0..<20 { try cluster.etcdctl("put", "k\(number)", "v") }
            let leader = try cluster.waitForLeader()
            let others = [0, 1, 2].filter { $0 != leader }
            cluster.members[leader].end(by: SIGKILL)
            let next = try cluster.waitForLeader(of: others)
            #expect(next != leader)
            let keys = try cluster.etcdctl("get", "k", "--prefix", "--keys-only", at: others)
            #expect(keys.split(separator: "\n").count == 20)
            #expect(try cluster.etcdctl("put", "after", "v", at: others) == "OK\n")
            try cluster.members[leader].start()
            #expect(try cluster.etcdctl("get", "after", at: [leader]) == "after\nv\n")
            #expect(try cluster.hashes().count == 1)
        }

        @Test("a minority answers no linearizable request, and a serializable one")
        func minority() throws {
            let cluster = try ClusterProcesses()
            try cluster.etcdctl("put", "a", "1")
            // The last one has it: it has answered for all before.
            #expect(try cluster.etcdctl("get", "a", at: [2]) == "a\n1\n")
            for member in 0..<2 { cluster.members[member].end(by: SIGKILL) }
            #expect(
                try cluster.etcdctl("get", "a", "--consistency=s", at: [2]) == "a\n1\n")
            let refused = try cluster.etcdctl(
                "get", "a", "--command-timeout=3s", at: [2])
            #expect(refused.contains("context deadline exceeded") || refused.contains("timed out"))
            let written = try cluster.etcdctl("put", "a", "2", "--command-timeout=3s", at: [2])
            #expect(!written.contains("OK"))
        }

        @Test("a leader that is told to stop hands over first: the others see no election")
        func handOver() throws {
            let cluster = try ClusterProcesses()
            let leader = try cluster.waitForLeader()
            let others = [0, 1, 2].filter { $0 != leader }
            cluster.members[leader].end(by: SIGTERM)
            // No waiting: somebody leads already.
            #expect(try cluster.leader(of: others) != nil)
            let log = try cluster.members[others[0]].log.wait(for: "elected leader")
            #expect(!log.contains { $0.contains("pre-candidate") })
        }

        @Test("grows by a learner that is promoted, and shrinks again; the removed one stops")
        func membership() throws {
            let cluster = try ClusterProcesses()
            for number in 0..<10 { try cluster.etcdctl("put", "k\(number)", "v") }
            let url = try cluster.prepareMember()
            let added = try cluster.add("m4", url, "--learner")
            let id = String(added.split(separator: " ")[1])
            #expect(added.contains("Member \(id) added to cluster"))
            #expect(
                try cluster.etcdctl("member", "promote", id, at: [0])
                    .contains("can only promote a learner member which is in sync with leader"))
            let joining = cluster.members[3]
            try joining.start()
            #expect(
                try cluster.etcdctl("get", "k1", at: [3])
                    .contains("rpc not supported for learner"))
            #expect(try cluster.etcdctl("get", "k1", "--consistency=s", at: [3]) == "k1\nv\n")
            // Any member passes it on to the leader.
            for member in 0..<3 {
                let told = try cluster.etcdctl("member", "promote", id, at: [member])
                let expected =
                    member == 0
                    ? "Member \(id) promoted in cluster" : "can only promote a learner member"
                #expect(told.contains(expected))
            }
            #expect(try cluster.etcdctl("get", "k1", at: [3]) == "k1\nv\n")
            #expect(
                try cluster.etcdctl("member", "remove", id, at: [1])
                    .contains("Member \(id) removed from cluster"))
            #expect(joining.waitForEnd() == 0, "it stops by itself")
            #expect(
                try cluster.etcdctl("member", "remove", id, at: [2])
                    .contains("etcdserver: member not found"))
            // It knows from its own records, or is told by the first member that it reaches.
            let refused = try joining.startExpectingRefusal()
            #expect(
                refused.log.contains { entry in
                    let said = entry.message + entry.text("error")
                    return said.contains("permanently removed from the cluster")
                })
        }

        @Test("is moved to another leader, who alone may be asked for that")
        func moveLeader() throws {
            let cluster = try ClusterProcesses()
            let leader = try cluster.waitForLeader()
            let target = (leader + 1) % 3
            let list = try cluster.etcdctl("member", "list", at: [leader]).split(separator: "\n")
            let line = try #require(list.first { $0.contains("m\(target + 1),") })
            let id = String(line.prefix { $0 != "," })
            #expect(
                try cluster.etcdctl("move-leader", id, at: [target])
                    .contains("no leader endpoint given"))
            #expect(
                try cluster.etcdctl("move-leader", id).contains("Leadership transferred from"))
            #expect(try cluster.waitForLeader() == target)
        }

        @Test("a change that could cost the quorum is refused")
        func strict() throws {
            let cluster = try ClusterProcesses()
            let ids = try cluster.etcdctl("member", "list", at: [0]).split(separator: "\n")
                .map { String($0.prefix { $0 != "," }) }
            cluster.members[2].end(by: SIGKILL)
            #expect(
                try cluster.etcdctl(
                    "member", "add", "m4", "--peer-urls", "http://127.0.0.1:9", at: [0, 1]
                ).contains("etcdserver: unhealthy cluster"))
            try cluster.members[2].start()
            #expect(
                try cluster.etcdctl("member", "update", ids[0], "--peer-urls", "http://127.0.0.1:9")
                    .contains("updated in cluster"))
            #expect(
                try cluster.etcdctl("member", "update", ids[1], "--peer-urls", "http://127.0.0.1:9")
                    .contains("Peer URLs already exists"))
        }
    }
}
