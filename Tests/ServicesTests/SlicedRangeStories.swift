import API
import Testing

@testable import Services
@testable import Storage

@Suite("A large range is read in slices, and others go in between")
struct SlicedRangeStories {
    private static let keys = 1000

    /// Keys k1000 on with values of their number; `k1500` has revision 502.
    private func filled(_ keys: Int = keys) throws -> PlayedMember {
        let member = try PlayedMember()
        for number in 0..<keys { member.put("k\(1000 + number)", "\(number)") }
        return member
    }

    private func pins(_ member: PlayedMember) -> Revision? {
        member.life.core.turn { member.life.store.assumeIsolated { $0.pins.oldest } }
    }

    @Test("It shows one revision, whatever is written between slices")
    func oneRevision() throws {
        let member = try filled()
        let whole = try member.everything()
        member.life.core.holdsSlices = true
        let reader = member.range(Request.range("k", to: "l"))
        var slices = 1
        while member.life.core.runSlice() {
            slices += 1
            #expect(member.put("k1\(slices)", "new").message != nil, "a put waits for no slice")
            #expect(member.put("k1999", "changed").message != nil)
            _ = member.delete(Request.delete("k17", to: "k18"))
        }
        #expect(slices == 3, "1000 pairs, 400 a slice")
        #expect(try Response.range(#require(reader.message)) == whole)
        #expect(pins(member) == nil, "nothing is kept from compaction any more")
        #expect(try member.everything() != whole)
    }

    @Test("Its header is that of its beginning")
    func header() throws {
        let member = try filled()
        member.life.core.holdsSlices = true
        let reader = member.range(Request.range("k", to: "l"))
        member.put("new", "1")
        member.life.core.holdsSlices = false
        let arena = Arena()
        let response = try RangeResponse.decode(#require(reader.message), in: arena)
        #expect(Response.header(response.header).hasSuffix("revision 1001 term 2"))
    }

    @Test("Nobody waits for it any more: it is given up at the next slice")
    func abandoned() throws {
        let member = try filled()
        member.life.core.holdsSlices = true
        let arenas = member.life.gate.arenas.count
        let reader = member.range(Request.range("k", to: "l"))
        #expect(pins(member) == Revision(1001))
        reader.isAbandoned = true
        member.life.core.runSlice()
        #expect(!member.life.core.runSlice())
        #expect(pins(member) == nil)
        #expect(member.life.gate.arenas.count == arenas)
    }

    @Test("Its revision is compacted meanwhile: it is read to the end, others are refused")
    func compacted() throws {
        let member = try filled()
        member.put("k1000", "again")
        member.life.core.holdsSlices = true
        let reader = member.range(Request.range("k", to: "l", revision: 1001))
        forgetBefore(Revision(1002), member)
        #expect(member.range(Request.range("k1000", revision: 1001)).failure == .compacted)
        member.life.core.holdsSlices = false
        let text = try Response.range(#require(reader.message))
        #expect(text.hasPrefix("[k1000=0 2 2 1, ") && text.hasSuffix("] count 1000"))
    }

    @Test("Counting in the past looks at all keys, some in each slice")
    func counting() throws {
        let member = try filled(9000)
        member.put("z", "later")
        member.life.core.holdsSlices = true
        let counter = member.range(Request.range("\0", to: "\0", revision: 9001, countOnly: true))
        let limited = member.range(Request.range("\0", to: "\0", limit: 1, revision: 9001))
        let now = member.range(Request.range("\0", to: "\0", countOnly: true))
        #expect(now.message != nil, "now, the index knows")
        var slices = 0
        while member.life.core.runSlice() { slices += 1 }
        #expect(slices == 4)
        #expect(try Response.range(#require(counter.message)) == "[] count 9000")
        #expect(
            try Response.range(#require(limited.message)) == "[k1000=0 2 2 1] count 9000 more")
    }

    @Test("Sorted and filtered, too")
    func sorted() throws {
        let member = try filled(5000)
        member.life.core.holdsSlices = true
        let sorted = member.range(
            Request.range("k", to: "l", limit: 2, order: .descend, by: .mod))
        let filtered = member.range(
            Request.range("k", to: "l") + encoded { $0.appendField(10, int64: 5001) })
        var slices = 0
        while member.life.core.runSlice() {
            slices += 1
            _ = member.delete(Request.delete("k", to: "l"))
        }
        #expect(slices == 2)
        #expect(
            try Response.range(#require(sorted.message))
                == "[k5999=4999 5001 5001 1, k5998=4998 5000 5000 1] count 5000 more")
        #expect(
            try Response.range(#require(filtered.message)) == "[k5999=4999 5001 5001 1] count 5000"
        )
    }
}

/// As a compaction does first: from now on earlier revisions are refused to all who come.
func forgetBefore(_ revision: Revision, _ member: PlayedMember) {
    member.life.core.turn { member.life.store.assumeIsolated { $0.compacted = revision } }
}
