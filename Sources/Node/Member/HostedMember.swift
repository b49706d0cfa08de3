// A member whose threads, disk, clocks and streams are another's: the simulator's. It is wired by
// the same code as the one that MemberServer runs; only what begins and ends at the system differs.

import API
import Consensus
import Logging
import Services
import Storage
import Transport

/// A whole member without sockets. Everything happens on the main executor.
///
/// `@unchecked Sendable`: used on that executor only.
package final class HostedMember: @unchecked Sendable {
    private let actors: MemberActors
    private let peerPort: PeerPort
    private let grpc: GRPCServer
    private let leaderMonitor: LeaderMonitor
    /// Holds the data directory.
    private let lock: DirectoryLock
    /// A write that a crash had torn was cut off at this start.
    package let hasRepaired: Bool
    /// Whether clients are served: name and cluster version are known.
    package private(set) var isReady = false

    /// Recovers what is on disk. On the main executor, which is the dialer's.
    /// - Parameter found: what the members of a cluster that is joined say of it.
    /// - Throws: whatever keeps the member from starting; its description says what.
    package init(
        _ configuration: Configuration, _ capabilities: MemberCapabilities,
        dialer: any StreamDialer, loggerOf: (_ part: String) -> Logger,
        found: (cluster: ClusterID, members: [ClusterMember])? = nil
    ) throws {
        let recovered = try Recovery(configuration, capabilities) { _ in
        } firstMembers: {
            guard configuration.joinsExisting, let found else {
                return try configuration.foundingMembers()
            }
            return try configuration.joiningMembers(found.members, of: found.cluster)
        }.open()
        let logger = loggerOf("")
        recovered.describe(configuration, to: logger)
        hasRepaired = recovered.repair != nil
        lock = recovered.lock
        let executor = capabilities.executors.main
        actors = try MemberActors(
            recovered, configuration, capabilities, dialer: dialer, metrics: ServerMetrics(),
            loggerOf: loggerOf)
        peerPort = PeerPort(actors, configuration, on: executor, logger: logger)
        grpc = GRPCServer(
            actors.services.methods(), configuration: GRPCServerConfiguration(configuration),
            on: executor)
        leaderMonitor = actors.services.leaderMonitor(
            of: grpc, electionNanoseconds: configuration.raft.electionNanoseconds)
    }

    package var id: MemberID { actors.identity.member }
    package var cluster: ClusterID { actors.identity.cluster }
    package var raft: RaftNode { actors.raft }
    package var peers: RaftPeers { actors.peers.raft }
    package var applier: Applier { actors.applier }
    package var store: MVCCStore { actors.store }

    /// Lets Raft go.
    /// - Parameter ended: the member has no place in its cluster any more.
    package func start(ended: @escaping @Sendable () -> Void) {
        actors.events.whenReady { [weak self] result in
            if case .success = result { self?.isReady = true }
        }
        actors.events.whenEnded { _ in ended() }
        actors.raft.assumeIsolated { $0.start() }
    }

    /// Serves another member's stream.
    package func servePeer(_ stream: any ByteStream) { peerPort.serve(stream) }

    /// Serves a client's stream.
    package func serveClient(_ stream: any ByteStream) { grpc.accept(stream) }

    /// Ends in order, as MemberServer does.
    /// - Parameter done: called once, when all that was applied is durable.
    package func stop(_ done: @escaping @Sendable () -> Void) {
        actors.raft.assumeIsolated { raft in
            raft.handOver { [self] _ in
                raft.executor.post { [self] in
                    letGo()
                    actors.store.assumeIsolated { store in
                        store.flush { [self] _ in closeLog(done) }
                    }
                }
            }
        }
    }

    private func closeLog(_ done: @escaping @Sendable () -> Void) {
        do throws(WALError) { try actors.log.close { _ in done() } } catch { done() }
    }

    /// Nothing is served, sent, applied or answered any more: after a crash too, when nothing of
    /// this reaches anybody, for what holds each other to be let go.
    package func letGo() {
        actors.watches.assumeIsolated { $0.stop() }
        grpc.abort()
        actors.snapshotter.stop()
        actors.raft.assumeIsolated { $0.stop() }
        actors.peers.raft.stop()
        peerPort.abort()
        actors.autoCompactor?.assumeIsolated { $0.stop() }
        actors.applier.assumeIsolated { $0.detach() }
    }
}
