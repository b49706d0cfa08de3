import Foundation
import Testing

extension EndToEnd {
    /// Debian's etcdctl against the binary that ships.
    @Suite("etcdctl against a member")
    struct EtcdctlTests {
        private static let path = "/usr/bin/etcdctl"

        private func etcdctl(_ member: MemberProcess, _ arguments: String...) throws
            -> ProgramResult
        {
            try run(
                Self.path, ["--endpoints", member.endpoint] + arguments,
                environment: ["ETCDCTL_API": "3"])
        }

        @Test("puts, gets, lists and deletes: the first tour of the README")
        func tour() throws {
            let member = try MemberProcess()
            #expect(try etcdctl(member, "put", "greeting", "hello").output == "OK\n")
            #expect(try etcdctl(member, "get", "greeting").output == "greeting\nhello\n")
            #expect(try etcdctl(member, "put", "group", "two").output == "OK\n")
            let keys = try etcdctl(member, "get", "--prefix", "g", "--keys-only").output
            #expect(keys == "greeting\n\ngroup\n\n")
            let deleted = try etcdctl(member, "del", "--prefix", "g", "--prev-kv").output
            #expect(deleted == "2\ngreeting\nhello\ngroup\ntwo\n")
            #expect(try etcdctl(member, "get", "--prefix", "g").output == "")
        }

        @Test("prints the JSON that etcd's answer gives, ids and term aside")
        func json() throws {
            let member = try MemberProcess()
            _ = try etcdctl(member, "put", "greeting", "hello")
            let text = try etcdctl(member, "get", "--prefix", "g", "-w", "json").output
            let document = try #require(
                try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
            let header = try #require(document["header"] as? [String: Any])
            #expect(Set(header.keys) == ["cluster_id", "member_id", "revision", "raft_term"])
            #expect(header["revision"] as? Int == 2)
            #expect(document["count"] as? Int == 1)
            let pairs = try #require(document["kvs"] as? [[String: Any]])
            let pair = try #require(pairs.first)
            #expect(pairs.count == 1)
            #expect(pair["key"] as? String == "Z3JlZXRpbmc=")
            #expect(pair["value"] as? String == "aGVsbG8=")
            #expect(pair["create_revision"] as? Int == 2)
            #expect(pair["mod_revision"] as? Int == 2)
            #expect(pair["version"] as? Int == 1)
            #expect(pair.count == 5)
        }

        @Test("shows one healthy member that leads")
        func status() throws {
            let member = try MemberProcess()
            let rows = try etcdctl(member, "endpoint", "status", "-w", "table").output
                .split(separator: "\n").filter { $0.hasPrefix("|") && !$0.contains("ENDPOINT") }
            let row = try #require(rows.first)
            #expect(rows.count == 1)
            let cells = row.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            #expect(cells[0] == member.endpoint)
            #expect(cells[2] == "3.7.1")
            #expect(cells[4] == "true" && cells[5] == "false")
            #expect(cells[7] == cells[8], "raft index and applied index at rest")

            let health = try etcdctl(member, "endpoint", "health")
            #expect(health.status == 0)
            #expect((health.output + health.errors).contains("is healthy"))

            let list = try etcdctl(member, "member", "list").output
            #expect(
                list.contains(
                    ", started, default, http://localhost:2380, http://\(member.endpoint), false"))
            #expect(try etcdctl(member, "alarm", "list").output == "")
        }

        @Test("reads a past revision, a limited prefix and counts")
        func ranges() throws {
            let member = try MemberProcess()
            for n in 1...3 { _ = try etcdctl(member, "put", "k\(n)", "v\(n)") }
            _ = try etcdctl(member, "put", "k1", "again")
            #expect(try etcdctl(member, "get", "k1", "--rev", "2").output == "k1\nv1\n")
            #expect(
                try etcdctl(member, "get", "k", "--prefix", "--limit", "2").output
                    == "k1\nagain\nk2\nv2\n")
            let future = try etcdctl(member, "get", "k1", "--rev", "99")
            #expect(future.status == 1)
            #expect(
                future.errors.contains("etcdserver: mvcc: required revision is a future revision"))
            let empty = try etcdctl(member, "put", "", "x")
            #expect(empty.status == 1)
            #expect(empty.errors.contains("etcdserver: key is not provided"))
        }
    }
}
