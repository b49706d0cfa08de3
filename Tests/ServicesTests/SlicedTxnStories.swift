import API
import Foundation
import Testing

@testable import Services
@testable import Storage

@Suite("A large read-only transaction is read in slices, and others go in between")
struct SlicedTxnStories {
    private let whole = Txn(
        Txn.If("k1000", value: .equal, "0"),
        then: [.get("k", to: "l"), .get("k1000"), .get("k19", to: "l", revision: 900)],
        else: [.get("z")])

    private func filled() throws -> PlayedMember {
        let member = try PlayedMember()
        for number in 0..<1000 { member.put("k\(1000 + number)", "\(number)") }
        return member
    }

    private func pins(_ member: PlayedMember) -> Revision? {
        member.life.core.turn { member.life.store.assumeIsolated { $0.pins.oldest } }
    }

    @Test("All its ranges show the state of its beginning, whatever is written between slices")
    func oneRevision() throws {
        let member = try filled()
        let expected = try member.answer(whole)
        #expect(expected.hasPrefix("yes@1001: get@1001 [k1000=0 2 2 1, k1001=1 3 3 1, "))
        member.life.core.holdsSlices = true
        let reader = member.txn(whole)
        #expect(reader.answers.isEmpty)
        var slices = 0
        while member.life.core.runSlice() {
            slices += 1
            #expect(member.put("k1000", "\(slices)").message != nil, "a put waits for no slice")
            _ = member.delete(Request.delete("k17", to: "k18"))
        }
        #expect(slices == 5, "1000 pairs, 400 a slice, then the other ranges")
        #expect(try Response.txn(#require(reader.message)) == expected)
        #expect(pins(member) == nil, "nothing is kept from compaction any more")
    }

    @Test("What it reads in the past is compacted meanwhile: it is read to the end")
    func compacted() throws {
        let member = try filled()
        let expected = try member.answer(whole)
        member.life.core.holdsSlices = true
        let reader = member.txn(whole)
        forgetBefore(Revision(1001), member)
        #expect(try member.answer(whole).hasSuffix("required revision has been compacted"))
        member.life.core.holdsSlices = false
        #expect(try Response.txn(#require(reader.message)) == expected)
    }

    @Test("Nobody waits for it any more: it is given up, with all that it would have read")
    func abandoned() throws {
        let member = try filled()
        member.life.core.holdsSlices = true
        let arenas = member.life.gate.arenas.count
        let reader = member.txn(whole)
        #expect(pins(member) == Revision(900))
        reader.isAbandoned = true
        member.life.core.runSlice()
        #expect(!member.life.core.runSlice())
        #expect(pins(member) == nil)
        #expect(member.life.gate.arenas.count == arenas)
    }

    @Test("Many small ranges are more than a slice together")
    func manyRanges() throws {
        let member = try filled()
        let many = Txn(then: (0..<100).map { .get("k\(1000 + $0)", to: "k\(1010 + $0)") })
        let expected = try member.answer(many)
        #expect(expected.components(separatedBy: "count 10").count == 101)
        member.life.core.holdsSlices = true
        let reader = member.txn(many)
        #expect(reader.answers.isEmpty)
        member.life.core.holdsSlices = false
        #expect(try Response.txn(#require(reader.message)) == expected)
    }
}
