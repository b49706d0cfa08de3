// etcdctl auth, user and role, to a member and to a real etcd: the same is printed.

import Testing

extension EndToEnd {
    @Suite("etcdctl auth beside etcd 3.5", .enabled(if: Rival.isExpected, Rival.absence))
    struct EtcdctlAuthTests {
        @Test("etcdctl prints the same about users and roles, before auth is on and after")
        func commands() throws {
            let servers = [
                try MemberProcess(arguments: ["--bcrypt-cost", "4"]),
                try Rival.start(arguments: ["--bcrypt-cost", "4"]),
            ]
            let before: [[String]] = [
                ["auth", "enable"], ["user", "add", "root:r"], ["auth", "enable"],
                ["user", "grant-role", "root", "root"], ["user", "add", "alice:a"],
                ["user", "add", "alice:a"], ["user", "add", "cert", "--no-password"],
                ["user", "list"], ["user", "get", "alice"], ["user", "get", "none"],
                ["role", "add", "r"], ["role", "add", "r"], ["role", "list"], ["role", "get", "r"],
                ["role", "grant-permission", "r", "read", "k"],
                ["role", "grant-permission", "r", "readwrite", "p", "--prefix"],
                ["role", "grant-permission", "r", "write", "f", "--from-key"],
                ["role", "grant-permission", "r", "read", "a", "c"],
                ["role", "grant-permission", "r", "read", "", "--prefix"],
                ["role", "grant-permission", "none", "read", "k"],
                ["role", "grant-permission", "r", "some", "k"], ["role", "get", "r"],
                ["role", "get", "root"], ["role", "revoke-permission", "r", "k"],
                ["role", "revoke-permission", "r", "", "--prefix"],
                ["role", "revoke-permission", "r", "k"], ["role", "get", "r"],
                ["user", "grant-role", "alice", "r"], ["user", "grant-role", "alice", "none"],
                ["user", "get", "alice", "--detail"], ["get", "x", "--user", "alice:a"],
                ["auth", "enable"], ["auth", "enable"],
            ]
            let root = ["--user", "root:r"]
            let alice = ["--user", "alice:a"]
            let after: [[String]] = [
                ["get", "x"], ["put", "p1", "v"] + alice, ["get", "p1"] + alice,
                ["get", "p", "--prefix"] + alice, ["get", "", "--prefix"] + alice,
                ["get", "x"] + alice, ["put", "a", "v"] + alice, ["put", "x", "v"] + alice,
                ["put", "x", "v"] + root, ["get", "", "--prefix"] + root,
                ["get", "x", "--user", "alice:wrong"], ["get", "x", "--user", "none:x"],
                ["get", "x", "--user", "cert:x"], ["user", "list"] + alice,
                ["user", "list"] + root, ["user", "get", "alice"] + alice,
                ["user", "get", "root"] + alice, ["role", "get", "r"] + alice,
                ["role", "get", "r", "-w", "json"] + root, ["role", "list", "-w", "json"] + root,
                ["user", "get", "alice", "-w", "json"] + root,
                ["user", "revoke-role", "alice", "r"] + root,
                ["user", "revoke-role", "alice", "r"] + root, ["get", "p1"] + alice,
                ["role", "delete", "r"] + root, ["role", "delete", "r"] + root,
                ["user", "delete", "root"] + root, ["user", "delete", "alice"] + root,
                ["user", "delete", "alice"] + root, ["get", "p1"] + alice,
                ["auth", "disable"], ["auth", "disable"] + root, ["get", "p1"],
                ["user", "list"],
            ]
            for command in before + after {
                let printed = try servers.map { try print(command, from: $0) }
                #expect(
                    printed[0] == printed[1], "etcdctl \(command.joined(separator: " "))")
            }
            for server in servers {
                let changed = try run(
                    "/usr/bin/etcdctl",
                    [
                        "--endpoints", server.endpoint, "user", "passwd", "root",
                        "--interactive=false",
                    ], environment: ["ETCDCTL_API": "3"], input: "new\n")
                #expect(changed.output == "Password updated\n")
            }
        }

        /// Status, output and complaint of etcdctl, without what is a server's own.
        private func print(_ command: [String], from server: MemberProcess) throws -> [String] {
            let result = try run(
                "/usr/bin/etcdctl", ["--endpoints", server.endpoint] + command,
                environment: ["ETCDCTL_API": "3"])
            let own = #/("(cluster_id|member_id|raft_term)":)\d+/#
            let output = result.output.replacing(own) { $0.output.1 }
            // What it says of tries that failed has times in it.
            let complaint = result.status == 0 ? nil : result.errors.split(separator: "\n").last
            return [String(result.status), output, String(complaint ?? "")]
        }
    }
}
