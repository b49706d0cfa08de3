// Compactions as their callers see them (reference: semantics.md, Compact).

import API
import Testing

@testable import Services

@Suite("Who compacts")
struct CompactionStories {
    /// The key a put three times: the store is at 4.
    private func threePuts() throws -> PlayedMember {
        let member = try PlayedMember()
        for value in ["1", "2", "3"] { member.put("a", value) }
        return member
    }

    @Test(
        "is answered at once with the current revision; reads below the revision fail from then on")
    func answers() throws {
        let member = try threePuts()
        let caller = member.compact(3)
        #expect(caller.message == encoded { $0.appendResponseHeader(member.header(4)) })
        #expect(member.range(Request.range("a", revision: 2)).failure == .compacted)
        let kept = try #require(member.range(Request.range("a", revision: 3)).message)
        #expect(try Response.range(kept) == "[a=2 2 3 2] count 1")
    }

    @Test("is told when the revision was compacted, or does not exist yet")
    func refused() throws {
        let member = try threePuts()
        #expect(member.compact(5).failure == .futureRevision)
        #expect(member.compact(-1).failure == .compacted)
        #expect(member.compact(0).message != nil)
        #expect(member.compact(0).failure == .compacted)
        #expect(member.compact(4).message != nil)
        #expect(member.compact(3).failure == .compacted)
    }

    @Test("physically, waits until the deletions are on disk, however long that takes")
    func physical() throws {
        let member = try threePuts()
        let first = member.compact(4, isPhysical: true)
        let late = member.compact(2, isPhysical: true)
        let future = member.compact(9, isPhysical: true)
        #expect(future.failure == .futureRevision)
        member.advance(milliseconds: 20_000)
        #expect(first.answers.isEmpty && late.answers.isEmpty)
        member.finishCompactions()
        #expect(first.message == encoded { $0.appendResponseHeader(member.header(4)) })
        #expect(late.failure == .compacted)
        #expect(member.life.events.heard.contains("compacted 4"))
    }

    @Test("physically, is told when the member stops meanwhile")
    func stopped() throws {
        let member = try threePuts()
        let caller = member.compact(4, isPhysical: true)
        try member.crash()
        #expect(caller.failure == .stopped)
    }

    @Test("before a crash, has it finished after the next start")
    func resumes() throws {
        let member = try threePuts()
        _ = member.compact(4)
        member.runCommitter()
        try member.crash()
        #expect(member.range(Request.range("a", revision: 3)).failure == .compacted)
        #expect(!member.life.events.heard.contains("compacted 4"))
        member.finishCompactions()
        #expect(member.life.events.heard.contains("compacted 4"))
        #expect(member.compact(4, isPhysical: true).failure == .compacted)
    }

    @Test("a damaged member is refused; out of space, it is not")
    func alarms() throws {
        let member = try threePuts()
        let own = PlayedMember.identity.member
        _ = member.alarm(Request.alarm(.activate, .noSpace, of: own))
        #expect(member.compact(2).message != nil)
        _ = member.alarm(Request.alarm(.activate, .corrupt, of: own))
        #expect(member.compact(3).failure == .corrupt)
        #expect(member.compact(3, isPhysical: true).failure == .corrupt)
    }
}

extension PlayedMember {
    /// The disk does what deletions ask of it, until nothing is left to do.
    func finishCompactions() {
        for _ in 0..<20 { runCommitter() }
    }
}
