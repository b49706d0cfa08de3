import API
import Consensus
import Testing

@testable import Services

@Suite("When the store's disk is slower than the log's, applying waits for it")
struct SaturationStories {
    /// A member whose store takes about three values of 1000 bytes beyond a commit under way.
    private func small(applyAtOnce: Int = 1024) throws -> PlayedMember {
        let member = try PlayedMember {
            $0.batchBytes = 1000
            $0.saturationBytes = 3000
            $0.options.raft.maxApplyCount = applyAtOnce
        }
        member.commit()
        return member
    }

    private let value = String(repeating: "x", count: 1000)

    /// Puts in one turn, which come to be applied as one batch.
    private func put(_ count: Int, _ member: PlayedMember) -> [Caller] {
        let callers = (0..<count).map { _ in Caller() }
        let life = member.life
        life.core.turn {
            for (number, caller) in callers.enumerated() {
                let request = Request.put("\(number)", value)
                request.withUnsafeBytes { life.kv.put($0, caller) }
            }
        }
        return callers
    }

    private func revisions(_ callers: [Caller]) throws -> [Int64] {
        let arena = Arena()
        return try callers.compactMap(\.message).map { bytes in
            try PutResponse.decode(bytes, in: arena).header?.revision.rawValue ?? 0
        }
    }

    @Test(
        "The rest of a batch is applied as the store's commits make room: nothing lost, in order",
        arguments: [2, 3, 1024])
    func resumes(_ applyAtOnce: Int) throws {
        let member = try small(applyAtOnce: applyAtOnce)
        let callers = put(20, member)
        let answered = callers.prefix { !$0.answers.isEmpty }.count
        #expect(answered > 0 && answered < 20)
        #expect(callers.dropFirst(answered).allSatisfy { $0.answers.isEmpty })
        #expect(member.nextIndex.previous.distance(from: LogIndex(4)) == answered)

        var rounds = 0
        while callers.contains(where: { $0.answers.isEmpty }), rounds < 40 {
            member.runCommitter()
            rounds += 1
        }
        #expect(rounds > 2, "it waited more than once")
        #expect(try revisions(callers) == Array(2...21))
        #expect(callers.allSatisfy { $0.answers.count == 1 })
        #expect(member.nextIndex == LogIndex(25))
    }

    @Test(
        "Reads go on meanwhile: serializable ones at once, linearizable ones when it is their turn")
    func reads() throws {
        let member = try small()
        let callers = put(20, member)
        let serializable = member.range(
            Request.range("0", to: "\0", isSerializable: true, countOnly: true))
        let answered = callers.prefix { !$0.answers.isEmpty }.count
        #expect(try Response.range(#require(serializable.message)) == "[] count \(answered)")
        let linearizable = member.range(Request.range("0", to: "\0", countOnly: true))
        #expect(linearizable.answers.isEmpty)
        for _ in 0..<40 where linearizable.answers.isEmpty { member.runCommitter() }
        #expect(try Response.range(#require(linearizable.message)) == "[] count 20")
    }

    @Test("A crash while applying waits loses nothing")
    func crash() throws {
        let member = try small()
        _ = put(20, member)
        member.runCommitter()
        try member.crash()
        for _ in 0..<40 { member.runCommitter() }
        let all = member.range(Request.range("0", to: "\0", isSerializable: true, countOnly: true))
        #expect(try Response.range(#require(all.message)) == "[] count 20")
        let next = member.put("z", "1")
        member.commit()
        #expect(try revisions([next]) == [22])
    }

    @Test("Callers whose turn does not come in time are told; the writes come to pass")
    func expiry() throws {
        let member = try small()
        let callers = put(20, member)
        let waiting = callers.drop { !$0.answers.isEmpty }
        member.advance(milliseconds: 7600)
        #expect(waiting.allSatisfy { $0.failure == .requestTimeout })
        for _ in 0..<40 { member.runCommitter() }
        #expect(waiting.allSatisfy { $0.answers.count == 1 })
        let all = member.range(Request.range("0", to: "\0", isSerializable: true, countOnly: true))
        #expect(try Response.range(#require(all.message)) == "[] count 20")
    }
}
