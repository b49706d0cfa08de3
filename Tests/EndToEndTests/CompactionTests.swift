import API
import Foundation
import TestSupport
import Testing

extension EndToEnd {
    @Suite("Compactions, hashes and defragmentation")
    struct CompactionTests {
        private func etcdctl(_ member: MemberProcess, _ arguments: String...) throws -> String {
            let result = try run(
                "/usr/bin/etcdctl", ["--endpoints", member.endpoint] + arguments,
                environment: ["ETCDCTL_API": "3"])
            return result.output + (result.errors.split(separator: "\n").last ?? "")
        }

        private func hash(_ member: MemberProcess) throws -> Int {
            let text = try etcdctl(member, "endpoint", "hashkv", "-w", "json")
            let list = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]]
            let answer = try #require(list?.first?["HashKV"] as? [String: Any])
            return try #require(answer["hash"] as? Int)
        }

        private func dbSize(_ member: MemberProcess) throws -> Int {
            let text = try etcdctl(member, "endpoint", "status", "-w", "json")
            let list = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]]
            let status = try #require(list?.first?["Status"] as? [String: Any])
            return try #require(status["dbSize"] as? Int)
        }

        @Test("etcdctl compacts and defragments: the file shrinks, what is there stays")
        func space() async throws {
            let member = try MemberProcess()
            let client = try await TestClient(member)
            let value = String(repeating: "v", count: 10_000)
            for number in 0..<500 { try await client.put("k\(number % 10)", "\(number)\(value)") }
            #expect(
                try etcdctl(member, "compaction", "501", "--physical") == "compacted revision 501\n"
            )
            #expect(try member.log.wait(for: "finished scheduled compaction").isEmpty == false)
            #expect(try etcdctl(member, "get", "k1", "--rev=500").contains("has been compacted"))
            #expect(
                try etcdctl(member, "compaction", "3", "--physical").contains("has been compacted"))
            #expect(try etcdctl(member, "compaction", "999").contains("future revision"))
            let expected = try hash(member)
            let before = try dbSize(member)
            #expect(try etcdctl(member, "defrag").hasPrefix("Finished defragmenting etcd member"))
            _ = try member.log.wait(for: "finished defragmenting directory")
            let after = try dbSize(member)
            #expect(before > 4_000_000 && after < 500_000)
            #expect(try hash(member) == expected)
            member.end(by: SIGKILL)
            try member.start()
            #expect(try hash(member) == expected)
            #expect(try etcdctl(member, "get", "k7") == "k7\n497\(value)\n")
        }

        @Test("by age, without anybody asking: the flags are read")
        func automatic() throws {
            let member = try MemberProcess(
                arguments: [
                    "--auto-compaction-mode", "periodic", "--auto-compaction-retention", "200ms",
                ])
            _ = try etcdctl(member, "put", "a", "1")
            _ = try etcdctl(member, "put", "a", "2")
            let lines = try member.log.wait(for: "completed auto periodic compaction")
            #expect(lines.contains { $0.contains("\"compact-period\":\"200ms\"") })
        }
    }
}
