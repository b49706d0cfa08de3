import Foundation
import Testing

extension EndToEnd {
    /// What a member does with a data directory that is not as it left it.
    @Suite("the data directory")
    struct DataDirectoryTests {
        /// A member that was stopped with some writes in its log.
        private func stoppedMember() async throws -> MemberProcess {
            let member = try MemberProcess()
            let client = try await TestClient(member)
            for number in 0..<50 { try await client.put("k\(number)", "value \(number)") }
            member.end(by: SIGKILL)
            return member
        }

        private func segments(_ member: MemberProcess) throws -> [URL] {
            try FileManager.default.contentsOfDirectory(
                at: member.walDirectory, includingPropertiesForKeys: nil
            ).filter { $0.pathExtension == "wal" }.sorted { $0.path < $1.path }
        }

        @Test("a second process is refused, and the first goes on")
        func openedTwice() async throws {
            let first = try MemberProcess()
            let client = try await TestClient(first)
            try await client.put("a", "1")
            let second = try MemberProcess(directory: first.dataDirectory, starts: false)
            let (status, log) = try second.startExpectingRefusal()
            #expect(status == 1)
            let end = try #require(log.last)
            #expect(end.level == "fatal")
            #expect(end.text("error").contains("in use by another process"), "\(end)")
            try await client.put("a", "2")
            first.end(by: SIGKILL)
            try first.start()
            #expect(try await TestClient(first).get("a")?.value == "2")
        }

        @Test(
            "a byte that changed in the middle of the log is refused by file, offset and reason",
            arguments: [1, 3])
        func damagedLog(_ quarters: Int) async throws {
            let member = try await stoppedMember()
            let file = try #require(try segments(member).last)
            var bytes = try Data(contentsOf: file)
            let end = (bytes.lastIndex { $0 != 0 } ?? 0) * quarters / 4
            // A byte of a value: the record's frame stays whole, only its checksum tells.
            let place = try #require(bytes[end...].firstRange(of: Data("value ".utf8))?.lowerBound)
            bytes[place] ^= 0x40
            try bytes.write(to: file)
            let (status, log) = try member.startExpectingRefusal()
            #expect(status == 1)
            let last = try #require(log.last)
            let words = last.text("error")
            #expect(last.level == "fatal")
            #expect(words.contains(file.lastPathComponent), "\(words)")
            #expect(words.lowercased().contains("crc") || words.contains("checksum"), "\(words)")
            let numbers = words.split { !$0.isNumber }.compactMap { Int($0) }
            #expect(numbers.contains { place - 200...place ~= $0 }, "\(words): \(place)")

            bytes[place] ^= 0x40
            try bytes.write(to: file)
            try member.start()
            #expect(try await TestClient(member).all(prefix: "k").pairs.count == 50)
        }

        @Test("a log that is gone while its store is there is refused")
        func missingLog() async throws {
            let member = try await stoppedMember()
            try FileManager.default.removeItem(at: member.walDirectory)
            let (status, log) = try member.startExpectingRefusal()
            #expect(status == 1)
            let words = try #require(log.last).text("error")
            #expect(words.contains(member.walDirectory.path), "\(words)")
            #expect(!FileManager.default.fileExists(atPath: member.walDirectory.path))
        }

        @Test("a store that is gone is made again from the log")
        func missingStore() async throws {
            let member = try await stoppedMember()
            let snap = member.storeFile.deletingLastPathComponent()
            try FileManager.default.removeItem(at: snap)
            try member.start()
            let (pairs, header) = try await TestClient(member).all(prefix: "k")
            #expect(pairs.count == 50 && header.revision == 51)
        }

        @Test("a directory that cannot be written is told")
        func notADirectory() throws {
            let file = FileManager.default.temporaryDirectory
                .appendingPathComponent("cairn-e2e-\(UUID().uuidString)")
            try Data("not a directory".utf8).write(to: file)
            defer { try? FileManager.default.removeItem(at: file) }
            let member = try MemberProcess(directory: file, starts: false)
            let (status, log) = try member.startExpectingRefusal()
            #expect(status == 1)
            #expect(log.last?.text("error").contains(file.path) == true)
        }
    }
}
