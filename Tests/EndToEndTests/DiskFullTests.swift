import API
import Foundation
import Testing

extension EndToEnd {
    /// A disk with no room left: no write is told that is not kept.
    @Suite(
        "a full disk",
        .enabled(if: TinyDisk.isPossible, "mounting a tmpfs takes root"))
    struct DiskFullTests {
        private static let value = String(repeating: "v", count: 256 << 10)

        /// Puts large values until one is refused.
        /// - Returns: what was acknowledged, and the refusal.
        private func fill(_ client: TestClient) async throws -> ([String: Int64], Status) {
            var acknowledged: [String: Int64] = [:]
            for number in 0..<2000 {
                let key = "fill/\(number)"
                do {
                    acknowledged[key] = try await client.put(key, Self.value).header.revision
                } catch let status as Status {
                    return (acknowledged, status)
                }
            }
            throw ProcessFailure(description: "the disk does not fill")
        }

        private func check(
            _ acknowledged: [String: Int64], in client: TestClient
        ) async throws {
            var request = Range(key: "fill/", end: after(prefix: "fill/"), keysOnly: true)
            let found = try await client.range(request).pairs
            let revisions = Dictionary(uniqueKeysWithValues: found.map { ($0.key, $0.modified) })
            for (key, revision) in acknowledged { #expect(revisions[key] == revision, "\(key)") }
            request.keysOnly = false
            request.limit = 1
            #expect(try await client.range(request).pairs.first?.value == Self.value)
        }

        @Test("the log's: writes are refused with the reason, reads go on, nothing told is lost")
        func log() async throws {
            // Room for the first segment and not for a second.
            let disk = try TinyDisk(mebibytes: 80)
            let member = try MemberProcess(arguments: ["--wal-dir", disk.url.path + "/wal"])
            let client = try await TestClient(member)
            let (acknowledged, refusal) = try await fill(client)
            #expect(refusal.code == .unavailable || refusal.code == .resourceExhausted)
            #expect(refusal.message.contains("No space left on device"), "\(refusal)")
            try member.log.wait(for: "the write-ahead log failed")

            for _ in 0..<3 {
                await #expect(throws: Status.self) { try await client.put("later", "x") }
            }
            await #expect(throws: Status.self) { try await client.delete(Delete(key: "fill/0")) }
            try await check(acknowledged, in: client)
            let serializable = try await client.range(
                Range(key: "fill/0", isSerializable: true))
            #expect(serializable.pairs.count == 1)

            #expect(member.end(by: SIGTERM) == 143)
            try disk.grow(toMebibytes: 400)
            try member.start()
            let again = try await TestClient(member)
            try await check(acknowledged, in: again)
            #expect(try await again.get("later") == nil)
            let last = acknowledged.values.max() ?? 0
            #expect(try await again.put("later", "y").header.revision > last)
        }

        @Test("the store's: the member ends, says why, and has kept all it told")
        func store() async throws {
            let disk = try TinyDisk(mebibytes: 12)
            let wal = try TemporaryDirectory()
            let member = try MemberProcess(
                arguments: ["--wal-dir", wal.path + "/wal"],
                directory: disk.url.appendingPathComponent("data"))
            let (acknowledged, refusal) = try await fill(try await TestClient(member))
            #expect(refusal.code == .unavailable, "\(refusal)")
            #expect(member.waitForEnd() == 1)
            let log = try member.log.waitForEnd().compactMap(LogEntry.init)
            #expect(log.contains { $0.message == "failed to commit the store" })
            #expect(log.last?.level == "fatal")
            // Nor does it live on when it finds no room for what its log has.
            #expect(try member.startExpectingRefusal().0 == 1)

            try disk.grow(toMebibytes: 400)
            try member.start()
            let again = try await TestClient(member)
            try await check(acknowledged, in: again)
            let last = acknowledged.values.max() ?? 0
            #expect(try await again.put("later", "y").header.revision > last)
        }

        @Test("one too small for the log: the member does not start, and says why")
        func tooSmall() throws {
            let disk = try TinyDisk(mebibytes: 20)
            let member = try MemberProcess(
                directory: disk.url.appendingPathComponent("data"), starts: false)
            let (status, log) = try member.startExpectingRefusal()
            #expect(status == 1)
            let words = log.last?.text("error") ?? ""
            #expect(words.lowercased().contains("no space"), "\(words)")
            try disk.grow(toMebibytes: 200)
            try member.start()
        }
    }
}
