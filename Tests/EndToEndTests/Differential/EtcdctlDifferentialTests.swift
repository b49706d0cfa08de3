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
                ["put", "gamma", "k"], ["put", "delta", "d"], ["put", "delta", "e"],
                ["get", "--prefix", "", "--sort-by", "create", "--order", "descend", "-w", "json"],
                ["get", "--prefix", "", "--sort-by", "modify", "--order", "ascend", "-w", "json"],
                ["get", "--prefix", "", "--sort-by", "version", "--order", "descend"],
                ["get", "--prefix", "", "--sort-by", "value", "--order", "ascend", "--limit", "2"],
                ["get", "--prefix", "", "--sort-by", "value", "--keys-only", "--order", "descend"],
                ["get", "--prefix", "", "--sort-by", "version", "--limit", "2", "-w", "json"],
                ["get", "--prefix", "", "--order", "descend", "--limit", "3", "-w", "json"],
                ["get", "g", "--from-key", "--rev", "4", "--limit", "1", "-w", "json"],
                ["get", "--prefix", "g", "--count-only", "-w", "json"],
                ["get", "--prefix", "g", "--count-only", "--rev", "3", "-w", "fields"],
                ["get", "a", "z", "--order", "descend", "--keys-only"],
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
