// What real etcd servers wrote and said: their logs, and what they told of themselves at its end.

import API
import Foundation
import Testing

@testable import Storage

/// The small ones are kept with the tests of the log; the large one is used where it is at hand.
enum EtcdFixture: String, CaseIterable, CustomTestStringConvertible {
    case etcd3423 = "etcd-3.4.23"
    case etcd351 = "etcd-3.5.1"
    case etcd371 = "etcd-3.7.1"

    private static let log = "0000000000000000-0000000000000000.wal"
    var testDescription: String { rawValue }

    static var present: [EtcdFixture] {
        allCases.filter { fixture in
            if fixture.folder == nil { print("skipped: the log of \(fixture) is not at hand") }
            return fixture.folder != nil
        }
    }

    private var folder: URL? {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        var candidates = [tests.appending(path: "WALTests/Fixtures/\(rawValue)")]
        // Beside the repository, or beside what holds it.
        var above = tests
        while above.path.count > 1 {
            above = above.deletingLastPathComponent()
            candidates.append(above.appending(path: "shared/fixtures/\(rawValue)"))
        }
        return candidates.first {
            FileManager.default.fileExists(atPath: $0.appending(path: Self.log).path)
        }
    }

    private func file(_ name: String) throws -> URL {
        try #require(folder).appending(path: name)
    }

    /// The entries of the log, all of which were committed.
    func entries() throws -> [Entry] {
        let directory = try TemporaryDirectory()
        let configuration = WALConfiguration(directory: directory.path + "/wal")
        try FileManager.default.createDirectory(
            atPath: configuration.directory, withIntermediateDirectories: true)
        try Data(contentsOf: file(Self.log)).write(
            to: URL(fileURLWithPath: configuration.directory + "/" + Self.log))
        let (log, recovery) = try WALStore.open(configuration, from: .snapshot(.zero, .zero))
        try log.close()
        return recovery.entries
    }

    /// The file of the server's store; nil where only its log is at hand.
    func snapshot() throws -> [UInt8]? {
        try? [UInt8](Data(contentsOf: file("snapshot.db")))
    }

    // MARK: What the server said

    /// What facts.txt tells.
    struct Facts {
        var revision: Int64 = 0
        var compacted: Int64 = 0
        var hash: UInt32 = 0
        var lease: Int64 = 0
    }

    func facts() throws -> Facts {
        let lines = try String(contentsOf: file("facts.txt"), encoding: .utf8)
            .split(separator: "\n").map(String.init)
        var facts = Facts()
        let answer = try #require(lines.first { $0.contains("\"HashKV\":") })
        let list = try #require(
            JSONSerialization.jsonObject(with: Data(answer.utf8)) as? [[String: Any]])
        let hash = try #require(list.first?["HashKV"] as? [String: Any])
        let header = try #require(hash["header"] as? [String: Any])
        facts.revision = try #require(header["revision"] as? Int64)
        facts.compacted = try #require(hash["compact_revision"] as? Int64)
        facts.hash = try #require(hash["hash"] as? UInt32)
        let lease = try #require(lines.first { $0.hasPrefix("lease ") })
        #expect(lease.hasSuffix("granted with TTL(86400s), remaining(-), attached keys([leased])"))
        facts.lease = try #require(Int64(lease.split(separator: " ")[1], radix: 16))
        return facts
    }

    /// All keys as the server answered a Range, in the order of the keys.
    func pairs() throws -> [StoredPair] {
        let unpack = Process()
        unpack.executableURL = URL(fileURLWithPath: "/bin/gzip")
        unpack.arguments = ["-dc", try file("keys.json.gz").path]
        let output = Pipe()
        unpack.standardOutput = output
        try unpack.run()
        let json = output.fileHandleForReading.readDataToEndOfFile()
        unpack.waitUntilExit()
        let answer = try #require(
            JSONSerialization.jsonObject(with: json) as? [String: Any])
        return try #require(answer["kvs"] as? [[String: Any]]).map { pair in
            func bytes(_ name: String) throws -> [UInt8] {
                [UInt8](try #require(Data(base64Encoded: pair[name] as? String ?? "")))
            }
            return StoredPair(
                key: try bytes("key"), value: try bytes("value"),
                created: pair["create_revision"] as? Int64 ?? 0,
                modified: pair["mod_revision"] as? Int64 ?? 0,
                version: pair["version"] as? Int64 ?? 0, lease: pair["lease"] as? Int64 ?? 0)
        }
    }
}

/// A pair with all its fields.
struct StoredPair: Hashable {
    let key: [UInt8]
    let value: [UInt8]
    let created: Int64
    let modified: Int64
    let version: Int64
    let lease: Int64

    static func list(_ response: [UInt8]) throws -> [StoredPair] {
        let arena = Arena()
        return try withExtendedLifetime(arena) {
            try RangeResponse.decode(response, in: arena).kvs.map(\.view).map { pair in
                StoredPair(
                    key: [UInt8](pair.key), value: [UInt8](pair.value),
                    created: pair.createRevision.rawValue, modified: pair.modRevision.rawValue,
                    version: pair.version, lease: pair.lease.rawValue)
            }
        }
    }
}
