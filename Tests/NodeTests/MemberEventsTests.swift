import API
import Consensus
import Services
import Storage
import TestSupport
import Testing

@testable import Node
@testable import Storage

@Suite("A member is ready when it has published itself and the cluster has a version")
struct MemberEventsTests {
    private let own = ClusterMember(
        id: MemberID(1), peerURLs: ["http://p:1"], name: "m0", clientURLs: ["http://c:1"])
    private let book = LogBook.Lines()
    private let told = Told<String>()
    private let metrics = ServerMetrics()

    private func events() -> MemberEvents {
        let events = MemberEvents(
            Applier.Identity(cluster: ClusterID(2), member: own.id), metrics: metrics,
            logger: book.logger())
        events.whenReady { [told] result in
            switch result {
            case .success: told.tell("ready")
            case .failure(let error): told.tell("\(error)")
            }
        }
        return events
    }

    @Test("A new one when both have come, in either order, once")
    func new() {
        let first = events()
        first.attributesPublished(own)
        #expect(told.all.isEmpty)
        first.clusterVersionChanged(from: nil, to: "3.7.0")
        #expect(told.all == ["ready"])
        first.attributesPublished(own)
        first.clusterVersionChanged(from: "3.7.0", to: "3.8.0")
        #expect(told.all == ["ready"])
        #expect(
            book.all == [
                "info: published local member to cluster through raft",
                "info: set initial cluster version",
                "info: published local member to cluster through raft",
                "info: updated cluster version",
            ])
        let second = events()
        second.clusterVersionChanged(from: nil, to: "3.7.0")
        #expect(told.all.count == 1)
        second.attributesPublished(own)
        #expect(told.all.count == 2)
    }

    @Test("A restarted one knows the version; another member's publication does not count")
    func restarted() {
        let events = events()
        events.hasVersion("3.7.0")
        events.attributesPublished(ClusterMember(id: MemberID(9), peerURLs: []))
        #expect(told.all.isEmpty && book.all.isEmpty)
        events.attributesPublished(own)
        #expect(told.all == ["ready"])
    }

    @Test("When the log fails before that, the start fails; later it is only logged")
    func logFailed() {
        let failure = EntryStoreFailure(.noSpace, "write wal: no space left on device")
        let unborn = events()
        unborn.logFailed(failure)
        #expect(told.all == ["write wal: no space left on device"])
        let running = events()
        running.hasVersion("3.7.0")
        running.attributesPublished(own)
        running.logFailed(failure)
        #expect(told.all.dropFirst() == ["ready"])
        #expect(book.all.filter { $0.hasPrefix("error: the write-ahead log failed") }.count == 2)
    }

    @Test("Leader, commits and alarms show in metrics and log")
    func rest() {
        let events = events()
        events.leaderChanged(to: own.id, term: Term(2))
        #expect(metrics.raft.hasLeader.value == 1 && metrics.raft.isLeader.value == 1)
        events.leaderChanged(to: MemberID(9), term: Term(3))
        #expect(metrics.raft.hasLeader.value == 1 && metrics.raft.isLeader.value == 0)
        events.leaderChanged(to: .none, term: Term(3))
        #expect(metrics.raft.hasLeader.value == 0)
        #expect(metrics.raft.leaderChanges.value == 2)
        let state = CommittedState(
            index: LogIndex(1), term: Term(1), size: BackendSize(total: 1, inUse: 1))
        events.storeCommitted(.committed(state, nanoseconds: 5_000_000))
        #expect(metrics.disk.backendCommit.reading.buckets.reduce(0, +) == 1)
        events.alarmChanged(AlarmFields(member: own.id, alarm: .noSpace), isActive: true)
        events.alarmChanged(AlarmFields(member: own.id, alarm: .noSpace), isActive: false)
        #expect(book.all == ["warning: alarm raised", "warning: alarm disarmed"])
        events.membershipChanged(
            .add(own), to: Services.Membership(cluster: ClusterID(1), members: [own]))
        #expect(book.all.last == "info: added member")
    }
}

@Suite("The main thread may wait for others")
struct MemberWaitingTests {
    private struct Refused: Error {}

    @Test("For a result of another executor, or its error")
    func results() throws {
        let executors = try ExecutorTable()
        defer { executors.stop() }
        let isMain = try onLoop(executors.main) { executors.main.isCurrent }
        #expect(isMain)
        #expect(throws: Refused.self) { try onLoop(executors.log) { throw Refused() } }
        let value: Int = try waitFor { done in
            executors.backend.post { executors.log.post { done(.success(7)) } }
        }
        #expect(value == 7)
    }
}
