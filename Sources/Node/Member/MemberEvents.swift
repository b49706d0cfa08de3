// What happens to the applied state, told to those who run the member: log lines that scripts wait
// for (reference: process.md) and metrics.

import API
import Consensus
import Logging
import Services
import Storage

/// Why a member stops by itself.
public enum MemberEnd: Sendable {
    /// The cluster goes on without it, for good.
    case removed
}

/// On the executor of the applied state, but for `whenReady` and `whenEnded`.
final class MemberEvents: ApplierEvents {
    let identity: Applier.Identity
    let metrics: ServerMetrics
    let logger: Logger
    private let clock: any WallClock
    private let fail: @Sendable (_ reason: String) -> Never
    typealias Ready = @Sendable (Result<Void, any Error>) -> Void
    typealias Ended = @Sendable (MemberEnd) -> Void

    private struct State {
        var hasPublished = false
        var hasVersion = false
        var ready: Ready?
        var keeper: LogKeeper?
        var peers: ClusterPeers?
        var wasRemoved = false
        var ended: Ended?
    }
    private let state = Locked(State())

    init(
        _ identity: Applier.Identity, metrics: ServerMetrics, logger: Logger,
        clock: any WallClock = SystemClock(),
        fail: @escaping @Sendable (_ reason: String) -> Never = MemberCapabilities.exit
    ) {
        self.clock = clock
        self.fail = fail
        self.identity = identity
        self.metrics = metrics
        self.logger = logger
    }

    /// The cluster's version was decided before this start.
    func hasVersion(_ version: String) {
        metrics.setClusterVersion(Self.short(version))
        state.withLock { $0.hasVersion = true }
    }

    /// Major and minor of `X.Y.Z`.
    private static func short(_ version: String) -> String {
        version.split(separator: ".").prefix(2).joined(separator: ".")
    }

    /// Calls `ready` once: when the member has published itself and the cluster has a version, or
    /// when the log has failed before that, so that it never will.
    func whenReady(_ ready: @escaping Ready) {
        state.withLock { $0.ready = ready }
    }

    /// The keeper is told of commits.
    func follow(_ keeper: LogKeeper) { state.withLock { $0.keeper = keeper } }

    /// The links are told of changes.
    func follow(_ peers: ClusterPeers) { state.withLock { $0.peers = peers } }

    /// Calls `ended` once: when the member has no place in its cluster any more.
    func whenEnded(_ ended: @escaping Ended) {
        let wasRemoved = state.withLock { state in
            if !state.wasRemoved { state.ended = ended }
            return state.wasRemoved
        }
        if wasRemoved { ended(.removed) }
    }

    private func checkReady() {
        let ready = state.withLock { state -> Ready? in
            guard state.hasPublished, state.hasVersion else { return nil }
            return state.ready.take()
        }
        ready?(.success(()))
    }

    // MARK: ApplierEvents

    func membershipChanged(_ change: MembershipChange, to membership: Membership) {
        var fields: LogFields = [
            "cluster-id": .string(identity.cluster.hex),
            "local-member-id": .string(identity.member.hex),
        ]
        switch change {
        case .add(let member):
            fields.append("added-peer-id", .string(member.id.hex))
            fields.append("added-peer-peer-urls", .strings(member.peerURLs))
            fields.append("added-peer-is-learner", .bool(member.isLearner))
            logger.info("added member", metadata: .fields(fields))
        case .promote(let member):
            fields.append("promoted-member-id", .string(member.hex))
            logger.info("promote member", metadata: .fields(fields))
        case .update(let member):
            fields.append("updated-remote-peer-id", .string(member.id.hex))
            fields.append("updated-remote-peer-urls", .strings(member.peerURLs))
            logger.info("updated member", metadata: .fields(fields))
        case .remove(let member):
            fields.append("removed-remote-peer-id", .string(member.hex))
            logger.info("removed member", metadata: .fields(fields))
        }
        state.withLock { $0.peers }?.membershipChanged(change, to: membership)
        if change == .remove(identity.member) { removed() }
    }

    /// Another member says that this one was removed: it may not hear so from the log any more.
    func wasRemoved(saidBy member: MemberID) {
        logger.warning(
            "another member says that this one was removed from the cluster",
            metadata: .fields([
                "local-member-id": .string(identity.member.hex),
                "remote-peer-id": .string(member.hex),
            ]))
        removed()
    }

    private func removed() {
        let end = state.withLock { state -> Ended? in
            state.wasRemoved = true
            return state.ended.take()
        }
        end?(.removed)
    }

    func attributesPublished(_ member: ClusterMember) {
        guard member.id == identity.member else { return }
        logger.info(
            "published local member to cluster through raft",
            metadata: .fields([
                "local-member-id": .string(member.id.hex),
                "local-member-attributes": .string(
                    "{Name:\(member.name) ClientURLs:\(member.clientURLs)}"),
                "cluster-id": .string(identity.cluster.hex),
            ]))
        state.withLock { $0.hasPublished = true }
        checkReady()
    }

    func clusterVersionChanged(from old: String?, to new: String) {
        let short = Self.short(new)
        logger.info(
            old == nil ? "set initial cluster version" : "updated cluster version",
            metadata: .fields([
                "cluster-id": .string(identity.cluster.hex),
                "local-member-id": .string(identity.member.hex),
                "cluster-version": .string(short),
            ]))
        metrics.setClusterVersion(short)
        state.withLock { $0.hasVersion = true }
        checkReady()
    }

    func alarmChanged(_ alarm: AlarmFields, isActive: Bool) {
        metrics.setAlarm(alarm, isActive: isActive)
        logger.warning(
            isActive ? "alarm raised" : "alarm disarmed",
            metadata: .fields([
                "alarm": .string(alarm.text), "from": .string(alarm.member.hex),
            ]))
    }

    func stateReplaced(by snapshot: SnapshotDescription, _ membership: Membership) {
        logger.info(
            "applied snapshot",
            metadata: .fields([
                "current-snapshot-index": .uint(snapshot.index.rawValue),
                "current-rev": .int(snapshot.revision.rawValue),
            ]))
        state.withLock { $0.peers }?.membershipReplaced(by: membership)
        guard let clusterVersion = membership.clusterVersion else { return }
        metrics.setClusterVersion(Self.short(clusterVersion))
        state.withLock { $0.hasVersion = true }
        checkReady()
    }

    func storeCommitted(_ event: CommitEvent) {
        switch event {
        case .committed(_, let nanoseconds): metrics.disk.backendCommit.observe(nanoseconds)
        case .failed(let error):
            logger.critical(
                "failed to commit the store", metadata: .fields(["error": .string("\(error)")]))
            // Nothing is lost, the log has it all; but no commit will follow, and a start may help.
            fail("failed to commit the store: \(error)")
        }
    }

    func storeCompacted(_ event: CompactionEvent) {
        switch event {
        case .slice(let nanoseconds, let isOfIndex):
            (isOfIndex ? metrics.store.indexCompactionPauses : metrics.store.compactionPauses)
                .observe(nanoseconds)
        case .finished(let report):
            metrics.store.compactedRevisions.increment(by: UInt64(report.deletedRecords))
            metrics.store.compactionTime.observe(report.nanoseconds)
            metrics.store.lastCompaction.set(
                Int64(clamping: clock.nanosecondsSinceEpoch / 1_000_000_000))
            var fields: LogFields = [
                "compact-revision": .int(report.revision.rawValue),
                "took": .duration(report.nanoseconds),
                "deleted-revisions": .int(Int64(report.deletedRecords)),
            ]
            if let hash = report.hash { fields.append("hash", .uint(UInt64(hash.value))) }
            logger.info("finished scheduled compaction", metadata: .fields(fields))
        case .failed(let error):
            logger.critical(
                "failed to compact the store", metadata: .fields(["error": .string("\(error)")]))
        }
    }

    func storeDefragmentation(_ event: DefragmentationEvent) {
        switch event {
        case .began:
            metrics.disk.defragmentsInFlight.add(1)
            logger.info("starting defragmentation")
        case .finished(let report):
            metrics.disk.defragmentsInFlight.add(-1)
            metrics.disk.defragmentation.observe(report.nanoseconds)
            logger.info(
                "finished defragmenting directory",
                metadata: .fields([
                    "current-db-size-bytes-diff": .int(report.after.total - report.before.total),
                    "current-db-size-bytes": .int(report.after.total),
                    "current-db-size-in-use-bytes": .int(report.after.inUse),
                    "took": .duration(report.nanoseconds),
                ]))
        case .failed(let error):
            metrics.disk.defragmentsInFlight.add(-1)
            logger.error(
                "failed to defragment", metadata: .fields(["error": .string("\(error)")]))
        }
    }

    func autoCompaction(_ event: AutoCompactionEvent, _ policy: CompactionPolicy) {
        func fields(_ revision: Revision) -> LogFields {
            switch policy {
            case .periodic(let period):
                [
                    "revision": .int(revision.rawValue),
                    "compact-period": .duration(period),
                ]
            case .revisions(let retained):
                [
                    "revision": .int(revision.rawValue),
                    "revision-compaction-retention": .int(retained),
                ]
            }
        }
        let name = if case .periodic = policy { "periodic" } else { "revision" }
        switch event {
        case .starting(let revision):
            logger.info(
                "starting auto \(name) compaction", metadata: .fields(fields(revision)))
        case .completed(let revision, let took):
            var fields = fields(revision)
            fields.append("took", .duration(took))
            logger.info("completed auto \(name) compaction", metadata: .fields(fields))
        case .failed(let revision, let status, let retryAfter):
            var fields = fields(revision)
            fields.append("retry-interval", .duration(retryAfter))
            fields.append("error", .string(status.message))
            logger.warning("failed auto \(name) compaction", metadata: .fields(fields))
        }
    }

    /// The member must not go on starting.
    func cannotServe(_ reason: any Error) {
        let ready = state.withLock { $0.ready.take() }
        ready?(.failure(reason))
    }

    func storeHolds(_ durable: CommittedState, confState: ConfState) {
        state.withLock { $0.keeper }?.committed(durable, confState: confState)
    }

    func leaderChanged(to leader: MemberID, term: Term) {
        metrics.raft.hasLeader.set(leader == .none ? 0 : 1)
        metrics.raft.isLeader.set(leader == identity.member ? 1 : 0)
        if leader != .none { metrics.raft.leaderChanges.increment() }
    }

    func logFailed(_ failure: EntryStoreFailure) {
        logger.error(
            "the write-ahead log failed; no writes are taken until this member is started again",
            metadata: .fields(["error": .string("\(failure)")]))
        cannotServe(failure)
    }

    /// The store's file is not as it was written. From any thread.
    func storeIsDamaged(_ error: StoreError) -> Never {
        logger.critical(
            "the store's file is damaged; the member stops before anything of it is served",
            metadata: .fields(["error": .string("\(error)")]))
        fail("\(error)")
    }

    func cannotApply(_ index: LogIndex, _ reason: String) -> Never {
        logger.critical(
            "cannot apply an entry; the member stops, for no later one may be applied",
            metadata: .fields(["index": .uint(index.rawValue), "error": .string(reason)]))
        fail("cannot apply entry \(index.rawValue): \(reason)")
    }
}
