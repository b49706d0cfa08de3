import API
import Foundation
import TestSupport
import Testing

/// The etcd that Scripts/fetch-rivals.sh fetches.
enum Rival {
    static let etcd = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent(".build-rivals/etcd-3.5")
    static let exists = FileManager.default.isExecutableFile(atPath: etcd.path)

    static func start() throws -> MemberProcess {
        let peer = "http://127.0.0.1:\(try MemberProcess.freePort())"
        return try MemberProcess(
            binary: etcd,
            arguments: [
                "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                "--initial-cluster", "default=\(peer)",
            ])
    }
}

extension EndToEnd {
    /// The same calls to a member and to a real etcd: equal answers.
    @Suite(
        "beside etcd 3.5",
        .enabled(
            if: Rival.exists,
            "Scripts/fetch-rivals.sh fetches the etcd it is compared with"))
    struct DifferentialTests {
        let member: MemberProcess
        let rival: MemberProcess

        init() throws {
            member = try MemberProcess()
            rival = try Rival.start()
        }

        @Test(
            "a thousand calls out of a seed, valid and invalid", arguments: [1, 2, 3] as [UInt64])
        func calls(_ seed: UInt64) async throws {
            let ours = try await TestClient(member)
            let theirs = try await TestClient(rival)
            var random = SplitMix64(seed: seed)
            var revision: Int64 = 1
            for number in 0..<1000 {
                let call = GeneratedCall(&random, revision: revision)
                let expected = try await call.make(on: theirs)
                let found = try await call.make(on: ours)
                try #require(found == expected, "call \(number) of seed \(seed): \(call)")
                switch found {
                case .put(let now, _), .range(let now, _, _, _), .deleted(_, let now, _):
                    revision = now
                case .refused: break
                }
            }
            #expect(revision > 300, "little was written")
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
