import API
import Consensus
import Testing

@testable import Node

@Suite("A member that goes on without the others")
struct ForcedClusterTests {
    private let own = MemberID(1)

    /// Entries 11 to `last` of term 3, of which those through `commit` are committed and those
    /// through 12 applied.
    private func state(
        _ confState: ConfState, through last: Int, commit: UInt64,
        changes: [Int: ConfChange] = [:]
    ) -> RestoredState {
        let entries = (11...last).map { index in
            guard let change = changes[index] else {
                return Entry(term: Term(3), index: LogIndex(UInt64(index)), data: [1])
            }
            var bytes = ByteBuffer()
            change.encode(into: &bytes)
            return Entry(
                term: Term(3), index: LogIndex(UInt64(index)), kind: .configurationChange,
                data: bytes.array)
        }
        return RestoredState(
            hardState: HardState(term: Term(4), vote: MemberID(2), commit: LogIndex(commit)),
            confState: confState,
            compacted: LogPosition(index: LogIndex(10), term: Term(3)), entries: entries,
            applied: LogIndex(12))
    }

    private func changes(_ forced: ForcedCluster) throws -> [ConfChange] {
        try forced.added.map { entry in
            try entry.data.withUnsafeBytes { try ConfChange(decoding: $0) }
        }
    }

    @Test("It removes them all, behind all that may have been acknowledged, and commits both")
    func removal() throws {
        let before = state(
            ConfState(voters: [1, 2, 3].map(MemberID.init), learners: [MemberID(4)]),
            through: 16, commit: 14)
        let forced = try ForcedCluster(of: own, from: before)
        #expect(forced.removed == [2, 3, 4].map(MemberID.init))
        #expect(forced.discarded == 0)
        #expect(forced.added.map(\.index.rawValue) == [17, 18, 19])
        #expect(forced.added.allSatisfy { $0.term == Term(4) })
        #expect(try changes(forced).map(\.kind) == [.removeNode, .removeNode, .removeNode])
        #expect(forced.state.entries.map(\.index.rawValue) == Array(11...19))
        #expect(forced.state.hardState.commit == LogIndex(19))
        #expect(forced.state.applied == LogIndex(12), "the rest is applied by the start")
    }

    @Test("Changes that are committed and not applied count; those that are lost do not")
    func pending() throws {
        let before = state(
            ConfState(voters: [1, 2].map(MemberID.init)), through: 15, commit: 14,
            changes: [
                12: ConfChange(kind: .addNode, node: MemberID(7)),
                13: ConfChange(kind: .addNode, node: MemberID(5)),
                14: ConfChange(kind: .removeNode, node: MemberID(2)),
                15: ConfChange(kind: .addNode, node: MemberID(6)),
            ])
        let forced = try ForcedCluster(of: own, from: before)
        #expect(forced.removed == [MemberID(5)])
        #expect(forced.discarded == 1)
        #expect(forced.added.map(\.index.rawValue) == [15], "in the place of what is lost")
    }

    @Test("A learner becomes a voter before the voters go")
    func learner() throws {
        let before = state(
            ConfState(voters: [2, 3].map(MemberID.init), learners: [own]), through: 12, commit: 12)
        let forced = try ForcedCluster(of: own, from: before)
        #expect(try changes(forced).map(\.kind) == [.addNode, .removeNode, .removeNode])
        #expect(try changes(forced).first?.node == own)
    }

    @Test("Who is alone already has all of its log, and nothing is added")
    func alone() throws {
        let before = state(ConfState(voters: [own]), through: 13, commit: 12)
        let forced = try ForcedCluster(of: own, from: before)
        #expect(forced.added.isEmpty && forced.discarded == 0)
        #expect(forced.state.entries == before.entries)
        #expect(forced.state.hardState.commit == LogIndex(13))
    }

    @Test("Who was removed stays so")
    func removed() {
        let before = state(ConfState(voters: [MemberID(2)]), through: 12, commit: 12)
        #expect(throws: RecoveryError.self) { try ForcedCluster(of: own, from: before) }
    }
}
