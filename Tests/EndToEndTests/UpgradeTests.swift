import Foundation
import Testing

extension EndToEnd {
    /// Data of earlier versions, as Upgrade/ has it: of a member named m1 at port 28379 that was
    /// killed. It had put k0 to k49 ("value 0" and so on), k3 once more, deleted k4, granted a lease
    /// for `leased`, compacted at 20 and made one transaction, with a snapshot every 40 entries.
    @Suite("Data of earlier versions")
    struct UpgradeTests {
        private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Upgrade")

        @Test("opens, is all there, hashes as it did then, and goes on", arguments: ["0.1.0"])
        func opens(version: String) async throws {
            let place = try TemporaryDirectory()
            let archive = Self.folder.appendingPathComponent("cairn-\(version).tar.gz").path
            let unpacked = try run("/bin/tar", ["-xzf", archive, "-C", place.path])
            try #require(unpacked.status == 0, "\(unpacked.errors)")
            let member = try MemberProcess(
                arguments: ["--name", "m1"], directory: place.url.appendingPathComponent("data"))
            func etcdctl(_ words: String...) throws -> String {
                try run(
                    "/usr/bin/etcdctl", ["--endpoints", member.endpoint] + words,
                    environment: ["ETCDCTL_API": "3"]
                ).output
            }
            let hash = try etcdctl("endpoint", "hashkv", "-w", "json")
            #expect(hash.contains("\"revision\":55,"))
            #expect(hash.contains("\"hash\":1690446073,\"compact_revision\":20"))
            #expect(try etcdctl("get", "k3") == "k3\nsecond\n")
            #expect(try etcdctl("get", "k4").isEmpty)
            #expect(try etcdctl("get", "k5") == "k5\ntxn\n")
            #expect(try etcdctl("get", "k49", "--rev=55") == "k49\nvalue 49\n")
            let keys = try etcdctl("get", "", "--from-key", "--keys-only")
            #expect(keys.split(separator: "\n").count == 51)
            let lease = try etcdctl("lease", "timetolive", "6f6fa1fee93bac23", "--keys")
            #expect(lease.contains("attached keys([leased])"))
            #expect(try etcdctl("member", "list").hasPrefix("474f8fd6da73ef6f, started, m1,"))

            let client = try await TestClient(member)
            #expect(try await client.put("after", "1").header.revision == 56)
            member.end(by: SIGKILL)
            try member.start()
            #expect(try await TestClient(member).get("after")?.value == "1")
        }
    }
}
