// Members that are Raft and links and nothing else: a disk that is always done, a state machine
// that keeps what it is given.

import API
import Consensus
import Logging
import Services
import TestSupport
import Transport

@testable import Node

final class InstantDisk: EntryStore, @unchecked Sendable {
    func persist(
        _ write: LogWrite,
        completion: @escaping @Sendable (Result<Void, EntryStoreFailure>) -> Void
    ) { completion(.success(())) }
}

/// Confined to the executor of its node.
final class KeepingMachine: StateMachine, @unchecked Sendable {
    private(set) var applied: [String] = []
    private var waiting: [(text: String, then: @Sendable () -> Void)] = []

    func apply(_ batch: [CommittedEntry]) -> LogIndex {
        for entry in batch where entry.entry.kind == .normal && !entry.entry.data.isEmpty {
            applied.append(String(decoding: entry.entry.data, as: UTF8.self))
        }
        let met = waiting.filter { applied.contains($0.text) }
        waiting.removeAll { applied.contains($0.text) }
        for waiter in met { waiter.then() }
        return batch[batch.count - 1].entry.index
    }

    func when(_ text: String, _ then: @escaping @Sendable () -> Void) {
        if applied.contains(text) { then() } else { waiting.append((text, then)) }
    }
}

/// What the cluster knows of its members.
final class PlayedAdmission: PeerAdmission, @unchecked Sendable {
    var removed: Set<MemberID> = []
    func refusal(of caller: PeerHello) -> PeerRefusal? {
        removed.contains(caller.from) ? .removed : nil
    }
}

final class PlayedPeerStatus: PeerPortStatus {
    let cluster: ClusterID
    let members: [ClusterMember]
    init(_ cluster: ClusterID, _ members: [ClusterMember]) {
        self.cluster = cluster
        self.members = members
    }
    var clusterVersion: String? { "3.7.0" }
    var storageVersion: String? { "3.7.0" }
    var alarms: [HealthAlarm] { [] }
    var hasLeader: Bool { true }
    var isLearner: Bool { false }
    var raft: RaftStatus? { nil }
    var followers: [MemberProgress] { [] }
    func probeRead(linearizable: Bool, _ done: @escaping (String?) -> Void) { done(nil) }
}

/// One member and its links. Confined to the executor of its dialer.
final class PlayedPeer: @unchecked Sendable {
    let id: MemberID
    let node: RaftNode
    let machine = KeepingMachine()
    let peers: RaftPeers
    let port: PeerPort
    let admission = PlayedAdmission()
    let metrics = MetricsRegistry()
    let lines = LogBook.Lines()
    private(set) var removedBy: Told<MemberID>

    init(
        _ number: UInt64, of count: UInt64, cluster: ClusterID = ClusterID(0xC1),
        dialer: any StreamDialer, settings: PeerSettings = PeerSettings()
    ) throws {
        id = MemberID(number)
        let executor = dialer.executor
        let logger = lines.logger()
        let links = PeerLinks(
            cluster: cluster, member: id, urls: [], dialer: dialer, settings: settings,
            random: SeededRandom(seed: 100 + number))
        let removedBy = Told<MemberID>()
        self.removedBy = removedBy
        peers = RaftPeers(
            member: id, links: links, metrics: PeerMetrics(metrics, own: id), logger: logger,
            onRemoval: { removedBy.tell($0) })
        let all = (1...count).map { FirstMember(id: MemberID($0), change: Array("\($0)".utf8)) }
        node = try RaftNode(
            id: id, restoring: .newCluster(of: all), on: executor, store: InstantDisk(),
            peers: peers, machine: machine, random: SeededRandom(seed: number), logger: logger)
        peers.attach(node)
        let acceptor = PeerAcceptor(
            cluster: cluster, member: id, admission: admission, receiver: peers)
        let members = (1...count).map { ClusterMember(id: MemberID($0), peerURLs: ["m\($0)"]) }
        port = PeerPort(
            acceptor, status: PlayedPeerStatus(cluster, members), settings: settings,
            clock: SystemClock(), on: executor, logger: logger)
    }

    var status: RaftStatus { node.assumeIsolated { $0.status } }

    func propose(_ text: String) {
        node.assumeIsolated { try? $0.propose(Array(text.utf8), proposal: nil) }
    }

    func stop() {
        node.assumeIsolated { $0.stop() }
        peers.stop()
        port.drain(grace: 0) {}
    }
}

/// Three members in one memory.
final class MemoryCluster {
    let executor = DeterministicExecutor()
    let network: MemoryNetwork
    let cuts = Cuts()
    private(set) var members: [PlayedPeer] = []

    init() throws {
        network = MemoryNetwork(on: executor)
        try executor.turn {
            for number in UInt64(1)...3 {
                let dialer = network.dialer { [cuts] in cuts.stream($0, of: number) }
                members.append(try PlayedPeer(number, of: 3, dialer: dialer))
            }
            for member in members {
                listen(member)
                for other in members { member.peers.set(other.id, urls: [Self.url(other.id)]) }
                member.node.assumeIsolated { $0.start() }
            }
        }
    }

    deinit {
        executor.turn {
            for member in members {
                network.listen(Self.url(member.id), nil)
                member.stop()
            }
        }
        executor.advance(byMilliseconds: 10_000)
        executor.die()
        cuts.letGo()
    }

    static func url(_ member: MemberID) -> String { "memory://\(member.hex)" }

    func listen(_ member: PlayedPeer) {
        network.listen(Self.url(member.id)) { [cuts] in
            member.port.serve(cuts.stream($0, of: member.id.rawValue))
        }
    }

    /// Time passes in steps, until it has come to pass or a minute is over.
    func until(_ isMet: (MemoryCluster) -> Bool) -> Bool {
        for _ in 0..<600 {
            if executor.turn({ isMet(self) }) { return true }
            executor.advance(byMilliseconds: 100)
        }
        return false
    }

    /// Who leads, with a majority to follow.
    var leader: PlayedPeer? {
        members.first { one in
            one.status.role == .leader
                && members.count { $0.status.leader == one.id && $0.status.term == one.status.term }
                    >= 2
        }
    }

    /// One who does not.
    var follower: PlayedPeer? {
        guard let leader else { return nil }
        return members.first { $0 !== leader }
    }

    func applied(_ text: String, by members: [PlayedPeer]) -> Bool {
        members.allSatisfy { $0.machine.applied.contains(text) }
    }
}

/// Which members are cut off without a word: what they write is swallowed, what comes to them too.
final class Cuts: @unchecked Sendable {
    var members: Set<UInt64> = []
    private var open: [CutStream] = []

    func stream(_ stream: any ByteStream, of member: UInt64) -> any ByteStream {
        let stream = CutStream(stream, member, self)
        open.append(stream)
        return stream
    }

    /// They refer to this.
    func letGo() { open = [] }

    /// Resets one of the connections there are.
    func breakOne(_ dice: UInt64) {
        open.removeAll { $0.isClosed }
        if !open.isEmpty { open[Int(dice % UInt64(open.count))].abort() }
    }
}

/// A stream that is silent while its member is cut off.
private final class CutStream: ByteStream, ByteStreamHandler {
    private let inner: any ByteStream
    private let member: UInt64
    private let cuts: Cuts
    weak var handler: (any ByteStreamHandler)?

    init(_ inner: any ByteStream, _ member: UInt64, _ cuts: Cuts) {
        self.inner = inner
        self.member = member
        self.cuts = cuts
        inner.handler = self
    }

    private(set) var isClosed = false
    private var isCut: Bool { cuts.members.contains(member) }
    /// Its own handler must live while the stream is used: the inner stream refers to it weakly.
    private var own: CutStream?

    var executor: any ActorExecutor { inner.executor }
    var localAddress: String { inner.localAddress }
    var remoteAddress: String { inner.remoteAddress }
    var bufferedBytes: Int { inner.bufferedBytes }
    func resumeReading() {
        if !isClosed { own = self }
        inner.resumeReading()
    }
    func pauseReading() { inner.pauseReading() }
    func write(_ bytes: UnsafeRawBufferPointer) { if !isCut { inner.write(bytes) } }
    func close() { inner.close() }
    func abort() { inner.abort() }

    func received(_ bytes: UnsafeRawBufferPointer) { if !isCut { handler?.received(bytes) } }
    func drained() { handler?.drained() }
    func receivedEnd() { if !isCut { handler?.receivedEnd() } }
    func closed(_ error: TransportError?) {
        own = nil
        isClosed = true
        handler?.closed(error)
    }
}
