// Quorum arithmetic against a twin that is too dumb to be wrong.

import API
import TestSupport
import Testing

@testable import Consensus

@Suite("Quorums") struct QuorumTests {
    private let everyone = (1...7).map { MemberID(UInt64($0)) }

    @Test("The fast arithmetic agrees with counting by hand")
    func race() {
        var random = SplitMix64(seed: 1)
        for _ in 0..<20_000 {
            let incoming = everyone.filter { _ in Bool.random(using: &random) }
            let outgoing =
                Bool.random(using: &random)
                ? [] : everyone.filter { _ in Bool.random(using: &random) }
            let quorum = JointQuorum(
                incoming: incoming.shuffled(using: &random), outgoing: outgoing)
            var reached: [MemberID: UInt64] = [:]
            var ballots: [MemberID: Bool] = [:]
            for member in everyone {
                reached[member] = .random(in: 0...5, using: &random)
                if Bool.random(using: &random) { ballots[member] = Bool.random(using: &random) }
            }
            #expect(
                quorum.highestReached { reached[$0] ?? 0 }
                    == min(slowest(incoming, reached), slowest(outgoing, reached)))
            #expect(quorum.result { ballots[$0] } == tally([incoming, outgoing], ballots))
        }
    }

    /// Tries every number from the top.
    private func slowest(_ voters: [MemberID], _ reached: [MemberID: UInt64]) -> UInt64 {
        if voters.isEmpty { return .max }
        return (0...5).reversed().first { number in
            2 * voters.count { reached[$0] ?? 0 >= number } > voters.count
        } ?? 0
    }

    /// Tries every way in which those who have not voted yet could vote.
    private func tally(_ sets: [[MemberID]], _ ballots: [MemberID: Bool]) -> VoteResult {
        func wins(_ rest: Bool) -> Bool {
            sets.allSatisfy { voters in
                voters.isEmpty || 2 * voters.count { ballots[$0] ?? rest } > voters.count
            }
        }
        if wins(false) { return .won }
        return wins(true) ? .pending : .lost
    }

    @Test("An even number of voters needs more than half")
    func even() {
        let quorum = MajorityQuorum(everyone.prefix(4))
        #expect(quorum.needed == 3)
        #expect(quorum.result { $0.rawValue <= 2 ? true : nil } == .pending)
        #expect(quorum.result { $0.rawValue <= 3 ? true : nil } == .won)
        #expect(quorum.result { $0.rawValue <= 2 ? false : nil } == .lost)
    }

    @Test("A joint quorum needs both majorities")
    func joint() {
        let quorum = JointQuorum(incoming: everyone.prefix(3), outgoing: everyone.suffix(3))
        #expect(quorum.highestReached { $0.rawValue <= 3 ? 9 : 1 } == 1)
        #expect(quorum.result { $0.rawValue <= 3 ? true : nil } == .pending)
        #expect(quorum.result { $0.rawValue >= 6 ? false : true } == .lost)
        #expect(quorum.contains(everyone[6]))
        #expect(!quorum.isOnly(everyone[0]))
    }
}
