// A RaftNode's world, played: disk, peers, state machine, clients. All on one deterministic
// executor; everything here is confined to it and to the test's thread, hence unchecked.

import API
import Logging
import TestSupport

@testable import Consensus

final class PlayedDisk: EntryStore, @unchecked Sendable {
    typealias Completion = @Sendable (Result<Void, EntryStoreFailure>) -> Void
    /// All that was ever given.
    private(set) var writes: [LogWrite] = []
    private var waiting: [Completion] = []
    /// A held disk finishes nothing by itself.
    var isHeld = false
    var failure: EntryStoreFailure?

    var waitingCount: Int { waiting.count }

    func persist(_ write: LogWrite, completion: @escaping Completion) {
        writes.append(write)
        waiting.append(completion)
        if !isHeld { finish() }
    }

    func finish(_ count: Int = .max) {
        for _ in 0..<min(count, waiting.count) {
            let completion = waiting.removeFirst()
            if let failure { completion(.failure(failure)) } else { completion(.success(())) }
        }
    }

    /// What a restart finds.
    var restored: RestoredState {
        var state = RestoredState()
        for write in writes {
            state.hardState = write.hardState ?? state.hardState
            if let first = write.entries.first {
                state.entries.removeAll { $0.index >= first.index }
                state.entries += write.entries
            }
        }
        return state
    }
}

final class PlayedMachine: StateMachine, @unchecked Sendable {
    private(set) var batches: [[CommittedEntry]] = []
    /// Applies no further than this for now.
    var limit: LogIndex?
    var onApply: (CommittedEntry) -> Void = { _ in }

    func apply(_ batch: [CommittedEntry]) -> LogIndex {
        batches.append(batch)
        for entry in batch {
            onApply(entry)
            (entry.proposal as? Client)?.outcome = "applied at \(entry.entry.index.rawValue)"
        }
        let last = batch[batch.count - 1].entry.index
        return min(last, limit ?? last)
    }

    var data: [String] {
        batches.joined().filter { !$0.entry.data.isEmpty }
            .map { String(decoding: $0.entry.data, as: UTF8.self) }
    }
}

/// One request: a proposal or a read.
final class Client: Proposal, ReadWaiter, @unchecked Sendable {
    var outcome: String? {
        didSet { precondition(oldValue == nil, "told twice: \(oldValue!), \(outcome!)") }
    }
    func dropped(_ reason: ProposalDrop) {
        switch reason {
        case .refused(let refusal): outcome = "refused: \(refusal)"
        case .overwritten: outcome = "overwritten"
        case .unknown: outcome = "unknown"
        case .storageFailed(let failure): outcome = "storage failed: \(failure)"
        case .stopped: outcome = "stopped"
        }
    }
    func forwarded() { outcome = "forwarded" }
    func readReady() { outcome = "ready" }
    func readFailed(_ failure: ReadFailure) { outcome = "failed: \(failure)" }
}

final class PlayedObserver: RaftObserver, @unchecked Sendable {
    var heard: [String] = []
    func leaderChanged(to leader: MemberID, term: Term) {
        heard.append("leader \(leader.hex) at term \(term.rawValue)")
    }
    func storageFailed(_ failure: EntryStoreFailure) { heard.append("failed: \(failure)") }
}

/// Carries messages in turns of their own, unless a link is cut.
final class PlayedNetwork: @unchecked Sendable {
    var nodes: [MemberID: RaftNode] = [:]
    var cut: Set<MemberID> = []
    let executor: DeterministicExecutor
    init(_ executor: DeterministicExecutor) { self.executor = executor }

    func carry(_ message: Message) {
        guard !cut.contains(message.from), !cut.contains(message.to),
            let node = nodes[message.to]
        else { return }
        executor.post { node.assumeIsolated { $0.receive([message]) } }
    }
}

final class PlayedPeers: PeerSender, @unchecked Sendable {
    let network: PlayedNetwork
    init(_ network: PlayedNetwork) { self.network = network }
    func send(_ messages: [Message]) { for message in messages { network.carry(message) } }
    func reaches(_ member: MemberID) -> Bool { true }
}

/// Carries snapshots by hand. Their payload is the list of what was applied.
final class PlayedSnapshotter: Snapshotter, @unchecked Sendable {
    /// What was asked of it, in words.
    private(set) var heard: [String] = []
    func send(to member: MemberID, atLeast index: LogIndex) {
        heard.append("send to \(member.hex) from \(index.rawValue) on")
    }
    func cancel(to member: MemberID) { heard.append("cancel to \(member.hex)") }
    func install(_ mark: SnapshotMark) { heard.append("install \(mark.position.text)") }
    func discard(_ mark: SnapshotMark) { heard.append("discard \(mark.position.text)") }
}

/// Keeps what was logged.
struct LogBook: LogHandler {
    final class Lines: Sendable {
        let all = Locked<[String]>([])
    }
    let lines: Lines
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }
    func log(event: LogEvent) {
        lines.all.withLock { $0.append("\(event.level): \(event.message)") }
    }
}

/// One node and its world.
final class Rig {
    let executor: DeterministicExecutor
    let disk: PlayedDisk
    let machine = PlayedMachine()
    let snapshotter = PlayedSnapshotter()
    let observer = PlayedObserver()
    let log = LogBook.Lines()
    let node: RaftNode
    private let network: PlayedNetwork

    init(
        id: UInt64 = 1, _ state: RestoredState, options: RaftNodeOptions = RaftNodeOptions(),
        network: PlayedNetwork? = nil, disk: PlayedDisk = PlayedDisk()
    ) throws(RestoreError) {
        executor = network?.executor ?? DeterministicExecutor()
        self.disk = disk
        let network = network ?? PlayedNetwork(executor)
        self.network = network
        let log = log
        node = try RaftNode(
            id: MemberID(id), options: options, restoring: state, on: executor, store: disk,
            peers: PlayedPeers(network), machine: machine, snapshotter: snapshotter,
            random: SeededRandom(seed: id),
            logger: Logger(label: "raft") { _ in LogBook(lines: log) })
        network.nodes[MemberID(id)] = node
        machine.onApply = { [unowned node] committed in
            let entry = committed.entry
            guard let change = ConfChangeV2(entry.kind, data: entry.data) else { return }
            node.assumeIsolated { _ = $0.membershipChanged(change) }
        }
    }

    /// Timers, writes and links hold the node as long as it lives.
    deinit {
        turn { $0.stop() }
        executor.turn { disk.finish() }
        machine.onApply = { _ in }
        network.nodes[node.id] = nil
    }

    func start() {
        turn { [observer] node in
            node.observe(observer)
            node.start()
        }
    }

    func turn(_ work: @Sendable (isolated RaftNode) -> Void) {
        executor.turn { node.assumeIsolated(work) }
    }

    var status: RaftStatus { executor.turn { node.assumeIsolated { $0.status } } }
    var lines: [String] { log.all.withLock { $0 } }

    /// Proposes all of these in one turn.
    @discardableResult
    func propose(_ texts: String...) -> [Client] {
        let clients = texts.map { _ in Client() }
        turn { node in
            for (text, client) in zip(texts, clients) {
                do throws(ProposalRefusal) {
                    try node.propose(Array(text.utf8), proposal: client)
                } catch {
                    client.outcome = "refused at once: \(error)"
                }
            }
        }
        return clients
    }

    func read(_ count: Int = 1) -> [Client] {
        let clients = (0..<count).map { _ in Client() }
        turn { node in for client in clients { node.readBarrier(client) } }
        return clients
    }
}

extension RestoredState {
    static func fresh(_ members: UInt64...) -> RestoredState {
        .newCluster(
            of: members.map { FirstMember(id: MemberID($0), change: Array("add \($0)".utf8)) })
    }
}
