// Leadership handed over, members that come and go, snapshots: as the node plays them.

import API
import TestSupport
import Testing

@testable import Consensus

@Suite("Nodes that change places") struct RaftNodeLeadershipTests {
    private let executor = DeterministicExecutor()
    private let network: PlayedNetwork
    private let rigs: [Rig]

    init() throws {
        network = PlayedNetwork(executor)
        let network = network
        var options = RaftNodeOptions()
        options.raft.retainedEntries = 2
        rigs = try (1...3).map {
            try Rig(id: $0, .fresh(1, 2, 3), options: options, network: network)
        }
        for rig in rigs { rig.start() }
        executor.advance(byMilliseconds: 3000)
    }

    private var leader: Rig { rigs.first { $0.status.role == .leader && !isCut($0) }! }
    private var followers: [Rig] { rigs.filter { $0 !== leader } }
    private func isCut(_ rig: Rig) -> Bool { network.cut.contains(rig.node.id) }

    private final class Outcome: @unchecked Sendable {
        var text: String? {
            didSet { precondition(oldValue == nil, "told twice: \(oldValue!), \(text!)") }
        }
    }

    private func transfer(from rig: Rig, to target: MemberID) -> Outcome {
        let outcome = Outcome()
        rig.turn {
            $0.transferLeadership(to: target) { result in
                switch result {
                case .success: outcome.text = "done"
                case .failure(let failure): outcome.text = "\(failure)"
                }
            }
        }
        return outcome
    }

    // MARK: The first election

    @Test(
        "A start that reaches a quorum skips most of the first timeout",
        arguments: [true, false])
    func firstElection(advances: Bool) throws {
        let network = PlayedNetwork(DeterministicExecutor())
        var options = RaftNodeOptions()
        options.advancesElection = advances
        // One of the three is down.
        let rigs = try [1, 2].map {
            try Rig(id: $0, .fresh(1, 2, 3), options: options, network: network)
        }
        for rig in rigs { rig.start() }
        network.executor.advance(byMilliseconds: 990)
        #expect(rigs.contains { $0.status.role == .leader } == advances)
        network.executor.advance(byMilliseconds: 2000)
        #expect(rigs.contains { $0.status.role == .leader })
    }

    @Test("Where leases are kept it takes the whole timeout, and what chance adds to it")
    func firstElectionWithLeases() throws {
        let network = PlayedNetwork(DeterministicExecutor())
        var options = RaftNodeOptions()
        options.advancesElection = true
        options.raft.votePromise = VotePromise(milliseconds: 900)
        let rigs = try [1, 2, 3].map {
            try Rig(id: $0, .fresh(1, 2, 3), options: options, network: network)
        }
        for rig in rigs { rig.start() }
        // The tick in which all would campaign that have skipped most of the timeout.
        network.executor.advance(byMilliseconds: 1050)
        #expect(!rigs.contains { $0.status.role != .follower })
        network.executor.advance(byMilliseconds: 2000)
        #expect(rigs.contains { $0.status.role == .leader })
    }

    // MARK: Transfer

    @Test("The target leads within a few messages, and whoever asked is told")
    func transfers() {
        let old = leader
        let target = followers[1].node.id
        #expect(transfer(from: old, to: target).text == "done")
        #expect(leader.node.id == target)
        #expect(old.propose("a")[0].outcome == "forwarded")
        #expect(leader.machine.data.last == "a")
    }

    @Test("A leader goes away without a gap: it hands over to the one with most of the log")
    func handsOver() {
        let old = leader
        let (lagging, fresh) = (followers[0], followers[1])
        network.cut = [lagging.node.id]
        old.propose("a")
        network.cut = []
        let outcome = Outcome()
        old.turn { $0.handOver { outcome.text = (try? $0.get()) == nil ? "failed" : "done" } }
        #expect(outcome.text == "done")
        #expect(leader === fresh)
    }

    @Test("Proposals wait while leadership is handed over, also those of other members")
    func proposalsWait() {
        let old = leader
        let (target, other) = (followers[0], followers[1])
        target.disk.isHeld = true
        let outcome = transfer(from: old, to: target.node.id)
        let own = old.propose("own")[0]
        let forwarded = other.propose("forwarded")[0]
        #expect(own.outcome == nil)
        #expect(forwarded.outcome == "forwarded")
        executor.turn { target.disk.finish() }
        target.disk.isHeld = false
        executor.turn { target.disk.finish() }
        #expect(outcome.text == "done")
        #expect(own.outcome == "forwarded")
        #expect(Set(other.machine.data.suffix(2)) == ["own", "forwarded"])
    }

    @Test("If the target does not come to it, the leader takes on what waited")
    func aborted() {
        let old = leader
        let target = followers[0]
        network.cut = [target.node.id]
        let outcome = transfer(from: old, to: target.node.id)
        let waiting = old.propose("waits")[0]
        #expect(old.status.transferTarget == target.node.id)
        executor.advance(byMilliseconds: 900)
        #expect(waiting.outcome == nil)
        executor.advance(byMilliseconds: 200)
        #expect(outcome.text == "timedOut")
        #expect(waiting.outcome?.hasPrefix("applied") == true)
        #expect(
            old.lines.contains(
                "info: \(old.node.id.hex) failed to transfer leadership to "
                    + target.node.id.hex))
    }

    @Test("Who cannot be handed over to is said at once")
    func refused() {
        let old = leader
        let followers = followers
        #expect(transfer(from: old, to: MemberID(9)).text?.hasPrefix("notVoter") == true)
        #expect(transfer(from: old, to: old.node.id).text == "done")
        #expect(transfer(from: followers[0], to: old.node.id).text == "notLeader")
        network.cut = Set(followers.map(\.node.id))
        executor.advance(byMilliseconds: 4000)
        #expect(transfer(from: old, to: followers[0].node.id).text == "notLeader")
    }

    @Test("A transfer to one and then to another: the first has failed")
    func overtaken() {
        let old = leader
        let (first, second) = (followers[0], followers[1])
        network.cut = [first.node.id]
        let lost = transfer(from: old, to: first.node.id)
        let won = transfer(from: old, to: second.node.id)
        #expect(lost.text == "timedOut")
        #expect(won.text == "done")
    }

    @Test("Stopping answers whoever waits for a transfer")
    func stopped() {
        let old = leader
        network.cut = [followers[0].node.id]
        let outcome = transfer(from: old, to: followers[0].node.id)
        old.turn { $0.stop() }
        #expect(outcome.text == "stopped")
    }

    @Test("What counts in one term only is not taken on by who leads after a transfer")
    func transferredConditions() {
        let old = leader
        let (first, second) = (followers[0], followers[1])
        let term = old.status.term
        network.cut = [first.node.id]
        _ = transfer(from: old, to: first.node.id)
        let (client, other) = (Client(), Client())
        old.turn { node in
            _ = try? node.propose(Array("any".utf8), proposal: other)
            _ = try? node.propose(Array("this term".utf8), proposal: client, onlyIn: term)
        }
        #expect(client.outcome == nil)
        #expect(transfer(from: old, to: second.node.id).text == "done")
        network.cut = []
        executor.advance(byMilliseconds: 3000)
        #expect(client.outcome == "refused: noLeader")
        #expect(other.outcome == "forwarded")
        for rig in rigs { #expect(!rig.machine.data.contains("this term")) }
        for rig in rigs { #expect(rig.machine.data.contains("any")) }
    }

    @Test("Who was not running hears of the term that the same leader was elected in again")
    func electedAgain() {
        let old = leader
        let (sleeper, rival) = (followers[0], followers[1])
        network.cut = [sleeper.node.id]
        _ = transfer(from: old, to: rival.node.id)
        _ = transfer(from: rival, to: old.node.id)
        #expect(old.status.role == .leader)
        let term = old.status.term
        #expect(sleeper.status.leader == old.node.id)
        #expect(sleeper.status.term < term)
        network.cut = []
        old.propose("a")
        executor.advance(byMilliseconds: 100)
        #expect(sleeper.status.term == term)
        #expect(
            sleeper.observer.heard.last
                == "leader \(old.node.id.hex) at term \(term.rawValue)")
    }

    // MARK: Proposals of others

    @Test("What another member hands on while nobody leads waits for the next leader")
    func forwardedToNobody() {
        let old = leader
        let (one, other) = (followers[0], followers[1])
        network.cut = Set(rigs.map(\.node.id))
        executor.advance(byMilliseconds: 2500)
        network.cut = [old.node.id]
        executor.turn {
            // As if `other` had not noticed yet that it follows nobody.
            let message = Message(
                from: other.node.id, to: one.node.id, term: .zero,
                body: .proposal([ProposedEntry(data: Array("late".utf8))]))
            one.node.assumeIsolated { $0.receive([message]) }
        }
        executor.advance(byMilliseconds: 4000)
        #expect(other.machine.data.contains("late"))
    }

    // MARK: Members

    private func change(
        _ rig: Rig, _ kind: ConfChangeKind, _ member: UInt64
    ) -> Client {
        let client = Client()
        rig.turn { node in
            do throws(ProposalRefusal) {
                try node.proposeConfChange(
                    ConfChange(kind: kind, node: MemberID(member)), proposal: client)
            } catch {
                client.outcome = "refused at once: \(error)"
            }
        }
        return client
    }

    @Test("A learner joins, catches up by what the leader sees, and is promoted when asked")
    func joins() throws {
        #expect(change(leader, .addLearner, 4).outcome?.hasPrefix("applied") == true)
        var options = RaftNodeOptions()
        options.raft.retainedEntries = 2
        let joining = try Rig(id: 4, RestoredState(), options: options, network: network)
        joining.start()
        executor.advance(byMilliseconds: 200)
        // Its log begins behind what the leader has kept.
        #expect(leader.snapshotter.heard.count == 1)
        #expect(leader.snapshotter.heard[0].hasPrefix("send to 4 from "))
        let progress = executor.turn { leader.node.assumeIsolated { $0.peerProgress } }
        #expect(progress.map(\.member.rawValue).contains(4))
        #expect(progress.last?.isLearner == true)
        #expect(progress.last?.state == .snapshotting)

        let state = leader.status
        let mark = SnapshotMark(
            position: LogPosition(index: state.applied, term: state.term),
            confState: state.confState)
        carry(mark, from: leader, to: joining)
        #expect(joining.snapshotter.heard == ["install \(mark.position.text)"])
        #expect(joining.disk.writes.contains { $0.snapshot == mark && $0.mustSync })
        #expect(joining.status.applied == .zero)
        joining.turn { $0.installed(mark) }
        leader.turn { $0.snapshotSent(to: MemberID(4)) }
        leader.propose("after")
        executor.advance(byMilliseconds: 200)
        #expect(joining.machine.data == ["after"])
        #expect(joining.status.isLearner)
        #expect(joining.status.confState.learners == [MemberID(4)])

        #expect(change(leader, .addNode, 4).outcome?.hasPrefix("applied") == true)
        executor.advance(byMilliseconds: 200)
        #expect(!joining.status.isLearner)
        #expect(joining.status.confState.voters.count == 4)
    }

    private func carry(_ mark: SnapshotMark, from: Rig, to: Rig) {
        let (sender, receiver) = (from.node, to.node.id)
        let message = executor.turn {
            sender.assumeIsolated { $0.beginSnapshot(to: receiver, mark) }
        }
        #expect(message != nil)
        guard let message else { return }
        to.turn { $0.receive([message]) }
    }

    @Test("A second change is refused while one is under way")
    func oneAtATime() {
        let old = leader
        network.cut = Set(followers.map(\.node.id))
        #expect(change(old, .addNode, 7).outcome == nil)
        #expect(change(old, .addNode, 8).outcome == "refused: configurationChangePending")
    }

    @Test("A removed leader steps down and another leads at once")
    func removedLeader() {
        let old = leader
        _ = change(old, .removeNode, old.node.id.rawValue)
        #expect(old.status.role == .follower)
        #expect(leader !== old)
        #expect(leader.status.confState.voters.count == 2)
    }

    // MARK: Snapshots

    @Test("A proposal that a snapshot may contain has no outcome that anyone knows")
    func unknownOutcome() {
        let old = leader
        network.cut = [old.node.id]
        let proposal = old.propose("lost?")[0]
        executor.advance(byMilliseconds: 4000)
        for text in ["a", "b", "c", "d", "e"] { leader.propose(text) }
        network.cut = []
        executor.advance(byMilliseconds: 300)
        #expect(leader.snapshotter.heard.contains { $0.hasPrefix("send to \(old.node.id.hex)") })
        let state = leader.status
        let mark = SnapshotMark(
            position: LogPosition(index: state.applied, term: state.term),
            confState: state.confState)
        carry(mark, from: leader, to: old)
        #expect(proposal.outcome == "unknown")
        old.turn { $0.installed(mark) }
        #expect(old.status.applied == mark.index)
    }

    @Test("A snapshot that is not needed is dropped; whoever asks before it is sent is told so")
    func unneeded() {
        let follower = followers[0]
        leader.propose("a")
        let state = leader.status
        let position = LogPosition(index: state.applied, term: state.term)
        let needs = executor.turn {
            follower.node.assumeIsolated { $0.needsSnapshot(at: position) }
        }
        #expect(!needs)
        carry(
            SnapshotMark(position: position, confState: state.confState), from: leader,
            to: follower)
        #expect(follower.snapshotter.heard == ["discard \(position.text)"])
    }

    @Test("Only a leader begins a snapshot")
    func notLeading() {
        let follower = followers[0]
        let state = follower.status
        let mark = SnapshotMark(
            position: LogPosition(index: state.applied, term: state.term),
            confState: state.confState)
        let message = executor.turn {
            follower.node.assumeIsolated { $0.beginSnapshot(to: MemberID(9), mark) }
        }
        #expect(message == nil)
    }

    @Test("The log is shortened when asked, as far as it is applied")
    func compacts() {
        leader.propose("a", "b", "c")
        let node = leader.node
        let applied = leader.status.applied
        leader.turn { $0.compact(through: applied + 100) }
        let compacted = executor.turn { node.assumeIsolated { $0.core.log.compacted.index } }
        #expect(compacted == applied)
    }
}
