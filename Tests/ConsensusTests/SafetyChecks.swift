// Raft's promises (Raft paper, figure 3), checked from outside after every step of any member.
//
// The checker sees all members and all disks at once, which no member can. It keeps its own
// record of what was committed and compares everything with that.

import API

@testable import Consensus

struct SafetyChecks {
    private struct Committed {
        let entry: Entry
        /// The term of the member that was first seen to take it for committed.
        let inTerm: Term
    }

    /// What any member ever took for committed; the first is entry 1.
    private var committed: [Committed] = []
    private var leaders: [Term: MemberID] = [:]
    private var checkedCommit: [MemberID: LogIndex] = [:]
    private var checkedTerm: [MemberID: Term] = [:]
    private var readFloors: [ReadContext: LogIndex] = [:]
    private(set) var readsAnswered = 0
    /// Off where a story begins with disks that nobody committed anything on.
    var checksDurability = true

    var commitCount: Int { committed.count }
    var leaderCount: Int { leaders.count }

    mutating func forget(_ id: MemberID) {
        checkedCommit[id] = nil
        checkedTerm[id] = nil
    }

    mutating func check(_ id: MemberID, in cluster: SimulatedCluster) {
        guard let core = cluster[id].core else { return }
        core.checkAllInvariants()
        precondition(core.term >= checkedTerm[id] ?? .zero, "the term of \(id.hex) fell")
        checkedTerm[id] = core.term
        if core.role == .leader { checkElection(core) }
        checkCommit(core, cluster)
    }

    /// Election safety: at most one leader in a term. Leader completeness: it has everything that
    /// was committed in the terms before.
    private mutating func checkElection(_ core: RaftCore) {
        if let other = leaders[core.term] {
            precondition(
                other == core.id, "\(other.hex) and \(core.id.hex) lead term \(core.term.rawValue)")
            return
        }
        leaders[core.term] = core.id
        for old in committed where old.inTerm < core.term { checkHas(core, old.entry) }
    }

    private func checkHas(_ core: RaftCore, _ entry: Entry) {
        guard entry.index > core.log.compacted.index else { return }
        precondition(
            core.log.term(at: entry.index) == entry.term,
            "\(core.id.hex) leads term \(core.term.rawValue) without \(entry.text)")
    }

    /// State machine safety, and that what is committed is durable at a majority.
    private mutating func checkCommit(_ core: RaftCore, _ cluster: SimulatedCluster) {
        let checked = checkedCommit[core.id] ?? core.log.compacted.index
        guard core.committed > checked else { return }
        let from = max(checked, core.log.compacted.index)
        for entry in core.log.slice(after: from, through: core.committed) {
            let place = Int(entry.index.rawValue) - 1
            if place < committed.count {
                precondition(
                    committed[place].entry == entry,
                    "\(core.id.hex) commits \(entry.text), not \(committed[place].entry.text)")
            } else {
                precondition(place == committed.count, "a gap before \(entry.text)")
                committed.append(Committed(entry: entry, inTerm: core.term))
                checkNew(entry, by: core, cluster)
            }
        }
        checkedCommit[core.id] = core.committed
    }

    private func checkNew(_ entry: Entry, by core: RaftCore, _ cluster: SimulatedCluster) {
        for other in cluster.members {
            guard let other = other.core, other.role == .leader, other.term > core.term else {
                continue
            }
            checkHas(other, entry)
        }
        guard checksDurability else { return }
        // Only the leader's configuration counts: a follower may not have applied it yet.
        precondition(core.role == .leader, "\(core.id.hex) commits before its leader")
        let result = core.membership.quorum.result { cluster[$0].disk.has(entry) }
        precondition(result == .won, "\(core.id.hex) commits \(entry.text), which can be lost")
    }

    /// A snapshot is of a state that was committed.
    func installed(_ mark: SnapshotMark, by id: MemberID) {
        let place = Int(mark.index.rawValue) - 1
        precondition(
            place < committed.count && committed[place].entry.term == mark.position.term,
            "\(id.hex) takes on \(mark.position.text), which was not committed")
    }

    /// What is applied is what was committed there; `checkCommit` saw it before.
    func applied(_ entry: Entry, by id: MemberID) {
        let place = Int(entry.index.rawValue) - 1
        precondition(
            place < committed.count && committed[place].entry == entry,
            "\(id.hex) applies \(entry.text), which was not committed")
    }

    mutating func readBegins(_ context: ReadContext) {
        readFloors[context] = LogIndex(UInt64(committed.count))
    }

    /// A linearizable read sees everything that was committed anywhere when it began.
    mutating func readIsAnswered(_ read: ReadState) {
        guard let floor = readFloors[read.context] else {
            preconditionFailure("an answer to a read nobody asked for")
        }
        readsAnswered += 1
        precondition(
            read.index >= floor,
            "a stale read: at \(read.index.rawValue), committed was \(floor.rawValue)")
    }

    /// Log matching: two logs with the same term at an index are the same up to there.
    static func checkLogMatching(_ cluster: SimulatedCluster) {
        let cores = cluster.members.compactMap(\.core)
        for (number, one) in cores.enumerated() {
            for other in cores[(number + 1)...] {
                var index = min(one.last, other.last)
                let floor = max(one.log.compacted.index, other.log.compacted.index)
                var mustMatch = false
                while index > floor {
                    let same = one.log.term(at: index) == other.log.term(at: index)
                    precondition(
                        same || !mustMatch,
                        "\(one.id.hex) and \(other.id.hex) differ before \(index.rawValue)")
                    mustMatch = mustMatch || same
                    index = index.previous
                }
            }
        }
    }
}
