// The client side of a run: loops and their connections, and the phases they go through.

import API
import Logging
import Node
import Transport

/// Where the load goes.
enum Target: Sendable {
    case server(Endpoint)
    /// The same, over TLS.
    case secureServer(Endpoint, TLSSettings)
    /// A member of this process, over streams in memory.
    case member(MemberServer)

    var authority: String {
        switch self {
        case .server(let endpoint), .secureServer(let endpoint, _): endpoint.description
        case .member: "localhost"
        }
    }

    /// As a dialer takes it.
    var url: String {
        switch self {
        case .server(.unix(let path)): "unix://\(path)"
        case .secureServer(.unix(let path), _): "unixs://\(path)"
        case .server, .member: "http://\(authority)"
        case .secureServer: "https://\(authority)"
        }
    }

    /// What opens connections to it. On `loop`.
    func dialer(on loop: EventLoop) throws(TransportError) -> any StreamDialer {
        guard case .secureServer(_, let settings) = self else { return SocketDialer(on: loop) }
        do throws(TLSError) {
            let credentials = try TLSCredentials(
                settings, on: loop, logger: Logger(label: "cairn-bench"))
            return TLSDialer(over: SocketDialer(on: loop), credentials)
        } catch {
            throw TransportError(
                operation: "prepare TLS", name: "EINVAL", reason: error.description)
        }
    }
}

/// Connections to one target, ready for load. From one thread that may wait; `close` it.
final class LoadGenerator {
    /// The generator's threads are named so.
    static let threadName = "bench-client"
    private static let connectNanoseconds: UInt64 = 10_000_000_000

    private let workload: Workload
    private let clients: [ClientLoop]

    /// Connects.
    /// - Parameters:
    ///   - threads: of the generator; no more are used than there are connections.
    ///   - tokens: of users, who take turns with the connections; none: clients show no tokens.
    init(
        _ workload: Workload, to target: Target, threads: Int, tokens: [[UInt8]] = []
    ) throws {
        self.workload = workload
        let threads = min(max(threads, 1), workload.connections)
        clients = try (0..<threads).map { number in
            try ClientLoop(
                workload, authority: target.authority, name: "\(Self.threadName)-\(number)")
        }
        let clients = clients
        let failures: [TransportError?] = waitForAll(workload.connections) { number, done in
            let client = clients[number % threads]
            let streams = workload.streams
            let token = tokens.isEmpty ? nil : tokens[number % tokens.count]
            Self.open(target, for: client) { result in
                switch result {
                case .success(let stream):
                    guard let connection = GRPCClientConnection(stream) else {
                        let reason = "out of memory"
                        return done(
                            TransportError(operation: "connect", name: "ENOMEM", reason: reason))
                    }
                    client.add(connection, streams: streams, token: token)
                    done(nil)
                case .failure(let error): done(error)
                }
            }
        }
        if let failure = failures.lazy.compactMap({ $0 }).first {
            close()
            throw failure
        }
    }

    /// - Parameter opened: called on the client's loop.
    private static func open(
        _ target: Target, for client: ClientLoop,
        _ opened: @escaping @Sendable (Result<any ByteStream, TransportError>) -> Void
    ) {
        switch target {
        case .server, .secureServer:
            client.loop.post {
                do throws(TransportError) {
                    _ = try target.dialer(on: client.loop).dial(
                        target.url, timeoutNanoseconds: connectNanoseconds, completion: opened)
                } catch {
                    opened(.failure(error))
                }
            }
        case .member(let member):
            member.serve { main in
                let (near, far) = MemoryStream.pair(a: client.loop, b: main)
                client.loop.post { opened(.success(near)) }
                return far
            }
        }
    }

    func close() {
        _ = waitForAll(clients.count) { number, done in
            clients[number].loop.post { [client = clients[number]] in
                client.close()
                done(true)
            }
        }
        for client in clients { client.loop.stop() }
    }

    // MARK: Phases

    /// Puts every key of the key space once.
    func fill() -> PhaseOutcome {
        var filling = workload
        filling.operation = .put
        filling.keyOrder = .sequential
        filling.rate = nil
        return run(filling, requests: workload.keySpace, seconds: nil, pass: 0)
    }

    /// The uncounted requests, as fast as they are answered.
    func warmUp() -> PhaseOutcome {
        var warming = workload
        warming.rate = nil
        return run(warming, requests: workload.warmUp, seconds: workload.seconds, pass: 1)
    }

    /// - Parameters:
    ///   - pass: another one gives other random keys.
    ///   - seconds: instead of the workload's.
    func measure(pass: Int = 2, seconds: Double? = nil) -> PhaseOutcome {
        run(
            workload, requests: workload.requests, seconds: seconds ?? workload.seconds,
            pass: pass)
    }

    private func run(
        _ workload: Workload, requests: Int, seconds: Double?, pass: Int
    ) -> PhaseOutcome {
        let deadline = seconds.map { monotonicNanoseconds() + UInt64($0 * 1e9) } ?? UInt64.max
        let outcomes: [PhaseOutcome] = waitForAll(clients.count) { number, done in
            let client = clients[number]
            let share = requests / clients.count + (number < requests % clients.count ? 1 : 0)
            let phase = Phase(
                workload: workload, requests: share,
                // What came due before the deadline is sent, however late.
                deadline: workload.rate == nil ? deadline : UInt64.max,
                source: RequestSource(workload, lane: number, of: clients.count, pass: pass),
                isPaced: workload.rate != nil)
            client.loop.post { client.run(phase, finished: done) }
            if let rate = workload.rate {
                Pacer.start(
                    client, rate: rate / Double(clients.count), requests: share,
                    deadline: deadline)
            }
        }
        return outcomes.reduce(into: PhaseOutcome()) { $0.add($1) }
    }
}
