// The same commands of etcdctl to a member and to a real etcd: the same is printed.

import Testing

extension EndToEnd {
    @Suite("etcdctl beside etcd 3.5", .enabled(if: Rival.isExpected, Rival.absence))
    struct EtcdctlDifferentialTests {
        let member: MemberProcess
        let rival: MemberProcess

        init() throws {
            member = try MemberProcess()
            rival = try Rival.start()
        }

        @Test("etcdctl prints the same, as text and as JSON, ids and terms aside")
        func etcdctl() throws {
            let commands: [[String]] = [
                ["put", "greeting", "hello"], ["put", "group", "x"], ["put", "greeting", "again"],
                ["get", "--prefix", "g"], ["get", "--prefix", "g", "-w", "json"],
                ["get", "greeting", "--rev", "2", "-w", "json"],
                ["get", "greeting", "--rev", "2", "-w", "fields"],
                ["get", "g", "--prefix", "--keys-only"], ["get", "g", "--prefix", "--limit", "1"],
                ["get", "missing", "-w", "json"], ["get", "", "--from-key", "-w", "json"],
                ["get", "greeting", "--rev", "99"], ["put", "", "x"],
                ["put", "a", "b", "--lease=7"],
                ["put", "greeting", "--ignore-value", "--prev-kv", "-w", "json"],
                ["del", "--prefix", "g", "--prev-kv", "-w", "json"], ["del", "nothing"],
                ["alarm", "list"], ["member", "list", "-w", "json"],
            ]
            for command in commands {
                let ours = try print(command, from: member)
                let theirs = try print(command, from: rival)
                #expect(ours == theirs, "etcdctl \(command.joined(separator: " "))")
            }
        }

        /// Status, output and complaints of etcdctl, without what is a server's own.
        private func print(_ command: [String], from server: MemberProcess) throws -> [String] {
            let result = try run(
                "/usr/bin/etcdctl", ["--endpoints", server.endpoint] + command,
                environment: ["ETCDCTL_API": "3"])
            let own =
                #/("(cluster_id|member_id|raft_term|ID)":|"(ClusterID|MemberID|RaftTerm)" : )\d+/#
            let urls = #/http://[a-z0-9.]+:\d+/#
            let output = result.output.replacing(own) { $0.output.1 }.replacing(urls, with: "url")
            let error = result.errors.split(separator: "\n").last ?? ""
            return [String(result.status), output, String(error)]
        }
    }
}
