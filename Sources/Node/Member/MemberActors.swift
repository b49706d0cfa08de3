// The actors of a member, wired: Raft proposes to the log and applies to the state, services
// propose to Raft and read the state, the keeper shortens the log behind the store.

import API
import Consensus
import Logging
import Services
import Storage
import Transport

/// Raft and what it drives, not started yet.
struct MemberActors: Sendable {
    let identity: Applier.Identity
    let store: MVCCStore
    let log: WriteAheadLog
    let applier: Applier
    let watches: WatchHub
    let raft: RaftNode
    let services: ClientServices
    let events: MemberEvents
    let peers: ClusterPeers
    let snapshotter: MemberSnapshotter
    let clock: any WallClock
    /// Nil when the operator wants none.
    let autoCompactor: AutoCompactor?
    let corruption: CorruptionChecker

    /// On the main executor, which is the dialer's.
    /// - Parameter loggerOf: the logger of a part; of the member itself for "".
    init(
        _ recovered: RecoveredMember, _ configuration: Configuration,
        _ capabilities: MemberCapabilities, dialer: any StreamDialer, metrics: ServerMetrics,
        loggerOf: (_ part: String) -> Logger
    ) throws {
        let executor = capabilities.executors.main
        let random = capabilities.random
        clock = capabilities.clock
        identity = recovered.identity
        store = recovered.store
        log = recovered.log
        let logger = loggerOf("")
        let ids = RequestIDSource(
            member: identity.member,
            startMilliseconds: capabilities.clock.nanosecondsSinceEpoch / 1_000_000)
        events = MemberEvents(
            identity, metrics: metrics, logger: logger, clock: capabilities.clock,
            fail: capabilities.fail)
        let links = PeerLinks(
            cluster: identity.cluster, member: identity.member,
            urls: configuration.advertised.peer.map(\.description), dialer: dialer,
            random: random)
        let raftPeers = RaftPeers(
            member: identity.member, links: links,
            metrics: PeerMetrics(metrics.registry, own: identity.member), logger: logger,
            // The events hold the links.
            onRemoval: { [weak events] in events?.wasRemoved(saidBy: $0) })
        peers = ClusterPeers(raftPeers, own: identity.member)
        watches = WatchHub(
            identity, store: store,
            settings: WatchSettings(configuration, stopwatch: capabilities.stopwatch),
            on: executor, random: random, counters: WatchCounters(metrics.watch))
        applier = try Applier(
            identity, settings: Applier.Settings(configuration), store: store, watches: watches,
            leasedKeys: recovered.summary.leases, ids: ids, on: executor, events: events,
            others: peers,
            counters: ApplierCounters(metrics, stopwatch: capabilities.stopwatch),
            logger: logger)
        snapshotter = MemberSnapshotter(
            identity.member, applier, store,
            SnapshotPlace(
                cluster: identity.cluster, path: configuration.storePath,
                quotaBytes: configuration.storage.quotaBytes ?? -1,
                thread: capabilities.executors.snapshots),
            over: PeerSnapshotLane(links), random: random,
            events: SnapshotReports(metrics.snapshots, logger: logger))
        var options = RaftNodeOptions(configuration)
        capabilities.adjustRaft(&options)
        raft = try RaftNode(
            id: identity.member, options: options,
            restoring: recovered.raft, on: executor, store: LogDisk(recovered.log),
            peers: raftPeers, machine: applier, snapshotter: snapshotter, random: random,
            counters: metrics.raft.node, logger: loggerOf("raft"))
        raftPeers.attach(raft)
        snapshotter.attach(raft)
        events.follow(peers)
        let (membership, alarms) = applier.assumeIsolated { ($0.membership, $0.alarms) }
        for alarm in alarms.list(.none) { metrics.setAlarm(alarm, isActive: true) }
        guard !membership.removed.contains(identity.member) else {
            throw RecoveryError(
                description: "the member has been permanently removed from the cluster")
        }
        if let refusal = Applier.refusal(ofClusterVersion: membership.clusterVersion) {
            throw RecoveryError(description: refusal)
        }
        peers.begin(membership, besides: recovered.others)
        if let version = membership.clusterVersion { events.hasVersion(version) }
        events.follow(
            LogKeeper(
                recovered.log, newest: recovered.snapshot,
                snapshotCount: configuration.raft.snapshotCount,
                maxSegments: configuration.storage.maxWALs, logger: logger))
        services = ClientServices(
            raft: raft, applier: applier, ids: ids,
            maxRequestBytes: configuration.limits.maxRequestBytes,
            maxTxnOperations: configuration.limits.maxTxnOperations, clock: capabilities.clock,
            isPeerURL: { (try? ServerURL(parsing: $0)) != nil },
            passwords: PasswordWorker(
                on: capabilities.executors.passwords, random: capabilities.random,
                hashes: metrics.passwordHashes))
        autoCompactor = configuration.storage.autoCompaction.map {
            [services, events, applier] policy in
            AutoCompactor(policy, of: applier, on: executor, compact: services.compact) {
                events.autoCompaction($0, policy)
            }
        }
        corruption = CorruptionChecker(
            CorruptionSettings(configuration), of: applier, on: executor
        ) { [events] in events.corruption($0) }
        applier.assumeIsolated { [raft] in $0.attach(raft) }
        // Until here, damage keeps the member from starting.
        store.assumeIsolated { [events] in $0.observeDamage { events.storeIsDamaged($0) } }
    }

    /// Lets all go that acts by itself. On the executor.
    func start() {
        raft.assumeIsolated { $0.start() }
        autoCompactor?.assumeIsolated { $0.start() }
        corruption.assumeIsolated { $0.start() }
    }
}

extension Applier.Settings {
    init(_ configuration: Configuration) {
        let quota = configuration.storage.quotaBytes
        self.init(
            name: configuration.name,
            clientURLs: configuration.advertised.client.map(\.description),
            quotaBytes: quota, reportedQuota: quota ?? -1,
            requestTimeoutNanoseconds: configuration.raft.requestTimeoutNanoseconds,
            leases: LeaseSettings(configuration))
        maxLearners = configuration.maxLearners
        auth = configuration.auth
        checksReconfiguration = configuration.checksReconfiguration
        defragmentsOutOfService = configuration.featureGates["StopGRPCServiceOnDefrag"]
    }
}

extension CorruptionSettings {
    init(_ configuration: Configuration) {
        self.init(
            interval: configuration.corruption.interval,
            compactionInterval: configuration.corruption.compactionInterval,
            timeout: configuration.raft.requestTimeoutNanoseconds)
    }
}

extension LeaseSettings {
    init(_ configuration: Configuration) {
        self.init(
            electionTicks: configuration.raft.electionTicks,
            tickNanoseconds: configuration.raft.heartbeatNanoseconds)
        let gates = configuration.featureGates
        takesCheckpoints = gates["LeaseCheckpoint"]
        keepsCheckpoints = gates["LeaseCheckpoint"] && gates["LeaseCheckpointPersist"]
        revokesFirst = gates["PriorityRequest"]
    }
}

extension RaftNodeOptions {
    init(_ configuration: Configuration) {
        self.init()
        raft.electionTicks = configuration.raft.electionTicks
        raft.preVote = configuration.raft.preVote
        if configuration.raft.readsByLease {
            // Ticks are counted, and the first may come as soon as a heartbeat has.
            let nanoseconds =
                configuration.raft.heartbeatNanoseconds * UInt64(raft.electionTicks - 1)
            raft.votePromise = VotePromise(milliseconds: nanoseconds / 1_000_000)
        }
        advancesElection = configuration.raft.advancesInitialElectionTicks
        raft.retainedEntries = Int(clamping: configuration.raft.snapshotCatchUpEntries)
        tickNanoseconds = configuration.raft.heartbeatNanoseconds
    }
}

extension WatchSettings {
    init(_ configuration: Configuration, stopwatch: @escaping @Sendable () -> UInt64) {
        self.init()
        progressNanoseconds = configuration.watch.progressNanoseconds
        fragmentBytes = configuration.limits.maxReceiveBytes
        self.stopwatch = stopwatch
    }
}

extension WatchCounters {
    init(_ metrics: WatchMetrics) {
        self.init(
            streams: metrics.streams, watchers: metrics.watchers,
            slowWatchers: metrics.slowWatchers, events: metrics.events,
            pendingEvents: metrics.pendingEvents, receiveFailures: metrics.receiveFailures,
            times: WatchTimes(
                control: metrics.controlTime, progress: metrics.progressTime,
                response: metrics.responseTime, event: metrics.eventTime))
    }
}

extension ApplierCounters {
    init(_ metrics: ServerMetrics, stopwatch: @escaping @Sendable () -> UInt64) {
        let store = metrics.store
        self.init(
            puts: store.puts, ranges: store.ranges, deletes: store.deletes, txns: store.txns,
            putBytes: store.putBytes, leases: LeaseCounters(metrics.leases),
            authRevision: store.authRevision,
            times: ApplierTimes(
                served: store.rangeTime, failed: store.failedRangeTime, hash: store.hashTime,
                hashOfRevision: store.revisionHashTime, stopwatch: stopwatch),
            applies: store.applyTimes,
            failedProposals: metrics.raft.failedProposals,
            promotions: PromotionCounters(metrics.registry))
    }
}

extension PromotionCounters {
    init(_ registry: MetricsRegistry) {
        let successes = registry.counter(
            "etcd_server_learner_promote_successes",
            "The total number of successful learner promotions while this member is leader.")
        self.init(successes: successes) { reason in
            registry.counter(
                "etcd_server_learner_promote_failures",
                "The total number of failed learner promotions (likely learner not ready) while "
                    + "this member is leader.",
                ("Reason", reason)
            ).increment()
        }
    }
}

extension LeaseCounters {
    init(_ metrics: LeaseMetrics) {
        self.init(
            granted: metrics.granted, revoked: metrics.revoked, renewed: metrics.renewed,
            expired: metrics.expired, ttls: metrics.ttls, receiveFailures: metrics.receiveFailures)
    }
}
