// A member without sockets: Raft, the applied state and the services around a real store, in virtual
// time. The log's disk is played; the store commits when its disk is let run.

import API
import Foundation
import Glibc
import Logging
import Storage
import TestSupport
import Testing

@testable import Consensus
@testable import Services

/// What the applied state said of itself. Unchecked: confined to the test's thread.
final class PlayedEvents: ApplierEvents, @unchecked Sendable {
    var heard: [String] = []
    var commits: [CommittedState] = []
    var holds: [(durable: CommittedState, confState: ConfState)] = []
    /// The exit status of a process that could not apply an entry.
    static let cannotApplyStatus: Int32 = 42

    func membershipChanged(_ change: MembershipChange, to membership: Services.Membership) {
        switch change {
        case .add(let member): heard.append("added \(member.id.hex)")
        case .promote(let id): heard.append("promoted \(id.hex)")
        case .update(let member): heard.append("updated \(member.id.hex)")
        case .remove(let id): heard.append("removed \(id.hex)")
        }
    }
    func attributesPublished(_ member: ClusterMember) {
        heard.append("published \(member.id.hex) \(member.name) \(member.clientURLs)")
    }
    func clusterVersionChanged(from old: String?, to new: String) {
        heard.append("version \(old ?? "none") to \(new)")
    }
    func alarmChanged(_ alarm: AlarmFields, isActive: Bool) {
        heard.append("\(isActive ? "raised" : "cleared") \(alarm.text)")
    }
    func stateReplaced(by snapshot: SnapshotDescription, _ membership: Services.Membership) {
        heard.append("replaced at \(snapshot.index.rawValue)")
    }
    func storeCommitted(_ event: CommitEvent) {
        if case .committed(let state, _) = event { commits.append(state) }
    }
    func storeCompacted(_ event: CompactionEvent) {
        switch event {
        case .finished(let report): heard.append("compacted \(report.revision.rawValue)")
        case .slice: break
        case .failed(let error): heard.append("compaction failed: \(error)")
        }
    }
    func storeDefragmentation(_ event: DefragmentationEvent) {
        switch event {
        case .began: heard.append("defragments")
        case .finished: heard.append("defragmented")
        case .failed(let error): heard.append("defragmentation failed: \(error)")
        }
    }
    func storeHolds(_ durable: CommittedState, confState: ConfState) {
        holds.append((durable, confState))
    }
    func leaderChanged(to leader: MemberID, term: Term) {
        heard.append("leader \(leader.hex) at term \(term.rawValue)")
    }
    func logFailed(_ failure: EntryStoreFailure) { heard.append("log failed: \(failure)") }
    func cannotApply(_ index: LogIndex, _ reason: String) -> Never {
        FileHandle.standardError.write(
            Data("cannot apply \(index.rawValue): \(reason)\n".utf8))
        _exit(Self.cannotApplyStatus)
    }
}

/// A wall clock that stands still.
struct PlayedClock: WallClock {
    var nanosecondsSinceEpoch: UInt64 { 1_700_000_000_000_000_000 }
}

/// A directory that is gone with the last reference to it.
final class TemporaryDirectory {
    let path: String
    init() throws {
        path = NSTemporaryDirectory() + "cairn-test-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// One member through its lives.
final class PlayedMember {
    static let identity = Applier.Identity(cluster: ClusterID(0xC1), member: MemberID(0xA1))
    static let record = ClusterMember(id: identity.member, peerURLs: ["http://p:1"])

    /// What a test may decide about a member.
    struct Settings {
        var quotaBytes: Int64?
        var maxRequestBytes = 1_572_864
        var maxTxnOperations = Limits.txnOperations
        var options = RaftNodeOptions()
        var batchBytes = 16 << 20
        var saturationBytes = 64 << 20
        var leases = LeaseSettings()
        var watch = WatchSettings()
        var maxLearners = 1
        var checksReconfiguration = true
        var defragmentsOutOfService = false
    }

    /// All that dies with the process.
    struct Life {
        let core: DeterministicExecutor
        /// Where the store commits; runs only when it is let.
        let committer: DeterministicExecutor
        let events: PlayedEvents
        let store: MVCCStore
        let applier: Applier
        let raft: RaftNode
        let gate: ProposalGate
        let reads: ReadGate
        let services: ClientServices
        var maxTxnOperations: Int
        var kv: KVService {
            KVService(gate: gate, reads: reads, maxTxnOperations: maxTxnOperations)
        }
        var maintenance: MaintenanceService { MaintenanceService(gate: gate, reads: reads) }
        var leases: LeaseService {
            LeaseService(gate: gate, reads: reads, ids: applier.ids)
        }
        var inner: InnerServices { InnerServices(kv: kv, leases: leases) }
        var locks: LockService { LockService(inner) }
        var elections: ElectionService { ElectionService(inner) }
        var cluster: ClusterService {
            ClusterService(
                gate: gate, reads: reads, ids: applier.ids,
                isPeerURL: { $0.hasPrefix("http://") }, clock: PlayedClock())
        }
    }

    let directory: TemporaryDirectory
    let disk = PlayedDisk()
    let others = PlayedOthers()
    let settings: Settings
    private var current: Life?
    /// Callers in the order they were answered.
    private(set) var answered: [Int] = []
    private var calls = 0
    /// The term of the last entry that another leader has appended.
    var foreignTerm: Term?
    /// Heartbeats that others will answer later.
    var late: [Message] = []

    var life: Life {
        guard let current else { preconditionFailure("the member is not running") }
        return current
    }

    /// - Parameter starts: whether it is founded and leads already.
    init(starts: Bool = true, _ adjust: (inout Settings) -> Void = { _ in }) throws {
        directory = try TemporaryDirectory()
        var settings = Settings()
        adjust(&settings)
        self.settings = settings
        current = try makeLife(.newCluster(of: [Self.founder]))
        if starts { start() }
    }

    deinit { die() }

    private static var founder: FirstMember {
        let change = ConfChange(
            kind: .addNode, node: identity.member,
            context: Array(record.json.description.utf8))
        return FirstMember(id: identity.member, change: encoded { change.encode(into: &$0) })
    }

    static func openStore(
        _ directory: TemporaryDirectory, on core: DeterministicExecutor,
        committingOn committer: DeterministicExecutor, _ settings: Settings = Settings()
    ) throws -> (store: MVCCStore, summary: StoreSummary) {
        var configuration = StoreConfiguration(path: directory.path + "/cairn.mdb")
        configuration.batchBytes = settings.batchBytes
        configuration.saturationBytes = settings.saturationBytes
        return try MVCCStore.open(configuration, on: core, committingOn: committer)
    }

    private func makeLife(_ restored: RestoredState) throws -> Life {
        let core = DeterministicExecutor()
        let committer = DeterministicExecutor()
        let events = PlayedEvents()
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let (store, summary) = try Self.openStore(
            directory, on: core, committingOn: committer, settings)
        var state = restored
        state.applied = summary.consistentIndex
        if let confState = summary.confState { state.confState = confState }
        state.hardState.commit = max(state.hardState.commit, state.applied)
        let ids = RequestIDSource(member: Self.identity.member, startMilliseconds: 1)
        let (settings, disk, others) = (settings, disk, others)
        let restoredState = state
        return try core.turn {
            let watches = WatchHub(
                Self.identity, store: store, settings: settings.watch, on: core,
                random: SeededRandom(seed: 1))
            var applierSettings = Applier.Settings(
                name: "m0", clientURLs: ["http://c:1"], quotaBytes: settings.quotaBytes,
                reportedQuota: settings.quotaBytes ?? -1,
                requestTimeoutNanoseconds: 7_000_000_000, leases: settings.leases)
            applierSettings.maxLearners = settings.maxLearners
            applierSettings.checksReconfiguration = settings.checksReconfiguration
            applierSettings.defragmentsOutOfService = settings.defragmentsOutOfService
            let applier = try Applier(
                Self.identity, settings: applierSettings, store: store, watches: watches,
                leasedKeys: summary.leases, ids: ids, on: core,
                events: events, others: others,
                logger: logger)
            let raft = try RaftNode(
                id: Self.identity.member, options: settings.options, restoring: restoredState,
                on: core, store: disk, peers: others, machine: applier,
                random: SeededRandom(seed: 1), logger: logger)
            applier.assumeIsolated { $0.attach(raft) }
            return Life(
                core: core, committer: committer, events: events, store: store,
                applier: applier, raft: raft,
                gate: ProposalGate(
                    raft: raft, applier: applier, ids: ids,
                    maxRequestBytes: settings.maxRequestBytes),
                reads: ReadGate(raft: raft, applier: applier),
                services: ClientServices(
                    raft: raft, applier: applier, ids: ids,
                    maxRequestBytes: settings.maxRequestBytes, clock: PlayedClock(),
                    isPeerURL: { $0.hasPrefix("http://") }),
                maxTxnOperations: settings.maxTxnOperations)
        }
    }

    func start() { life.core.turn { life.raft.assumeIsolated { $0.start() } } }

    // MARK: Dying

    /// The process ends between two instructions: what waits is never run.
    private func die() {
        guard let life = current else { return }
        life.core.die()
        life.committer.die()
        disk.die()
        life.core.turn { life.applier.assumeIsolated { $0.detach() } }
        current = nil
    }

    /// Dies and starts again from what is on the disks.
    func crash() throws {
        weak let old = current?.store
        die()
        try #require(old == nil, "somebody keeps the old store open")
        var restored = disk.restored
        restored.confState = ConfState(voters: [Self.identity.member])
        current = try makeLife(restored)
        start()
    }

    // MARK: Time and disks

    func advance(milliseconds: UInt64) { life.core.advance(byMilliseconds: milliseconds) }

    /// The store's disk does what is asked of it, once around.
    func runCommitter() {
        life.committer.runUntilIdle()
        life.core.runUntilIdle()
    }

    /// All that is applied becomes durable.
    func commit() {
        let (core, store) = (life.core, life.store)
        core.turn { store.assumeIsolated { $0.flush { _ in } } }
        let applied = nextIndex.previous
        for _ in 0..<8 where durableIndex < applied { runCommitter() }
        precondition(durableIndex >= applied, "the store did not commit")
    }

    var durableIndex: LogIndex {
        life.core.turn { life.store.assumeIsolated { $0.durable.index } }
    }

    // MARK: Callers

    /// Makes one call in a turn of its own.
    @discardableResult
    func call(_ begin: (Life, Caller) -> Void) -> Caller {
        let number = calls
        calls += 1
        let caller = Caller { [weak self] in self?.answered.append(number) }
        life.core.turn { begin(life, caller) }
        return caller
    }

    @discardableResult
    func put(_ request: [UInt8]) -> Caller {
        call { life, caller in request.withUnsafeBytes { life.kv.put($0, caller) } }
    }

    @discardableResult
    func put(_ key: String, _ value: String) -> Caller { put(Request.put(key, value)) }

    func delete(_ request: [UInt8]) -> Caller {
        call { life, caller in request.withUnsafeBytes { life.kv.deleteRange($0, caller) } }
    }

    func range(_ request: [UInt8]) -> Caller {
        call { life, caller in request.withUnsafeBytes { life.kv.range($0, caller) } }
    }

    func compact(_ revision: Int64, isPhysical: Bool = false) -> Caller {
        let request = Request.compact(revision, isPhysical: isPhysical)
        return call { life, caller in request.withUnsafeBytes { life.kv.compact($0, caller) } }
    }

    func alarm(_ request: [UInt8]) -> Caller {
        call { life, caller in request.withUnsafeBytes { life.maintenance.alarm($0, caller) } }
    }

    /// All pairs, as text.
    func everything() throws -> String {
        let caller = range(Request.range("\0", to: "\0", isSerializable: true))
        guard let bytes = caller.message else { return "\(caller.answers)" }
        return try Response.range(bytes)
    }

    /// Applies entries that did not come through this member's Raft.
    func applyForeign(_ entries: [Entry]) {
        let batch = entries.map { CommittedEntry(entry: $0, proposal: nil) }
        life.core.turn { _ = life.applier.apply(batch) }
    }

    /// What `read` sees of the applied state.
    func state<Result: Sendable>(_ read: @Sendable (isolated Applier) -> Result) -> Result {
        let (core, applier) = (life.core, life.applier)
        return core.turn { applier.assumeIsolated(read) }
    }

    /// The place behind the last applied entry.
    var nextIndex: LogIndex {
        life.core.turn { life.raft.assumeIsolated { $0.status.applied.next } }
    }

    func header(_ revision: Int64, term: UInt64 = 2) -> HeaderFields {
        HeaderFields(
            cluster: Self.identity.cluster, member: Self.identity.member,
            revision: Revision(revision), term: Term(term))
    }
}
