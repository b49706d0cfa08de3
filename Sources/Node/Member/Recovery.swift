// From a data directory to what Raft and the applied state start from.
//
// The store's file holds the effects of all entries up to its consistent index; the log holds the
// entries from some snapshot record at or before that. What the log has behind the index is
// applied again once it is known to be committed (docs/architecture.md, Recovery).

import API
import Consensus
import Logging
import Services
import Storage

/// What a data directory held, opened.
struct RecoveredMember: Sendable {
    let identity: Applier.Identity
    let store: MVCCStore
    let summary: StoreSummary
    let log: WriteAheadLog
    let raft: RestoredState
    /// A write that a crash had torn and that was cut off.
    let repair: WALRepair?
    /// The newest snapshot record that recovery started from.
    let snapshot: LogIndex
    /// The store was another member's snapshot, which a crash had kept from its place.
    var hasTakenSnapshot = false
    let isNew: Bool
    /// Keeps other processes out while it lives.
    let lock: DirectoryLock

    /// The lines etcd's log has at this point.
    func describe(_ configuration: Configuration, to logger: Logger) {
        if let repair {
            logger.warning(
                "cut off a write that a crash had torn",
                metadata: .fields([
                    "path": .string(repair.file), "offset": .int(Int64(repair.offset)),
                ]))
        }
        if hasTakenSnapshot {
            logger.info(
                "Recovering from snapshot backend",
                metadata: .fields(["snapshot-index": .uint(summary.consistentIndex.rawValue)]))
        }
        logger.info(
            "kvstore restored",
            metadata: .fields(["current-rev": .int(summary.revision.rawValue)]))
        logger.info(
            isNew ? "starting local member" : "restarting local member",
            metadata: .fields([
                "local-member-id": .string(identity.member.hex),
                "cluster-id": .string(identity.cluster.hex),
                "commit-index": .uint(raft.hardState.commit.rawValue),
                "applied-index": .uint(raft.applied.rawValue),
            ]))
    }
}

/// Why a member cannot start from what is on its disk.
struct RecoveryError: Error, CustomStringConvertible {
    let description: String
}

/// Opens or creates what is in the data directory. Blocks on the disk.
struct Recovery {
    let configuration: Configuration
    let executors: ExecutorTable
    let observeSync: @Sendable (UInt64) -> Void
    private let files = SystemFiles()

    init(
        _ configuration: Configuration, executors: ExecutorTable,
        observeSync: @escaping @Sendable (UInt64) -> Void
    ) {
        self.configuration = configuration
        self.executors = executors
        self.observeSync = observeSync
    }

    func open() throws -> RecoveredMember {
        let directory = DataDirectory(configuration, files)
        try directory.create()
        let lock = try directory.lock()
        let wal = walConfiguration
        let hasLog = try WriteAheadLog.exists(wal)
        if !hasLog, try files.exists(storeConfiguration.path) {
            throw RecoveryError(
                description: "the store \(storeConfiguration.path) is there, but its log "
                    + "\(wal.directory) is not")
        }
        return hasLog ? try reopen(wal, lock) : try create(wal, lock)
    }

    // MARK: A new member

    private func create(_ wal: WALConfiguration, _ lock: DirectoryLock) throws -> RecoveredMember {
        let founder = try configuration.foundingMember()
        let (log, recovery) = try WriteAheadLog.create(
            wal, metadata: WALMetadata(member: founder.id, cluster: founder.clusterID),
            on: executors.log)
        let (store, summary) = try openStore()
        return try found(log, recovery, store, summary, lock)
    }

    /// The state every first member of a cluster begins with, not on disk yet.
    private func found(
        _ log: WriteAheadLog, _ recovery: WALRecovery, _ store: MVCCStore,
        _ summary: StoreSummary, _ lock: DirectoryLock
    ) throws -> RecoveredMember {
        let founder = try configuration.foundingMember()
        let identity = Applier.Identity(cluster: founder.clusterID, member: founder.id)
        guard summary.consistentIndex == .zero else {
            throw RecoveryError(
                description: "the store has applied entry \(summary.consistentIndex.rawValue), but "
                    + "the log in \(configuration.walDirectory) is empty")
        }
        let metadata = WALMetadata(member: identity.member, cluster: identity.cluster)
        guard recovery.metadata == metadata else {
            throw RecoveryError(
                description: "the log in \(configuration.walDirectory) is empty and of member "
                    + "\(recovery.metadata.member.hex), not of \(identity.member.hex)")
        }
        let member = ClusterMember(id: founder.id, peerURLs: founder.peerURLs, name: founder.name)
        let change = ConfChange(
            kind: .addNode, node: founder.id, context: Array(member.json.description.utf8))
        var bytes = ByteBuffer()
        change.encode(into: &bytes)
        let first = FirstMember(id: founder.id, change: bytes.array)
        return RecoveredMember(
            identity: identity, store: store, summary: summary, log: log,
            raft: .newCluster(of: [first]), repair: recovery.repair,
            snapshot: recovery.snapshot.index, isNew: true, lock: lock)
    }

    // MARK: A member that has run before

    private func reopen(_ wal: WALConfiguration, _ lock: DirectoryLock) throws -> RecoveredMember {
        // Only the store knows which snapshot record to start from.
        let incoming = try incomingSnapshot()
        let path = storeConfiguration.path
        let start = try incoming?.index ?? IncomingSnapshot.indexOfStore(at: path)
        let (log, recovery) = try WriteAheadLog.open(
            wal, from: .newestSnapshot(notAfter: start), on: executors.log)
        let isRecorded =
            incoming.map {
                $0.index == recovery.snapshot.index && $0.term == recovery.snapshot.term
            }
            ?? false
        if isRecorded { try IncomingSnapshot.install(at: path) }
        let (store, summary) = try openStore()
        guard recovery.newestSnapshot.index <= summary.consistentIndex else {
            throw RecoveryError(
                description: "the log goes on behind the snapshot of entry "
                    + "\(recovery.newestSnapshot.index.rawValue), but that is not there, and the "
                    + "store holds entry \(summary.consistentIndex.rawValue)")
        }
        IncomingSnapshot.removeAll(at: path)
        if recovery.entries.isEmpty && recovery.hardState.isEmpty {
            // Killed between the making of the log and the founding write: found again.
            return try found(log, recovery, store, summary, lock)
        }
        let identity = Applier.Identity(
            cluster: recovery.metadata.cluster, member: recovery.metadata.member)
        return RecoveredMember(
            identity: identity, store: store, summary: summary, log: log,
            raft: try restoredState(recovery, summary, identity), repair: recovery.repair,
            snapshot: recovery.snapshot.index, hasTakenSnapshot: isRecorded, isNew: false,
            lock: lock)
    }

    /// A snapshot that came before a crash, if it is newer than the store. The log says whether it
    /// is the state: whether it has the record of its place.
    private func incomingSnapshot() throws(StoreError) -> IncomingSnapshot? {
        let path = storeConfiguration.path
        guard let found = try IncomingSnapshot.find(at: path) else { return nil }
        return try found.index > IncomingSnapshot.indexOfStore(at: path) ? found : nil
    }

    private func restoredState(
        _ recovery: WALRecovery, _ summary: StoreSummary, _ identity: Applier.Identity
    ) throws -> RestoredState {
        let applied = summary.consistentIndex
        let last = recovery.entries.last?.index ?? recovery.snapshot.index
        guard applied <= last else {
            throw RecoveryError(
                description: "the store has applied entry \(applied.rawValue), but the log ends at "
                    + "\(last.rawValue): the log has lost what it had acknowledged")
        }
        // Everything applied was committed; a commit index alone is not always synced.
        var hardState = recovery.hardState
        hardState.commit = max(hardState.commit, applied)
        // A crash may have come between the founding write and its first commit in the store.
        let confState =
            summary.confState ?? recovery.snapshot.confState
            ?? ConfState(voters: [identity.member])
        guard confState.voters.contains(identity.member) else {
            throw RecoveryError(
                description: "member \(identity.member.hex) has no vote in its own cluster, whose "
                    + "voters are \(confState.voters.map(\.hex).joined(separator: ", "))")
        }
        let compacted = compactedPosition(recovery, applied)
        return RestoredState(
            hardState: hardState, confState: confState, compacted: compacted,
            entries: recovery.entries.filter { $0.index > compacted.index }, applied: applied)
    }

    /// Entries that are applied are not needed in memory.
    private func compactedPosition(_ recovery: WALRecovery, _ applied: LogIndex) -> LogPosition {
        guard let entry = recovery.entries.first(where: { $0.index == applied }) else {
            return LogPosition(index: recovery.snapshot.index, term: recovery.snapshot.term)
        }
        return LogPosition(index: entry.index, term: entry.term)
    }

    // MARK: Files

    private var walConfiguration: WALConfiguration {
        var wal = WALConfiguration(directory: configuration.walDirectory)
        wal.observeSync = observeSync
        // Raft bounds what is under way (RaftNodeOptions.maxProposalBytes) and takes a refused write
        // for a failed disk, which it must not be only because a large one waits behind another.
        wal.mailboxBytes = .max / 2
        return wal
    }

    private var storeConfiguration: StoreConfiguration {
        StoreConfiguration(
            path: configuration.dataDirectory + "/" + StoreConfiguration.fileName,
            quotaBytes: configuration.storage.quotaBytes ?? -1,
            batchIntervalNanoseconds: configuration.storage.batchIntervalNanoseconds,
            batchLimit: configuration.storage.batchLimit)
    }

    private func openStore() throws(StoreError) -> (store: MVCCStore, summary: StoreSummary) {
        try MVCCStore.open(
            storeConfiguration, on: executors.main, committingOn: executors.backend)
    }
}
