import API
import TestSupport
import Testing

@testable import Consensus

@Suite("A node alone") struct RaftNodeTests {
    private func started() throws -> Rig {
        let rig = try Rig(.fresh(1))
        rig.start()
        return rig
    }

    @Test("It leads as soon as its disk allows, without waiting for a timeout")
    func readyAtOnce() throws {
        let rig = try started()
        #expect(rig.status.role == .leader)
        // The member's own entry at 1 is there already, the leader's empty one follows.
        #expect(rig.status.applied == LogIndex(2))
        #expect(rig.status.term == Term(2))
        #expect(rig.machine.batches.joined().map(\.entry.kind) == [.configurationChange, .normal])
        #expect(rig.observer.heard == ["leader 1 at term 2"])
        #expect(
            rig.lines == [
                "info: newRaft 1 [peers: [1], term: 1, commit: 1, applied: 0, lastindex: 1, "
                    + "lastterm: 1]",
                "info: 1 became follower at term 1",
                "info: 1 is starting a new election at term 1",
                "info: 1 became pre-candidate at term 1",
                "info: 1 became candidate at term 2",
                "info: 1 became leader at term 2",
                "info: raft.node: 1 elected leader 1 at term 2",
            ])
    }

    @Test("Of two configuration changes in a log the first is committed, whatever the disk says")
    func impliedCommit() throws {
        let changes = (1...4).map { index in
            Entry(
                term: Term(1), index: LogIndex(index),
                kind: index % 2 == 0 ? .configurationChange : .normal)
        }
        var state = RestoredState(
            hardState: HardState(term: Term(1)), confState: ConfState(voters: [MemberID(1)]),
            entries: changes)
        #expect(try RaftCore(id: MemberID(1), restoring: state).committed == LogIndex(2))
        state.hardState.commit = LogIndex(3)
        #expect(try RaftCore(id: MemberID(1), restoring: state).committed == LogIndex(3))
    }

    @Test("Nothing of a new cluster is applied before it is on disk")
    func bootstrapIsWritten() throws {
        let disk = PlayedDisk()
        disk.isHeld = true
        let rig = try Rig(.fresh(1), disk: disk)
        rig.start()
        #expect(rig.machine.batches.isEmpty)
        #expect(disk.writes.map(\.entries.count) == [1])
        #expect(disk.writes[0].hardState == HardState(term: Term(1), commit: LogIndex(1)))
        disk.isHeld = false
        rig.executor.turn { disk.finish() }
        #expect(rig.status.role == .leader)
    }

    @Test("Proposals of one turn share a write and a batch, and come back with their entries")
    func batch() throws {
        let rig = try started()
        let writes = rig.disk.writes.count
        let clients = rig.propose("a", "b", "c")
        #expect(rig.disk.writes.count == writes + 1)
        #expect(rig.disk.writes.last?.entries.count == 3)
        #expect(rig.machine.batches.last?.count == 3)
        #expect(clients.map(\.outcome) == ["applied at 3", "applied at 4", "applied at 5"])
        #expect(rig.machine.data == ["add 1", "a", "b", "c"])
    }

    @Test("While two writes are under way, what comes meanwhile becomes one")
    func groupCommit() throws {
        let rig = try started()
        let before = rig.disk.writes.count
        rig.disk.isHeld = true
        for text in ["a", "b", "c", "d", "e"] { rig.propose(text) }
        #expect(rig.disk.writes.count == before + 2)
        rig.executor.turn { rig.disk.finish(1) }
        #expect(rig.machine.data == ["add 1", "a"])
        #expect(rig.disk.writes.last?.entries.count == 3)
        rig.executor.turn { rig.disk.finish() }
        #expect(rig.machine.data == ["add 1", "a", "b", "c", "d", "e"])
    }

    @Test("A commit index alone reaches the disk with the next tick, without a sync")
    func lazyCommit() throws {
        let rig = try started()
        rig.propose("a")
        let writes = rig.disk.writes.count
        rig.executor.advance(byMilliseconds: 100)
        #expect(rig.disk.writes.count == writes + 1)
        #expect(rig.disk.writes.last?.hardState?.commit == LogIndex(3))
        #expect(rig.disk.writes.last?.mustSync == false)
        rig.executor.advance(byMilliseconds: 1000)
        #expect(rig.disk.writes.count == writes + 1)
    }

    @Test("A full disk: nothing more is acknowledged or accepted, what is committed can be read")
    func diskFails() throws {
        let rig = try started()
        rig.propose("kept")
        rig.disk.isHeld = true
        let lost = rig.propose("lost", "too")
        rig.disk.failure = EntryStoreFailure(.noSpace, "write 0.wal: no space left on device")
        rig.executor.turn { rig.disk.finish() }
        let text = "write 0.wal: no space left on device"
        #expect(lost.map(\.outcome) == Array(repeating: "storage failed: \(text)", count: 2))
        let refused = rig.propose("later")[0].outcome
        #expect(refused?.hasPrefix("refused at once: storageFailed") == true)
        #expect(rig.read(2).map(\.outcome) == ["ready", "ready"])
        #expect(rig.machine.data == ["add 1", "kept"])
        #expect(rig.observer.heard.last == "failed: \(text)")
        #expect(rig.lines.last == "critical: failed to save Raft hard state and entries")
        rig.executor.advance(byMilliseconds: 10_000)
        #expect(rig.status.role == .leader)
        #expect(rig.status.storageFailure?.cause == .noSpace)
    }

    @Test("Reads of a turn share a round and wait until what was committed is applied")
    func readsWait() throws {
        let rig = try started()
        rig.machine.limit = LogIndex(2)
        rig.propose("a")
        let reads = rig.read(3)
        #expect(reads.allSatisfy { $0.outcome == nil })
        rig.turn { $0.applied(through: LogIndex(3)) }
        #expect(reads.allSatisfy { $0.outcome == "ready" })
    }

    @Test("A read before the leader's first commit waits for it")
    func readsBeforeFirstCommit() throws {
        let disk = PlayedDisk()
        disk.isHeld = true
        let rig = try Rig(.fresh(1), disk: disk)
        rig.start()
        let read = rig.read()[0]
        rig.executor.turn { disk.finish() }
        rig.executor.turn { disk.finish() }
        #expect(rig.status.role == .leader)
        rig.executor.advance(byMilliseconds: 600)
        #expect(read.outcome == nil)
        disk.isHeld = false
        rig.executor.turn { disk.finish() }
        #expect(read.outcome == "ready")
    }

    @Test("Proposals are refused while applying lags more than the limit, urgent ones later")
    func applyLags() throws {
        var options = RaftNodeOptions()
        options.maxApplyLag = 3
        options.maxPriorityApplyLag = 5
        options.raft.maxApplyCount = 2
        let rig = try Rig(.fresh(1), options: options)
        rig.start()
        rig.machine.limit = rig.status.applied
        for text in ["a", "b", "c", "d"] { rig.propose(text) }
        #expect(rig.status.committed.distance(from: rig.status.applied) == 4)
        #expect(rig.propose("e")[0].outcome == "refused at once: tooManyRequests")
        rig.turn { node in
            #expect(throws: Never.self) {
                try node.propose([1], proposal: nil, priority: .high)
            }
        }
        rig.machine.limit = nil
        rig.turn { $0.applied(through: LogIndex(3)) }
        #expect(rig.status.applied == rig.status.committed)
        #expect(rig.propose("f")[0].outcome?.hasPrefix("applied") == true)
    }

    @Test("Bytes that wait for the disk are bounded")
    func bytesAreBounded() throws {
        var options = RaftNodeOptions()
        options.maxProposalBytes = 1000
        let rig = try Rig(.fresh(1), options: options)
        rig.start()
        rig.disk.isHeld = true
        let big = String(repeating: "x", count: 400)
        #expect(
            rig.propose(big, big, big).map(\.outcome)
                == [nil, nil, "refused at once: tooManyRequests"])
        rig.disk.isHeld = false
        rig.executor.turn { rig.disk.finish() }
        #expect(rig.propose(big)[0].outcome?.hasPrefix("applied") == true)
    }

    @Test("It goes on where it stopped")
    func restart() throws {
        let first = try started()
        first.propose("a", "b")
        var state = first.disk.restored
        state.confState = ConfState(voters: [MemberID(1)])
        state.applied = LogIndex(3)
        let second = try Rig(state)
        second.start()
        #expect(second.machine.data == ["b"])
        #expect(second.propose("c")[0].outcome == "applied at 6")
        #expect(second.status.term == Term(3))
    }

    @Test("A long replay leaves room for others, and the campaign waits for its end")
    func longReplay() throws {
        var options = RaftNodeOptions()
        options.raft.maxApplyCount = 10
        let entries = (1...95).map { Entry(term: Term(1), index: LogIndex($0), data: [1]) }
        let rig = try Rig(
            RestoredState(
                hardState: HardState(term: Term(1), commit: LogIndex(95)),
                confState: ConfState(voters: [MemberID(1)]), entries: entries), options: options)
        rig.start()
        #expect(
            rig.machine.batches.prefix(10).map(\.count) == [10, 10, 10, 10, 10, 10, 10, 10, 10, 5])
        #expect(rig.executor.turns >= 9)
        #expect(rig.status.role == .leader)
        #expect(rig.status.applied == LogIndex(96))
    }

    @Test("What contradicts itself is refused, and says how")
    func contradictions() {
        let entry = Entry(term: Term(2), index: LogIndex(1))
        let cases: [(RestoredState, String)] = [
            (
                RestoredState(hardState: HardState(term: Term(2)), entries: [entry, entry]),
                "the log jumps from entry 1 to 1"
            ),
            (
                RestoredState(hardState: HardState(term: Term(1)), entries: [entry]),
                "the hard state is of term 1, the log's last entry of 2"
            ),
            (
                RestoredState(
                    hardState: HardState(term: Term(2), commit: LogIndex(2)), entries: [entry]),
                "commit index 2 is past the log's last entry 1"
            ),
            (
                RestoredState(
                    hardState: HardState(term: Term(2)), entries: [entry], applied: LogIndex(9)),
                "the applied state is at entry 9, the log ends at 1"
            ),
            (
                RestoredState(
                    hardState: HardState(term: Term(2)),
                    compacted: LogPosition(index: LogIndex(4), term: Term(2)),
                    entries: [Entry(term: Term(2), index: LogIndex(5))], applied: LogIndex(3)),
                "the applied state is at entry 3, the log begins at 5"
            ),
            (
                RestoredState(
                    hardState: HardState(term: Term(2)),
                    entries: [entry, Entry(term: Term(1), index: LogIndex(2))]),
                "the term falls at log entry 2"
            ),
        ]
        for (state, text) in cases {
            do {
                _ = try Rig(state)
                Issue.record("accepted: \(text)")
            } catch {
                #expect(error.description == text)
            }
        }
    }

    @Test("Who waits when it withdraws is told; what is in the log is applied all the same")
    func withdraws() throws {
        let rig = try started()
        rig.disk.isHeld = true
        let proposal = rig.propose("a")[0]
        let read = Client()
        rig.turn { node in
            node.readBarrier(read)
            node.withdraw()
        }
        #expect(proposal.outcome == "stopped")
        #expect(read.outcome == "failed: stopped")
        #expect(rig.propose("late")[0].outcome == "refused at once: stopped")
        #expect(rig.read()[0].outcome == "failed: stopped")
        rig.executor.turn { rig.disk.finish() }
        #expect(rig.machine.data == ["add 1", "a"])
    }

    @Test("Who waits when it stops is told")
    func stops() throws {
        let rig = try started()
        rig.disk.isHeld = true
        rig.machine.limit = LogIndex(2)
        let proposal = rig.propose("a")[0]
        let gathered = Client()
        let read = Client()
        rig.turn { node in
            #expect(throws: Never.self) { try node.propose([1], proposal: gathered) }
            node.readBarrier(read)
            node.stop()
        }
        #expect(proposal.outcome == "stopped")
        #expect(gathered.outcome == "refused: stopped")
        #expect(read.outcome == "failed: stopped")
        #expect(rig.propose("late")[0].outcome == "refused at once: stopped")
        #expect(rig.read()[0].outcome == "failed: stopped")
        rig.executor.turn { rig.disk.finish() }
        rig.executor.advance(byMilliseconds: 5000)
        #expect(rig.machine.data == ["add 1"])
    }

    @Test("The state machine may call back while it applies")
    func reentrance() throws {
        let rig = try Rig(.fresh(1))
        let node = rig.node
        let echo = Client()
        let read = Client()
        rig.machine.onApply = { committed in
            guard committed.entry.data == Array("ask".utf8) else { return }
            node.assumeIsolated { node in
                #expect(throws: Never.self) {
                    try node.propose(Array("echo".utf8), proposal: echo)
                }
                node.readBarrier(read)
                let change = ConfChange(kind: .addLearner, node: MemberID(9))
                let state = node.membershipChanged(ConfChangeV2(change))
                #expect(state.learners == [MemberID(9)])
            }
        }
        rig.start()
        rig.propose("ask")
        #expect(rig.machine.data == ["add 1", "ask", "echo"])
        #expect(echo.outcome == "applied at 4")
        #expect(read.outcome == "ready")
    }
}
