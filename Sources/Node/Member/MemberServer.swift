// A member from start to stop: recovers what is on disk, wires the actors together, serves.

import API
import Consensus
import Logging
import Services
import Storage
import Transport

/// One running member. Made and stopped by a thread that may wait, such as the main thread;
/// everything else runs on the threads of ExecutorTable.
public final class MemberServer: Sendable {
    private let configuration: Configuration
    private let executors: ExecutorTable
    private let logger: Logger
    private let log: WriteAheadLog
    private let lock: DirectoryLock
    private let isNew: Bool
    private let actors: MemberActors
    private let port: LoopBound<ClientPort>
    private let peerPort: LoopBound<PeerPort>

    /// Recovers the member and listens. Clients wait until it is started.
    /// - Throws: whatever keeps the member from starting; its description says what.
    public init(_ configuration: Configuration, log serverLog: ServerLog) throws {
        self.configuration = configuration
        let logger = serverLog.logger()
        self.logger = logger
        let metrics = ServerMetrics()
        let executors = try ExecutorTable()
        self.executors = executors
        do {
            let tls = try onLoop(executors.main) {
                LoopBound(try MemberTLS(configuration, on: executors.main, logger: logger))
            }
            let capabilities = MemberCapabilities.system(executors.executors)
            var recovery = Recovery(configuration, capabilities) {
                metrics.disk.walFsync.observe($0)
            } observeWrite: {
                metrics.disk.walWrite.observe($0)
            } firstMembers: {
                try Bootstrap(configuration, tls, logger: logger).firstMembers(on: executors.main)
            }
            recovery.observeSnapshot = { metrics.disk.savedSnapshot($0, sync: $1, total: $2) }
            recovery.observeConversion = { $0.log(to: logger) }
            let recovered = try recovery.open()
            recovered.describe(configuration, to: logger)
            metrics.setIdentity(recovered.identity.member)
            metrics.setGates(configuration.featureGates)
            metrics.store.quotaBytes.set(configuration.storage.quotaBytes ?? -1)
            log = recovered.log
            lock = recovered.lock
            isNew = recovered.isNew
            let actors = try onLoop(executors.main) {
                try MemberActors(
                    recovered, configuration, capabilities,
                    dialer: tls.value.dialer(), metrics: metrics,
                    loggerOf: { serverLog.logger($0) })
            }
            self.actors = actors
            peerPort = try onLoop(executors.main) {
                let port = PeerPort(
                    actors, configuration, on: executors.main, logger: logger)
                try port.listen(
                    configuration.listeners.peer.map { ($0.endpoint, $0.scheme.isSecure) },
                    tls: tls.value.peer, on: executors.main,
                    options: ListenerOptions(configuration.listeners))
                return LoopBound(port)
            }
            port = LoopBound(
                try onLoop(executors.main) {
                    let port = ClientPort(
                        actors, configuration, metrics: metrics, tls: tls.value.client,
                        on: executors.main, logger: logger)
                    try port.listen(configuration.listeners)
                    return LoopBound(port)
                }.value)
        } catch {
            executors.stop()
            throw error
        }
    }

    /// A member that serves clients when this returns.
    /// - Throws: whatever keeps the member from starting; its description says what.
    public static func serving(
        _ configuration: Configuration, log: ServerLog
    ) throws -> MemberServer {
        let server = try MemberServer(configuration, log: log)
        do { try waitFor { server.start($0) } } catch {
            server.stop()
            throw error
        }
        return server
    }

    /// Lets Raft go, and serves clients once the member has published itself: for as long as there
    /// is no quorum, that takes.
    /// - Parameter ready: called once, on a thread of the member: when clients are served, or with
    ///   the reason why it never will, such as `EntryStoreFailure`.
    public func start(_ ready: @escaping @Sendable (Result<Void, any Error>) -> Void) {
        actors.events.whenReady { [executors, logger, port] result in
            executors.main.post {
                guard case .success = result else { return ready(result) }
                logger.info("ready to serve client requests")
                port.value.open()
                ready(result)
            }
        }
        executors.main.post { [actors, corruption = configuration.corruption, isNew] in
            guard corruption.checksAtStart, !isNew else { return actors.start() }
            actors.corruption.assumeIsolated { checker in
                checker.checkAtStart { failure in
                    guard let failure else { return actors.start() }
                    actors.events.cannotServe(CorruptMember(description: failure))
                }
            }
        }
    }

    /// Calls `ended` once, from any thread, if the member is to stop by itself. Not at once: of two
    /// members the other may still need this one's vote to commit, and to hear of, the removal. Its
    /// clients are sent away before.
    public func whenEnded(_ ended: @escaping @Sendable (MemberEnd) -> Void) {
        actors.events.whenEnded { [main = executors.main, weak self] end in
            let server = self
            main.post {
                server?.sendClientsAway()
                main.schedule(afterNanoseconds: Self.removalNanoseconds) { ended(end) }
            }
        }
    }

    /// Nothing that they wait for will come. On the main executor.
    private func sendClientsAway() {
        actors.raft.assumeIsolated { $0.withdraw() }
        actors.watches.assumeIsolated { $0.stop() }
        port.value.drain(grace: Self.farewellNanoseconds) {}
    }

    /// So long may answers take that are on their way, to whoever asked for the removal among others.
    private static let farewellNanoseconds: UInt64 = 100_000_000
    private static let removalNanoseconds: UInt64 = 1_000_000_000

    /// Closes listeners and connections, makes durable what was applied, and ends all threads.
    public func stop() {
        logger.info("closing etcd server", metadata: .fields(["name": .string(configuration.name)]))
        attempt("hand over leadership") { done in
            executors.main.post { [actors] in
                actors.raft.assumeIsolated { raft in
                    raft.handOver { result in
                        switch result {
                        case .success, .failure(.notLeader), .failure(.noHeir):
                            done(.success(()))
                        case .failure(let failure): done(.failure(failure))
                        }
                    }
                }
            }
        }
        attempt("close client connections") { done in
            executors.main.post { [port, actors] in
                actors.watches.assumeIsolated { $0.stop() }
                port.value.drain(grace: Self.drainNanoseconds) { done(.success(())) }
            }
        }
        attempt("close peer connections") { done in
            executors.main.post { [peerPort, actors] in
                actors.snapshotter.stop()
                actors.raft.assumeIsolated { $0.stop() }
                actors.peers.raft.stop()
                peerPort.value.drain(grace: 0) { done(.success(())) }
            }
        }
        attempt("commit the store") { done in
            executors.main.post { [actors] in
                actors.autoCompactor?.assumeIsolated { $0.stop() }
                actors.corruption.assumeIsolated { $0.stop() }
                actors.applier.assumeIsolated { $0.detach() }
                actors.store.assumeIsolated { store in
                    store.flush { error in
                        done(error.map { .failure($0) } ?? .success(()))
                    }
                }
            }
        }
        attempt("close the log") { done in
            do throws(WALError) { try log.close { done($0.mapError { $0 }) } } catch {
                done(.failure(error))
            }
        }
        executors.stop()
        logger.info("closed etcd server", metadata: .fields(["name": .string(configuration.name)]))
    }

    private static let drainNanoseconds: UInt64 = 2_000_000_000

    private func attempt(
        _ what: String, _ begin: (@escaping @Sendable (Result<Void, any Error>) -> Void) -> Void
    ) {
        do { try waitFor(begin) } catch {
            logger.error(
                "failed to \(what)", metadata: .fields(["error": .string("\(error)")]))
        }
    }

    /// Serves a stream that came by another way than the listeners, such as from this process.
    /// From any thread; `open` is called on the member's loop.
    public func serve(_ open: @escaping @Sendable (EventLoop) -> any ByteStream) {
        executors.main.post { [port, main = executors.main] in port.value.serve(open(main)) }
    }
}

/// Other members hold other keys than this one (-feature-gates=InitialCorruptCheck).
struct CorruptMember: Error, CustomStringConvertible {
    let description: String
}

/// A value that is touched on one loop only.
///
/// `@unchecked Sendable`: whoever holds it goes to that loop before asking for the value.
struct LoopBound<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
}
