// Hashes and defragmentation as their callers see them (reference: semantics.md, Maintenance).

import API
import Testing

@testable import Services

extension PlayedMember {
    func hashKV(_ revision: Int64 = 0) -> Caller {
        let request = encoded { $0.appendField(1, int64: revision) }
        return call { life, caller in
            request.withUnsafeBytes { life.maintenance.hashKV($0, caller) }
        }
    }

    func hash() -> Caller {
        call { life, caller in
            life.maintenance.hash(UnsafeRawBufferPointer(start: nil, count: 0), caller)
        }
    }

    func defragment() -> Caller {
        call { life, caller in
            life.maintenance.defragment(UnsafeRawBufferPointer(start: nil, count: 0), caller)
        }
    }
}

extension Response {
    /// `revision, hash revision, compact revision`, and the hash.
    static func hashKV(_ bytes: [UInt8]) throws -> (text: String, hash: UInt32) {
        let arena = Arena()
        return try withExtendedLifetime(arena) {
            let response = try HashKVResponse.decode(bytes, in: arena)
            let now = response.header?.revision.rawValue ?? -1
            return (
                "\(now), \(response.hashRevision.rawValue), \(response.compactRevision.rawValue)",
                response.hash
            )
        }
    }
}

@Suite("Who looks after a member")
struct MaintenanceStories {
    private func threePuts() throws -> PlayedMember {
        let member = try PlayedMember()
        for value in ["1", "2", "3"] { member.put("a", value) }
        return member
    }

    private func answer(_ caller: Caller, of member: PlayedMember) throws -> (
        text: String, hash: UInt32
    ) {
        for _ in 0..<6 where caller.answers.isEmpty { member.runCommitter() }
        return try Response.hashKV(#require(caller.message, "\(caller.answers)"))
    }

    @Test("is told the hash of the keys, with the revisions it is of")
    func hashKV() throws {
        let member = try threePuts()
        let now = try answer(member.hashKV(), of: member)
        #expect(now.text == "4, 4, -1")
        #expect(try answer(member.hashKV(4), of: member).hash == now.hash)
        let old = try answer(member.hashKV(3), of: member)
        #expect(old.text == "4, 3, -1" && old.hash != now.hash)
        #expect(member.hashKV(5).failure == .futureRevision)
        #expect(try answer(member.hashKV(-3), of: member).text == "4, -3, -1")
    }

    @Test("after a compaction: nothing below it; at it the hash that the compaction left")
    func hashKVCompacted() throws {
        let member = try threePuts()
        let before = try answer(member.hashKV(3), of: member)
        #expect(member.compact(3).message != nil)
        member.finishCompactions()
        #expect(member.hashKV(2).failure == .compacted)
        let stored = try answer(member.hashKV(3), of: member)
        #expect(stored.text == "4, 3, -1" && stored.hash == before.hash)
        #expect(try answer(member.hashKV(), of: member).text == "4, 4, 3")
    }

    @Test("who asks for a hash while a compaction follows is told of the state they asked for")
    func hashKVBesideCompaction() throws {
        let (member, twin) = (try threePuts(), try threePuts())
        let expected = try answer(twin.hashKV(3), of: twin)
        let caller = member.hashKV(3)
        #expect(member.compact(4).message != nil)
        #expect(try answer(caller, of: member) == expected)
        member.finishCompactions()
        #expect(member.life.events.heard.contains("compacted 4"))
    }

    @Test("is told the same hash of everything by members that hold the same")
    func hash() throws {
        func hash(_ member: PlayedMember) throws -> [UInt8] {
            let caller = member.hash()
            for _ in 0..<6 where caller.answers.isEmpty { member.runCommitter() }
            return try #require(caller.message)
        }
        let (member, twin) = (try threePuts(), try threePuts())
        let same = try hash(member)
        #expect(try hash(twin) == same)
        twin.put("a", "4")
        let other = try hash(twin)
        member.put("a", "x")
        #expect(try hash(member) != other)
    }

    @Test("is answered without a header once the member has defragmented; puts go on meanwhile")
    func defragments() throws {
        let member = try threePuts()
        let caller = member.defragment()
        #expect(caller.answers.isEmpty && member.life.events.heard.last == "defragments")
        #expect(member.put("b", "1").message != nil)
        for _ in 0..<6 where caller.answers.isEmpty { member.runCommitter() }
        #expect(caller.message == [])
        #expect(member.life.events.heard.last == "defragmented")
        member.commit()
        try member.crash()
        #expect(try member.everything() == "[a=3 2 4 3, b=1 5 5 1] count 2")
    }
}
