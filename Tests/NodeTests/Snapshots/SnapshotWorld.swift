// A cluster whose members are real from Raft to the store's file, on one thread in virtual time;
// links, snapshot lanes and logs are played.

import API
import Logging
import Storage
import TestSupport
import Testing

@testable import Consensus
@testable import Node
@testable import Services

/// Everything here runs on the test's thread: hence `@unchecked Sendable` below.
final class SnapshotWorld: @unchecked Sendable {
    let executor = DeterministicExecutor()
    var members: [MemberID: WorldMember] = [:]
    /// Members that no message reaches or leaves.
    var isolated: Set<MemberID> = []
    /// What a member gets in the place of the entries that were sent to it.
    var alters: [MemberID: (Entry) -> Entry] = [:]
    let cluster = ClusterID(0xC1)

    // The lanes.
    /// Every call is cut when so many chunks went over it.
    var cutsAfterChunks: Int?
    var chunksOnLanes = 0
    /// The most that was sent and not answered.
    var mostUnanswered = 0
    var bytesOnLanes = 0
    /// How long a message of a call is on its way.
    var laneMilliseconds: UInt64 = 0
    var calls: [PlayedCall] = []
    /// Lets go of what a test made.
    var atEnd: [() -> Void] = []

    /// What zstd finds nothing in.
    private let noise: [UInt8] = {
        var generator = SplitMix64(seed: 11)
        return (0..<1 << 17).flatMap { _ in
            withUnsafeBytes(of: generator.next()) { [UInt8]($0) }
        }
    }()

    init(
        members count: Int = 3, settings: SnapshotSettings = SnapshotSettings()
    ) throws {
        let ids = (1...count).map { MemberID(UInt64($0)) }
        let founders = ids.map { id in
            let member = ClusterMember(id: id, peerURLs: ["http://p\(id.hex):1"])
            let change = ConfChange(
                kind: .addNode, node: id, context: Array(member.json.description.utf8))
            var bytes = ByteBuffer()
            change.encode(into: &bytes)
            return FirstMember(id: id, change: bytes.array)
        }
        for id in ids {
            members[id] = try WorldMember(id, founders, self, settings)
        }
        for member in members.values {
            executor.turn { member.raft.assumeIsolated { $0.start() } }
        }
        for _ in 0..<100 where leader == nil { executor.advance(byMilliseconds: 100) }
    }

    deinit {
        executor.die()
        for call in calls { call.ends = [] }
        for letGo in atEnd { letGo() }
        for member in members.values {
            executor.turn {
                member.snapshotter.stop()
                member.raft.assumeIsolated { $0.stop() }
                member.applier.assumeIsolated { applier in
                    applier.watches.assumeIsolated { $0.stop() }
                    applier.detach()
                }
            }
        }
        executor.die()
    }

    subscript(_ id: UInt64) -> WorldMember {
        guard let member = members[MemberID(id)] else { preconditionFailure("no member \(id)") }
        return member
    }

    var leader: WorldMember? {
        members.values.first { $0.status.role == .leader && !isolated.contains($0.id) }
    }

    /// Puts keys at the leader, in a turn each.
    func put(_ numbers: Range<Int>, valueBytes: Int = 100) throws {
        let leader = try #require(leader)
        for number in numbers {
            let start = number * 104_729 % (noise.count - valueBytes)
            try leader.put("k\(number % 97)", Array(noise[start..<start + valueBytes]))
        }
        settle()
    }

    fileprivate func altered(_ message: Message) -> Message {
        guard let alter = alters[message.to], case .append(var append) = message.body else {
            return message
        }
        append.entries = append.entries.map(alter)
        return Message(
            from: message.from, to: message.to, term: message.term, body: .append(append))
    }

    /// Lets things happen for a while.
    func settle(seconds: Int = 2) {
        for _ in 0..<seconds * 10 { executor.advance(byMilliseconds: 100) }
    }

    /// Whether all members say the same of their keys.
    func expectAgreement(_ comment: Comment? = nil) throws {
        let leader = try #require(leader)
        let hash = try leader.hash()
        for member in members.values {
            #expect(member.status.applied == leader.status.applied, comment)
            #expect(try member.hash() == hash, comment)
        }
    }
}

/// One member of the world.
final class WorldMember: @unchecked Sendable {
    let id: MemberID
    let directory: TemporaryDirectory
    let store: MVCCStore
    let applier: Applier
    let raft: RaftNode
    let snapshotter: MemberSnapshotter
    let heard = HeardSnapshots()
    let disk: WorldDisk
    let lines = LogBook.Lines()
    let metrics = ServerMetrics()
    private unowned let world: SnapshotWorld

    init(
        _ id: MemberID, _ founders: [FirstMember], _ world: SnapshotWorld,
        _ settings: SnapshotSettings
    ) throws {
        self.id = id
        self.world = world
        directory = try TemporaryDirectory()
        let executor = world.executor
        disk = WorldDisk(executor)
        let path = directory.path + "/cairn.mdb"
        let (store, summary) = try MVCCStore.open(
            StoreConfiguration(path: path), on: executor, committingOn: executor)
        self.store = store
        let identity = Applier.Identity(cluster: world.cluster, member: id)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let (heard, disk, lines, metrics) = (heard, disk, lines, metrics)
        (applier, raft, snapshotter) = try executor.turn {
            let applier = try Applier(
                identity,
                settings: Applier.Settings(
                    name: "m\(id.hex)", clientURLs: ["http://c:1"], quotaBytes: nil,
                    reportedQuota: -1, requestTimeoutNanoseconds: 7_000_000_000),
                store: store,
                watches: WatchHub(
                    identity, store: store, on: executor, random: SeededRandom(seed: 1)),
                leasedKeys: summary.leases,
                ids: RequestIDSource(member: id, startMilliseconds: 1), on: executor,
                events: MemberEvents(identity, metrics: metrics, logger: lines.logger()),
                others: WorldCalls(world, from: id), logger: logger)
            let snapshotter = MemberSnapshotter(
                id, applier, store,
                SnapshotPlace(
                    cluster: world.cluster, path: path, quotaBytes: 1 << 28, thread: executor),
                over: PlayedLane(world, from: id), settings: settings,
                random: SeededRandom(seed: id.rawValue), events: heard)
            var options = RaftNodeOptions()
            options.raft.retainedEntries = 10
            let raft = try RaftNode(
                id: id, options: options, restoring: .newCluster(of: founders), on: executor,
                store: disk, peers: WorldLinks(world), machine: applier,
                snapshotter: snapshotter, random: SeededRandom(seed: id.rawValue &* 77),
                logger: logger)
            applier.assumeIsolated { $0.attach(raft) }
            snapshotter.attach(raft)
            return (applier, raft, snapshotter)
        }
    }

    var status: RaftStatus { world.executor.turn { raft.assumeIsolated { $0.status } } }

    /// The services that other members call.
    var maintenance: MaintenanceService {
        MaintenanceService(
            gate: ProposalGate(
                raft: raft, applier: applier, ids: applier.ids, maxRequestBytes: 1 << 20),
            reads: ReadGate(raft: raft, applier: applier))
    }

    func compact(to revision: Revision) throws {
        var request = ByteBuffer()
        request.appendField(1, int64: revision.rawValue)
        try propose(.compaction, request)
    }

    func put(_ key: String, _ value: [UInt8]) throws {
        var request = ByteBuffer()
        request.appendField(1, string: key)
        request.appendField(2, bytes: value)
        try propose(.put, request)
    }

    private func propose(_ kind: ProposalKind, _ request: borrowing ByteBuffer) throws {
        var payload = ByteBuffer()
        request.withUnsafeBytes {
            payload.appendProposal(ProposalHeader(id: applier.ids.next()), kind, request: $0)
        }
        let bytes = payload.array
        try world.executor.turn {
            try raft.enter { raft throws(ProposalRefusal) in
                try raft.propose(bytes, proposal: nil)
            }
        }
    }

    func read<Result: Sendable>(
        _ body: @Sendable (isolated MVCCStore) throws -> Result
    ) rethrows -> Result {
        try world.executor.turn { try store.assumeIsolated(body) }
    }

    func hash() throws -> KeyValueHash {
        let answer = Told<Result<KeyValueHash, StoreError>>()
        try read { try $0.hash(at: nil) { answer.tell($0) } }
        for _ in 0..<20 where answer.all.isEmpty { world.executor.advance(byMilliseconds: 1) }
        return try #require(try answer.all.first?.get())
    }

    var revision: Revision { read { $0.revision } }
}

/// Raft's messages: to everybody who is not isolated, in the next turn.
private final class WorldLinks: PeerSender, @unchecked Sendable {
    private unowned let world: SnapshotWorld
    init(_ world: SnapshotWorld) { self.world = world }

    func reaches(_ member: MemberID) -> Bool { !world.isolated.contains(member) }

    func send(_ messages: [Message]) {
        for message in messages {
            guard world.isolated.isDisjoint(with: [message.from, message.to]) else { continue }
            world.executor.post { [weak world] in
                guard let world, let member = world.members[message.to] else { return }
                let message = world.altered(message)
                member.raft.assumeIsolated { $0.receive([message]) }
            }
        }
    }
}

/// Questions of one member to another: of its hash, which is all that is asked here.
private final class WorldCalls: OtherMembers, @unchecked Sendable {
    private unowned let world: SnapshotWorld
    private let from: MemberID

    init(_ world: SnapshotWorld, from: MemberID) {
        self.world = world
        self.from = from
    }

    func connectedTime(of member: MemberID) -> UInt64? {
        world.isolated.contains(member) ? nil : .max
    }

    func call(
        _ member: MemberID, _ method: PeerMethod, _ request: [UInt8], timeoutNanoseconds: UInt64,
        completion: @escaping @Sendable (Result<[UInt8], Status>) -> Void
    ) {
        let executor = world.executor
        guard method == .hashKV, world.isolated.isDisjoint(with: [member, from]),
            let other = world.members[member]
        else {
            return executor.post { completion(.failure(Status(.unavailable, "not reached"))) }
        }
        executor.post {
            request.withUnsafeBytes {
                other.maintenance.hashKV($0, WorldReply { completion($0) })
            }
        }
    }
}

private struct WorldReply: Replying {
    private let done: @Sendable (Result<[UInt8], Status>) -> Void
    init(_ done: @escaping @Sendable (Result<[UInt8], Status>) -> Void) { self.done = done }
    func respond(_ message: UnsafeRawBufferPointer) { done(.success([UInt8](message))) }
    func fail(_ status: Status) { done(.failure(status)) }
}

/// A log that is durable in the next turn.
final class WorldDisk: EntryStore, @unchecked Sendable {
    private let executor: DeterministicExecutor
    private(set) var snapshots: [SnapshotMark] = []
    init(_ executor: DeterministicExecutor) { self.executor = executor }

    func persist(
        _ write: LogWrite,
        completion: @escaping @Sendable (Result<Void, EntryStoreFailure>) -> Void
    ) {
        if let mark = write.snapshot { snapshots.append(mark) }
        executor.post { completion(.success(())) }
    }
}

/// What a member said of snapshots.
final class HeardSnapshots: SnapshotEvents, @unchecked Sendable {
    var lines: [String] = []
    var sentStreams: Set<UInt64> = []
    var tookNanoseconds: UInt64 = 0

    func sending(_ snapshot: SnapshotDescription, to member: MemberID) {
        sentStreams.insert(snapshot.stream)
        lines.append("sends to \(member.hex)")
    }
    func sent(
        _ snapshot: SnapshotDescription, to member: MemberID, bytes: UInt64, nanoseconds: UInt64,
        failure: String?
    ) {
        tookNanoseconds = nanoseconds
        lines.append(failure.map { "not sent to \(member.hex): \($0)" } ?? "sent to \(member.hex)")
    }
    func spooled(nanoseconds: UInt64) {}
    func notMade(_ error: any Error) { lines.append("not made: \(error)") }
    func receiving(_ snapshot: SnapshotDescription, from member: MemberID) {
        lines.append("receives from \(member.hex)")
    }
    func received(
        _ snapshot: SnapshotDescription, from member: MemberID, nanoseconds: UInt64,
        _ result: Result<UInt64, any Error>
    ) {
        switch result {
        case .success: lines.append("received from \(member.hex)")
        case .failure(let error): lines.append("not received from \(member.hex): \(error)")
        }
    }
    func refusedOffer(_ reason: String) { lines.append("refuses: \(reason)") }
    func installing(_ snapshot: SnapshotDescription) { lines.append("installs") }
    func installed(_ snapshot: SnapshotDescription, nanoseconds: UInt64) {
        lines.append("installed")
    }
}

// MARK: - Lanes

private final class PlayedLane: SnapshotLane, @unchecked Sendable {
    private unowned let world: SnapshotWorld
    private let from: MemberID

    init(_ world: SnapshotWorld, from: MemberID) {
        self.world = world
        self.from = from
    }

    func open(to member: MemberID, _ events: any SnapshotCallEvents) -> any SnapshotCall {
        let call = PlayedCall(world, from: from, to: member)
        let (near, far) = (CallEnd(call), CallEnd(call))
        near.other = far
        far.other = near
        near.events = events
        call.ends = [near, far]
        world.calls.append(call)
        if world.isolated.contains(member) || world.isolated.contains(from) {
            call.cut()
        } else if let receiver = world.members[member]?.snapshotter.receiver {
            far.events = receiver.accept(far)
        }
        return near
    }
}

final class PlayedCall: @unchecked Sendable {
    unowned let world: SnapshotWorld
    let from: MemberID
    let to: MemberID
    var ends: [CallEnd] = []
    var chunks = 0
    var unanswered = 0

    init(_ world: SnapshotWorld, from: MemberID, to: MemberID) {
        self.world = world
        self.from = from
        self.to = to
    }

    /// The link is gone: both sides hear of it.
    func cut() {
        for end in ends {
            world.executor.post { end.hearEnd() }
        }
    }

    func note(_ message: [UInt8]) {
        switch SnapshotMessage(decoding: message) {
        case .chunk:
            chunks += 1
            world.chunksOnLanes += 1
            world.bytesOnLanes += message.count
            unanswered += 1
            world.mostUnanswered = max(world.mostUnanswered, unanswered)
            if chunks == world.cutsAfterChunks { cut() }
        case .due, .done: unanswered = max(0, unanswered - 1)
        default: break
        }
    }
}

final class CallEnd: SnapshotCall, @unchecked Sendable {
    private let call: PlayedCall
    weak var other: CallEnd?
    var events: (any SnapshotCallEvents)?
    private var isOver = false

    init(_ call: PlayedCall) { self.call = call }

    func send(_ message: [UInt8]) {
        guard !isOver else { return }
        call.note(message)
        let executor = call.world.executor
        guard call.world.laneMilliseconds > 0 else {
            return executor.post { [other] in other?.events?.received(message) }
        }
        executor.schedule(afterNanoseconds: call.world.laneMilliseconds * 1_000_000) {
            [other] in other?.events?.received(message)
        }
    }

    func end() {
        guard !isOver else { return }
        isOver = true
        events = nil
        call.world.executor.post { [other] in other?.hearEnd() }
    }

    func hearEnd() {
        guard !isOver else { return }
        isOver = true
        let last = events
        events = nil
        last?.ended()
    }
}
