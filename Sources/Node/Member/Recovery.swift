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
    /// The other members, as far as the applied state does not tell: of a member that is new.
    let others: [ClusterMember]
    /// A write that a crash had torn and that was cut off.
    let repair: WALRepair?
    /// The newest snapshot record that recovery started from.
    let snapshot: LogIndex
    /// The store was another member's snapshot, which a crash had kept from its place.
    var hasTakenSnapshot = false
    /// The log is an etcd's, and all that it holds is applied to a store that has nothing yet.
    var replaysEtcd = false
    /// What it took to go on without the others, if that was asked for (-force-new-cluster).
    var forced: ForcedCluster?
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
        if replaysEtcd {
            logger.warning(
                "found the data of an etcd: replaying all of its log into a store of Cairn's own",
                metadata: .fields(["etcd-store": .string(configuration.etcdStorePath)]))
        }
        if let forced {
            logger.warning(
                "forcing restart member",
                metadata: .fields([
                    "local-member-id": .string(identity.member.hex),
                    "removed-members": .strings(forced.removed.map(\.hex)),
                    "number-of-discarded-entries": .int(Int64(forced.discarded)),
                ]))
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
    let capabilities: MemberCapabilities
    let observeSync: @Sendable (UInt64) -> Void
    let observeWrite: @Sendable (UInt64) -> Void
    var observeSnapshot: (@Sendable (UInt64, UInt64, UInt64) -> Void)?
    /// Told when the store's file is an earlier version's.
    var observeConversion: @Sendable (ConversionEvent) -> Void = { _ in }
    /// Who belongs to the cluster, asked of a member that has no data yet.
    let firstMembers: () throws -> FirstMembers
    private var files: any FileSystem { capabilities.files }
    private var executors: MemberExecutors { capabilities.executors }

    init(
        _ configuration: Configuration, _ capabilities: MemberCapabilities,
        observeSync: @escaping @Sendable (UInt64) -> Void,
        observeWrite: @escaping @Sendable (UInt64) -> Void = { _ in },
        firstMembers: @escaping () throws -> FirstMembers
    ) {
        self.configuration = configuration
        self.capabilities = capabilities
        self.observeSync = observeSync
        self.observeWrite = observeWrite
        self.firstMembers = firstMembers
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
        if !hasLog, try files.exists(configuration.etcdStorePath) {
            throw foreignData("it has no log in \(wal.directory)")
        }
        return hasLog ? try reopen(wal, lock) : try create(wal, lock)
    }

    // MARK: A new member

    private func create(_ wal: WALConfiguration, _ lock: DirectoryLock) throws -> RecoveredMember {
        let first = try firstMembers()
        let (log, recovery) = try WriteAheadLog.create(
            wal, metadata: WALMetadata(member: first.own, cluster: first.cluster),
            on: executors.log)
        let (store, summary) = try openStore()
        return try begin(first, log, recovery, store, summary, lock)
    }

    /// The state a member begins with, not on disk yet: a founder's, or that of one who joins and
    /// hears everything from the others.
    private func begin(
        _ first: FirstMembers, _ log: WriteAheadLog, _ recovery: WALRecovery, _ store: MVCCStore,
        _ summary: StoreSummary, _ lock: DirectoryLock
    ) throws -> RecoveredMember {
        let identity = Applier.Identity(cluster: first.cluster, member: first.own)
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
        let state =
            configuration.joinsExisting
            ? RestoredState() : .newCluster(of: first.members.map(FirstMember.init))
        return RecoveredMember(
            identity: identity, store: store, summary: summary, log: log, raft: state,
            others: first.others, repair: recovery.repair, snapshot: recovery.snapshot.index,
            isNew: true, lock: lock)
    }

    // MARK: A member that has run before

    private func reopen(_ wal: WALConfiguration, _ lock: DirectoryLock) throws -> RecoveredMember {
        // Only the store knows which snapshot record to start from.
        let incoming = try incomingSnapshot()
        let path = storeConfiguration.path
        let isEtcd = try files.exists(configuration.etcdStorePath) && !files.exists(path)
        let start = try incoming?.index ?? IncomingSnapshot.indexOfStore(at: path)
        let (log, recovery) = try openLog(wal, start, isEtcd: isEtcd)
        let isRecorded =
            incoming.map {
                $0.index == recovery.snapshot.index && $0.term == recovery.snapshot.term
            }
            ?? false
        if isEtcd, recovery.newestSnapshot.index > .zero {
            throw foreignData(
                "its log goes on behind a snapshot, that of entry "
                    + "\(recovery.newestSnapshot.index.rawValue)")
        }
        if isRecorded { try IncomingSnapshot.install(at: path) }
        let (store, summary) = try openStore()
        guard recovery.newestSnapshot.index <= summary.consistentIndex else {
            throw RecoveryError(
                description: "the log goes on behind the snapshot of entry "
                    + "\(recovery.newestSnapshot.index.rawValue), but that is not there, and the "
                    + "store holds entry \(summary.consistentIndex.rawValue)")
        }
        IncomingSnapshot.removeAll(at: path)
        if recovery.hardState.isEmpty {
            // Killed before the first write was whole, whose last record is the hard state: nothing
            // was promised. What there is of it is written again.
            return try begin(try firstMembers(), log, recovery, store, summary, lock)
        }
        let identity = Applier.Identity(
            cluster: recovery.metadata.cluster, member: recovery.metadata.member)
        let state = try restoredState(recovery, summary, identity)
        let forced = try forcedCluster(of: identity.member, state, log)
        return RecoveredMember(
            identity: identity, store: store, summary: summary, log: log,
            raft: forced?.state ?? state, others: [], repair: recovery.repair,
            snapshot: recovery.snapshot.index, hasTakenSnapshot: isRecorded,
            replaysEtcd: isEtcd, forced: forced, isNew: false, lock: lock)
    }

    private func openLog(
        _ wal: WALConfiguration, _ start: LogIndex, isEtcd: Bool
    ) throws -> (WriteAheadLog, WALRecovery) {
        do {
            return try WriteAheadLog.open(
                wal, from: .newestSnapshot(notAfter: start), on: executors.log)
        } catch {
            guard isEtcd else { throw error }
            throw foreignData("its log cannot be read from its beginning (\(error))")
        }
    }

    /// The directory is an etcd's, and what is needed of it is in a store that is not read here.
    private func foreignData(_ reason: String) -> RecoveryError {
        RecoveryError(
            description: "\(configuration.dataDirectory) is the data directory of an etcd, whose "
                + "store, \(configuration.etcdStorePath), Cairn does not read, and \(reason): "
                + "start with an empty data directory, and copy the keys from the running etcd "
                + "with `etcdctl make-mirror`")
    }

    /// The changes that leave this member alone are in the log when Raft starts: they count as
    /// committed, so they must not be lost.
    private func forcedCluster(
        of member: MemberID, _ state: RestoredState, _ log: WriteAheadLog
    ) throws -> ForcedCluster? {
        guard configuration.bootstrap.forcesNewCluster else { return nil }
        let forced = try ForcedCluster(of: member, from: state)
        let batch = WALBatch(
            entries: forced.added, hardState: forced.state.hardState, mustSync: true)
        try waitFor { done in
            do throws(WALError) { try log.persist(batch) { done($0.mapError { $0 }) } } catch {
                done(.failure(error))
            }
        }
        return forced
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
        #if CAIRN_BUGS
            let applied =
                DeliberateBug.made == .applyTwice
                    && summary.consistentIndex > recovery.snapshot.index
                ? summary.consistentIndex.previous : summary.consistentIndex
        #else
            let applied = summary.consistentIndex
        #endif
        let last = recovery.entries.last?.index ?? recovery.snapshot.index
        guard applied <= last else {
            throw RecoveryError(
                description: "the store has applied entry \(applied.rawValue), but the log ends at "
                    + "\(last.rawValue): the log has lost what it had acknowledged")
        }
        // Everything applied was committed; a commit index alone is not always synced.
        var hardState = recovery.hardState
        hardState.commit = max(hardState.commit, applied)
        let confState =
            summary.confState ?? recovery.snapshot.confState ?? foundingState(recovery.entries)
        let isAlone = confState.voters == [identity.member] && confState.learners.isEmpty
        let compacted = compactedPosition(recovery, applied, isAlone: isAlone)
        return RestoredState(
            hardState: hardState, confState: confState, compacted: compacted,
            entries: recovery.entries.filter { $0.index > compacted.index }, applied: applied)
    }

    /// Who has a say before the store's first commit: the members whom a new cluster's first
    /// entries name, at founders and at those who joined later. A founder has all of these or none.
    private func foundingState(_ entries: [Entry]) -> ConfState {
        let founding = entries.prefix { $0.kind == .configurationChange && $0.term == Term(1) }
        let voters = founding.compactMap { entry in
            ConfChangeV2(entry.kind, data: entry.data)?.changes.first?.node
        }
        return ConfState(voters: Set(voters).sorted())
    }

    /// Entries that are applied are kept in memory for members that lag, and for those only.
    private func compactedPosition(
        _ recovery: WALRecovery, _ applied: LogIndex, isAlone: Bool
    ) -> LogPosition {
        let kept = isAlone ? 0 : configuration.raft.snapshotCatchUpEntries
        let wanted = LogIndex(applied.rawValue - min(applied.rawValue, kept))
        guard let entry = recovery.entries.first(where: { $0.index == wanted }) else {
            return LogPosition(index: recovery.snapshot.index, term: recovery.snapshot.term)
        }
        return LogPosition(index: entry.index, term: entry.term)
    }

    // MARK: Files

    private var walConfiguration: WALConfiguration {
        var wal = WALConfiguration(directory: configuration.walDirectory, files: files)
        wal.clock = { [stopwatch = capabilities.stopwatch] in
            MonotonicTime(nanoseconds: stopwatch())
        }
        wal.observeSync = observeSync
        wal.observeWrite = observeWrite
        wal.observeSnapshot = observeSnapshot
        // Raft bounds what is under way (RaftNodeOptions.maxProposalBytes) and takes a refused write
        // for a failed disk, which it must not be only because a large one waits behind another.
        wal.mailboxBytes = .max / 2
        capabilities.adjustLog(&wal)
        return wal
    }

    private var storeConfiguration: StoreConfiguration {
        var store = StoreConfiguration(
            path: configuration.storePath,
            quotaBytes: configuration.storage.quotaBytes ?? -1,
            batchIntervalNanoseconds: configuration.storage.batchIntervalNanoseconds,
            batchLimit: configuration.storage.batchLimit)
        store.observeConversion = observeConversion
        return store
    }

    private func openStore() throws(StoreError) -> (store: MVCCStore, summary: StoreSummary) {
        try MVCCStore.open(
            storeConfiguration, on: executors.main, committingOn: executors.backend)
    }
}

extension FirstMember {
    fileprivate init(_ member: ClusterMember) {
        let change = ConfChange(
            kind: .addNode, node: member.id, context: Array(member.json.description.utf8))
        var bytes = ByteBuffer()
        change.encode(into: &bytes)
        self.init(id: member.id, change: bytes.array)
    }
}

extension Configuration {
    /// The file of the store.
    var storePath: String { dataDirectory + "/" + StoreConfiguration.fileName }
    /// Where an etcd has its own.
    var etcdStorePath: String { memberDirectory + "/snap/db" }
}
