// The same history of writes and compactions has the same hashes.

import API
import Foundation
import TestSupport
import Testing

/// The same history on two servers.
private struct HashComparison {
    private static let keys = ["a", "b", "c", "d", "e", "f"]
    let ours: MemberProcess
    let theirs: MemberProcess
    var random: SplitMix64
    var revision: Int64 = 1
    var compacted: Int64 = 0

    /// Calls both and expects the same success or failure.
    func both(_ path: String, _ request: [UInt8]) async throws -> ([UInt8]?, [UInt8]?) {
        func call(_ server: MemberProcess) async throws -> Result<[UInt8], Status> {
            let client = try await TestClient(server)
            do throws(Status) { return .success(try await client.call(path, request)) } catch {
                return .failure(error)
            }
        }
        let (found, expected) = (try await call(ours), try await call(theirs))
        switch (found, expected) {
        case (.success(let a), .success(let b)): return (a, b)
        case (.failure(let a), .failure(let b)) where a == b: return (nil, nil)
        default: throw ProcessFailure(description: "\(path): \(found), etcd: \(expected)")
        }
    }

    mutating func write(_ count: Int) async throws {
        let clients = [try await TestClient(ours), try await TestClient(theirs)]
        for _ in 0..<count {
            let key = Self.keys[Int(random.next() % 6)]
            let end = random.next() % 8 == 0 ? "\0" : ""
            let value = String(repeating: "v", count: Int(random.next() % 3000))
            let isDelete = random.next() % 3 == 0
            var revisions: Set<Int64> = []
            for client in clients {
                let header =
                    isDelete
                    ? try await client.delete(Delete(key: key, end: end)).header
                    : try await client.put(key, value).header
                revisions.insert(header.revision)
            }
            try #require(revisions.count == 1)
            revision = revisions.first ?? revision
        }
    }

    mutating func compact() async throws {
        let target = compacted + 1 + Int64(random.next() % UInt64(revision - compacted + 2))
        let isPhysical = random.next() % 2 == 0
        let request = encoded {
            $0.appendField(1, int64: target)
            $0.appendField(2, bool: isPhysical)
        }
        let (done, _) = try await both("/etcdserverpb.KV/Compact", request)
        if done != nil { compacted = target }
    }

    func compareHashes() async throws {
        for target in Set([compacted - 1, compacted + 1, revision - 1, revision, revision + 1, 0])
        where target >= 0 && (target > compacted || target < compacted) {
            let request = encoded { $0.appendField(1, int64: target) }
            let (found, expected) = try await both("/etcdserverpb.Maintenance/HashKV", request)
            guard let found, let expected else { continue }
            let arena = Arena()
            let ours = try HashKVResponse.decode(found, in: arena)
            let theirs = try HashKVResponse.decode(expected, in: arena)
            #expect(
                ours.hash == theirs.hash && ours.compactRevision == theirs.compactRevision,
                "at \(target) of \(revision), compacted at \(compacted)")
        }
    }
}

extension EndToEnd {
    @Suite("HashKV beside etcd 3.5", .enabled(if: Rival.isExpected, Rival.absence))
    struct HashDifferentialTests {
        let member: MemberProcess
        let rival: MemberProcess

        init() throws {
            member = try MemberProcess()
            rival = try Rival.start()
        }

        /// Known differences to 3.7, which the reference describes: 3.5.1 refuses HashKV at the
        /// compaction's own revision, and does not tell `hash_revision`.
        @Test(
            "the same history has the same HashKV, before and after compactions and restarts",
            arguments: [1, 2, 3] as [UInt64])
        func hashes(_ seed: UInt64) async throws {
            var run = HashComparison(ours: member, theirs: rival, random: SplitMix64(seed: seed))
            for round in 0..<12 {
                try await run.write(20)
                if round % 2 == 1 { try await run.compact() }
                try await run.compareHashes()
                if round % 5 == 4 {
                    for server in [member, rival] {
                        server.end(by: round == 4 ? SIGKILL : SIGTERM)
                        try server.start()
                    }
                    try await run.compareHashes()
                }
            }
            #expect(run.compacted > 0)
        }
    }
}
