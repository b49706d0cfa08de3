import API
import Testing

@testable import Services
@testable import Storage

@Suite("Answers to large ranges share a bound of memory")
struct LargeAnswerStories {
    /// 6 MB; a slice is of three pairs.
    private func filled(_ bounds: LargeAnswers.Bounds) throws -> PlayedMember {
        let member = try PlayedMember()
        let value = String(repeating: "v", count: 100_000)
        for number in 0..<60 { member.put("k\(1000 + number)", value) }
        member.life.core.turn {
            member.life.applier.assumeIsolated { $0.largeAnswers.bounds = bounds }
        }
        return member
    }

    private func memory(_ member: PlayedMember) -> Int {
        member.life.core.turn { member.life.applier.assumeIsolated { $0.largeAnswers.meter.bytes } }
    }

    @Test("Beyond it the first goes on, the others wait for their turn; all are answered alike")
    func oneAfterTheOther() throws {
        let member = try filled(LargeAnswers.Bounds(shared: 1 << 20))
        let whole = try #require(member.range(Request.range("k", to: "l")).message)
        member.life.core.holdsSlices = true
        let readers = (0..<10).map { _ in member.range(Request.range("k", to: "l")) }
        var most = 0
        while member.life.core.runSlice() { most = max(most, memory(member)) }
        #expect(!readers.contains { $0.message != whole })
        #expect(most > whole.count, "they grew side by side at first")
        // The first, what they share, and each has one block under way.
        let bound = whole.count * 5 / 4 + (1 << 20) + 10 << 20
        #expect(most < bound, "ten answers of \(whole.count) bytes took \(most)")
        #expect(memory(member) == 0)
        #expect(member.answered.suffix(10) == member.answered.suffix(10).sorted(), "in order")
    }

    @Test("While they wait, small requests are answered")
    func smallOnesGoOn() throws {
        let member = try filled(LargeAnswers.Bounds(shared: 0))
        member.life.core.holdsSlices = true
        let readers = (0..<3).map { _ in member.range(Request.range("k", to: "l")) }
        member.life.core.runSlice()
        #expect(member.range(Request.range("k1000")).message != nil)
        #expect(!readers.contains { !$0.answers.isEmpty })
        member.life.core.holdsSlices = false
        #expect(!readers.contains { $0.message == nil })
    }

    @Test("Too many wait, or too much was not taken: further ones are refused")
    func refused() throws {
        let member = try filled(LargeAnswers.Bounds(shared: 0, count: 2))
        member.life.core.holdsSlices = true
        let readers = (0..<3).map { _ in member.range(Request.range("k", to: "l")) }
        #expect(readers[2].failure == .tooManyRequests)
        #expect(
            try member.answer(Txn(then: [.get("k", to: "l")]))
                == "etcdserver: too many requests")
        #expect(
            try member.answer(Txn(then: [.put("new", "1"), .get("k", to: "l")]))
                == "etcdserver: too many requests")
        #expect(
            try member.answer(Txn(then: [.put("other", "1"), .get("other")]))
                == "yes@62: put@62; get@62 [other=1 62 62 1] count 1", "small ones go on")
        member.life.core.holdsSlices = false
        #expect(readers[0].message != nil && readers[1].message != nil)
        #expect(
            try member.answer(Txn(.init("new", .mod, .equal, 0), then: [.get("k1000x")]))
                == "yes@62: get@62 [] count 0", "nothing was written")
        member.life.core.turn {
            member.life.applier.assumeIsolated {
                $0.largeAnswers.bounds = LargeAnswers.Bounds(unsent: 0)
            }
        }
        #expect(member.range(Request.range("k", to: "l")).failure == .tooManyRequests)
        #expect(member.range(Request.range("k1000")).message != nil)
    }
}
