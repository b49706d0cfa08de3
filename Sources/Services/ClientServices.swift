// All that a client may call, in one table.

import API
import Consensus
import Transport

/// The gRPC services of a member. Everything it does not register is answered UNIMPLEMENTED.
package struct ClientServices: Sendable {
    private let gate: ProposalGate
    private let reads: ReadGate
    private let applier: Applier
    private let ids: RequestIDSource
    private let maxTxnOperations: Int
    private let watches: WatchHub
    private let clock: any WallClock
    private let isPeerURL: @Sendable (String) -> Bool
    private let passwords: PasswordWorker

    /// - Parameters:
    ///   - maxRequestBytes: the largest proposal.
    ///   - maxTxnOperations: the longest list of a transaction.
    ///   - isPeerURL: whether a text is the peer URL of a member.
    ///   - passwords: nil hashes where Raft runs, which stands still meanwhile.
    package init(
        raft: RaftNode, applier: Applier, ids: RequestIDSource, maxRequestBytes: Int,
        maxTxnOperations: Int = Limits.txnOperations, clock: any WallClock,
        isPeerURL: @escaping @Sendable (String) -> Bool, passwords: PasswordWorker? = nil
    ) {
        self.passwords =
            passwords
            ?? PasswordWorker(on: raft.executor, random: applier.watches.random)
        gate = ProposalGate(
            raft: raft, applier: applier, ids: ids, maxRequestBytes: maxRequestBytes)
        reads = ReadGate(raft: raft, applier: applier)
        self.applier = applier
        self.ids = ids
        self.maxTxnOperations = maxTxnOperations
        self.clock = clock
        self.isPeerURL = isPeerURL
        watches = applier.watches
    }

    /// Whether callers are asked who they are. From any thread.
    package var isAuthEnabled: Bool { applier.authority.board.isEnabled }

    private var kv: KVService {
        KVService(gate: gate, reads: reads, maxTxnOperations: maxTxnOperations)
    }

    /// The table of methods for the servers of all threads.
    /// - Parameters:
    ///   - instrument: makes the counters of each.
    ///   - requests: counts the calls of clients by what they say of themselves.
    package func methods(
        instrument: GRPCMethods.Instrument? = nil, requests: ClientRequests? = nil
    ) -> GRPCMethods {
        var methods = GuardedMethods(
            GRPCMethods(instrument: instrument), behind: Doorkeeper(applier, clock))
        let kv = kv
        let leases = leases
        kv.register(in: &methods)
        leases.register(in: &methods)
        let services = InnerServices(kv: kv, leases: leases)
        LockService(services).register(in: &methods)
        ElectionService(services).register(in: &methods)
        WatchService(hub: watches, arenas: gate.arenas).register(in: &methods)
        cluster.register(in: &methods)
        maintenance.register(in: &methods)
        HealthService(gate: gate, health: applier.health).register(in: &methods)
        auth.register(in: &methods)
        var open = methods.methods
        open.interceptor = { [presence = applier.presence] context in
            checkMetadata(context, hasLeader: presence.hasLeader, requests)
                ?? (presence.isLearner ? refusalOfLearner(context.method) : nil)
        }
        return open
    }

    private var auth: AuthService {
        AuthService(gate: gate, reads: reads, passwords: passwords, clock: clock)
    }
    private var leases: LeaseService { LeaseService(gate: gate, reads: reads, ids: ids) }
    private var maintenance: MaintenanceService { MaintenanceService(gate: gate, reads: reads) }
    private var cluster: ClusterService {
        ClusterService(gate: gate, reads: reads, ids: ids, isPeerURL: isPeerURL, clock: clock)
    }

    /// What other members may call.
    package var peerMethods: GRPCMethods {
        var methods = GRPCMethods()
        PeerService(cluster: cluster, leases: leases, maintenance: maintenance)
            .register(in: &methods)
        return methods
    }

    /// Watches over the streams of `server` whose clients want a leader, as long as it is held.
    /// - Parameter electionNanoseconds: the election timeout.
    package func leaderMonitor(
        of server: GRPCServer, electionNanoseconds: UInt64
    ) -> LeaderMonitor {
        LeaderMonitor(applier.presence, of: server, intervalNanoseconds: electionNanoseconds)
    }

    /// Asks for a key that need not exist, to see whether reads are served; for health probes.
    /// - Parameter answer: called once, from any thread, with nil or the reason why not.
    package func probe(isSerializable: Bool, _ answer: @escaping @Sendable (Status?) -> Void) {
        reads.submit(
            StateRead(of: applier, isSerializable: isSerializable) { _ in
                answer(nil)
            } failed: {
                answer($0)
            })
    }
}

extension ClientServices {
    /// Proposes a compaction, as a client would.
    /// - Parameter answer: called once, with nil or the reason why not.
    package func compact(
        to revision: Revision, _ answer: @escaping @Sendable (Status?) -> Void
    ) {
        var request = ByteBuffer()
        request.appendField(1, int64: revision.rawValue)
        request.withUnsafeBytes {
            kv.compact($0, as: .member, OutcomeReply(answer))
        }
    }
}

/// For whoever wants to know whether a request succeeded and nothing else.
private struct OutcomeReply: Replying {
    private let answer: @Sendable (Status?) -> Void
    init(_ answer: @escaping @Sendable (Status?) -> Void) { self.answer = answer }
    func respond(_ message: UnsafeRawBufferPointer) { answer(nil) }
    func fail(_ status: Status) { answer(status) }
}

/// The checks before every handler (reference: semantics.md, Limits and interceptors).
private func checkMetadata(
    _ context: CallContext, hasLeader: Bool, _ requests: ClientRequests?
) -> Status? {
    let isVersionText = context.withMetadata("client-api-version") { bytes in
        let isText = bytes.map { String(validating: $0, as: UTF8.self) != nil } ?? true
        requests?.came(isUnary: context.isUnary, isText ? bytes : nil)
        return isText
    }
    if !isVersionText { return .invalidClientAPIVersion }
    return hasLeader || !wantsLeader(context) ? nil : .noLeader
}

/// Whether the client would rather have no answer than one of a member without a leader.
func wantsLeader(_ context: CallContext) -> Bool {
    context.withMetadata("hasleader") { $0?.elementsEqual("true".utf8) ?? false }
}

/// A learner may lag behind: it answers for itself, and serves a Range that does not mind
/// (reference: semantics.md, Cluster; for Range see KVService).
func refusalOfLearner(_ method: String) -> Status? {
    switch method {
    case "/etcdserverpb.Maintenance/Status", "/etcdserverpb.Maintenance/Snapshot",
        "/etcdserverpb.KV/Range":
        nil
    default: .notSupportedForLearner
    }
}
