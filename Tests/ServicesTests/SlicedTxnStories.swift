import API
import Foundation
import Testing

@testable import Services
@testable import Storage

@Suite("What a transaction reads is read in slices if it is large, and others go in between")
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

    // MARK: Those that write

    /// Before all writes, in the past, after all writes.
    private let writing = Txn(
        then: [
            .get("k", to: "l"), .put("k1000", "new"), .get("k", to: "l", revision: 501),
            .delete("k1001"), .get("k", to: "l"), .get("k1000"),
        ])

    @Test("A transaction writes at once, and reads what it would have seen in slices")
    func writes() throws {
        let member = try filled()
        member.life.core.holdsSlices = true
        let writer = member.txn(writing)
        #expect(writer.answers.isEmpty)
        #expect(
            try member.answer(Txn(then: [.get("k1000")]))
                == "yes@1002: get@1002 [k1000=new 2 1002 2] count 1")
        var slices = 0
        while member.life.core.runSlice() {
            slices += 1
            #expect(member.put("k1002", "\(slices)").message != nil, "a put waits for no slice")
        }
        #expect(slices > 5)
        let answer = try Response.txn(#require(writer.message))
        let pairs = (1000..<2000).map { "k\($0)=\($0 - 1000) \($0 - 998) \($0 - 998) 1" }
        let after = ["k1000=new 2 1002 2"] + pairs[2...]
        #expect(
            answer
                == [
                    "yes@1002: get@1001 [\(pairs.joined(separator: ", "))] count 1000", "put@1002",
                    "get@1002 [\(pairs[..<500].joined(separator: ", "))] count 500",
                    "delete@1002 1",
                    "get@1002 [\(after.joined(separator: ", "))] count 999",
                    "get@1002 [k1000=new 2 1002 2] count 1",
                ].joined(separator: "; "))
        #expect(pins(member) == nil)
    }

    @Test("What stands between two writes is read while they are applied")
    func between() throws {
        let member = try filled()
        member.life.core.holdsSlices = true
        let writer = member.txn(
            Txn(then: [.put("k1000", "1"), .get("k", to: "l"), .put("k1001", "2")]))
        let answer = try Response.txn(#require(writer.message))
        #expect(answer.contains("[k1000=1 2 1002 2, k1001=1 3 3 1, k1002=2 4 4 1, "))
        let nested = member.txn(
            Txn(then: [.txn(then: [.get("k", to: "l"), .put("k1000", "3")]), .get("k", to: "l")]))
        #expect(
            nested.message != nil, "and so is what stands in nested transactions, or behind one")
    }

    @Test("Its caller is gone: what it reads is given up, what it wrote stays")
    func writerGone() throws {
        let member = try filled()
        member.life.core.holdsSlices = true
        let arenas = member.life.gate.arenas.count
        let writer = member.txn(writing)
        writer.isAbandoned = true
        member.life.core.runSlice()
        #expect(!member.life.core.runSlice())
        #expect(writer.failure == .requestTimeout, "no refusal: it has written")
        #expect(pins(member) == nil)
        #expect(member.life.gate.arenas.count == arenas)
        #expect(try member.answer(Txn(then: [.get("k1001")])) == "yes@1002: get@1002 [] count 0")
    }
}
