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
    private let actors: MemberActors
    private let port: LoopBound<ClientPort>

    /// Recovers the member, listens, and returns once clients are served.
    /// - Throws: whatever keeps the member from starting; its description says what.
    public init(_ configuration: Configuration, log serverLog: ServerLog) throws {
        self.configuration = configuration
        let logger = serverLog.logger()
        self.logger = logger
        let metrics = ServerMetrics()
        let executors = try ExecutorTable()
        self.executors = executors
        do {
            let recovery = Recovery(configuration, executors: executors) {
                metrics.disk.walFsync.observe($0)
            }
            let recovered = try recovery.open()
            recovered.describe(configuration, to: logger)
            metrics.setIdentity(recovered.identity.member)
            metrics.store.quotaBytes.set(configuration.storage.quotaBytes ?? -1)
            log = recovered.log
            lock = recovered.lock
            let actors = try onLoop(executors.main) {
                try MemberActors(
                    recovered, configuration, on: executors.main, metrics: metrics,
                    serverLog: serverLog)
            }
            self.actors = actors
            port = LoopBound(
                try onLoop(executors.main) {
                    let port = ClientPort(
                        actors, configuration, metrics: metrics, on: executors.main,
                        logger: logger)
                    try port.listen(configuration.listeners)
                    return LoopBound(port)
                }.value)
        } catch {
            executors.stop()
            throw error
        }
        do { try start() } catch {
            stop()
            throw error
        }
    }

    /// Lets Raft go, and serves once the member has published itself.
    /// - Throws: `EntryStoreFailure` when the log cannot take what a start writes.
    private func start() throws {
        try waitFor { ready in
            actors.events.whenReady(ready)
            executors.main.post { [actors] in actors.raft.assumeIsolated { $0.start() } }
        }
        executors.main.post { [actors] in actors.autoCompactor?.assumeIsolated { $0.start() } }
        logger.info("ready to serve client requests")
        try onLoop(executors.main) { [port] in port.value.open() }
    }

    /// Closes listeners and connections, makes durable what was applied, and ends all threads.
    public func stop() {
        logger.info("closing etcd server", metadata: .fields(["name": .string(configuration.name)]))
        attempt("close client connections") { done in
            executors.main.post { [port, actors] in
                actors.watches.assumeIsolated { $0.stop() }
                port.value.drain(grace: Self.drainNanoseconds) { done(.success(())) }
            }
        }
        attempt("commit the store") { done in
            executors.main.post { [actors] in
                actors.autoCompactor?.assumeIsolated { $0.stop() }
                actors.raft.assumeIsolated { $0.stop() }
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

/// A value that is touched on one loop only.
///
/// `@unchecked Sendable`: whoever holds it goes to that loop before asking for the value.
struct LoopBound<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
}
