import API
import TestSupport
import Testing

@testable import Consensus

@Suite("Nodes together") struct RaftNodeClusterTests {
    private let executor = DeterministicExecutor()
    private let network: PlayedNetwork
    private let rigs: [Rig]

    init() throws {
        network = PlayedNetwork(executor)
        let network = network
        rigs = try (1...3).map { try Rig(id: $0, .fresh(1, 2, 3), network: network) }
        for rig in rigs { rig.start() }
        executor.advance(byMilliseconds: 3000)
    }

    private var leader: Rig { rigs.first { $0.status.role == .leader && !isCut($0) }! }
    private var followers: [Rig] { rigs.filter { $0 !== leader } }
    private func isCut(_ rig: Rig) -> Bool { network.cut.contains(rig.node.id) }

    @Test("One leads, and all apply the same")
    func agree() {
        #expect(rigs.count { $0.status.role == .leader } == 1)
        #expect(leader.propose("a", "b").map(\.outcome) == ["applied at 5", "applied at 6"])
        for rig in rigs { #expect(rig.machine.data == ["add 1", "add 2", "add 3", "a", "b"]) }
    }

    @Test("A follower hands a proposal on, and is told that it comes back without its reference")
    func forwards() {
        let client = followers[0].propose("a")[0]
        #expect(client.outcome == "forwarded")
        #expect(followers[0].machine.data.last == "a")
    }

    @Test("A follower's read waits for the leader's word and its own applying")
    func followerReads() {
        #expect(followers[0].read(2).map(\.outcome) == ["ready", "ready"])
    }

    @Test("A lost read round is asked again after half a second")
    func readIsRetried() {
        let follower = followers[0]
        network.cut = [follower.node.id]
        let read = follower.read()[0]
        network.cut = []
        #expect(read.outcome == nil)
        executor.advance(byMilliseconds: 400)
        #expect(read.outcome == nil)
        executor.advance(byMilliseconds: 200)
        #expect(read.outcome == "ready")
    }

    @Test("Without a leader reads and proposals wait as long as a request may take, 7 s")
    func nobodyLeads() {
        let follower = followers[0]
        network.cut = Set((1...3).map { MemberID($0) })
        executor.advance(byMilliseconds: 2500)
        let read = follower.read()[0]
        let proposal = follower.propose("a")[0]
        executor.advance(byMilliseconds: 6900)
        #expect(read.outcome == nil)
        #expect(proposal.outcome == nil)
        executor.advance(byMilliseconds: 300)
        #expect(read.outcome == "failed: timedOut")
        #expect(proposal.outcome == "refused: noLeader")
    }

    @Test("A proposal made while there is no leader goes to the next one")
    func nextLeader() {
        let old = leader
        let follower = followers[0]
        network.cut = Set((1...3).map { MemberID($0) })
        executor.advance(byMilliseconds: 2500)
        #expect(follower.status.leader == .none)
        let client = follower.propose("waits")[0]
        #expect(client.outcome == nil)
        network.cut = [old.node.id]
        executor.advance(byMilliseconds: 3000)
        #expect(client.outcome == "forwarded" || client.outcome?.hasPrefix("applied") == true)
        #expect(follower.machine.data.last == "waits")
    }

    @Test("A deposed leader's reads fail, its proposals wait for the verdict and are overwritten")
    func deposed() {
        let old = leader
        network.cut = [old.node.id]
        let lost = old.propose("lost")[0]
        let read = old.read()[0]
        executor.advance(byMilliseconds: 4000)
        #expect(old.status.role != .leader)
        #expect(lost.outcome == nil)
        #expect(read.outcome == nil)
        #expect(leader !== old)
        leader.propose("kept")
        network.cut = []
        executor.advance(byMilliseconds: 1000)
        #expect(lost.outcome == "overwritten")
        #expect(read.outcome == "failed: leaderChanged")
        #expect(old.machine.data.last == "kept")
    }

    @Test("A leader whose disk fails makes way")
    func leadersDiskFails() {
        let old = leader
        old.disk.failure = EntryStoreFailure(.noSpace, "full")
        let lost = old.propose("a")[0]
        #expect(lost.outcome == "storage failed: full")
        executor.advance(byMilliseconds: 4000)
        #expect(leader !== old)
        #expect(leader.propose("b")[0].outcome?.hasPrefix("applied") == true)
        #expect(old.status.role == .follower)
    }

    @Test("The log names leaders as they come and go")
    func logLines() {
        let id = leader.node.id.hex
        let lines = followers[0].lines
        #expect(lines.contains { $0.hasSuffix("elected leader \(id) at term 2") })
    }
}
