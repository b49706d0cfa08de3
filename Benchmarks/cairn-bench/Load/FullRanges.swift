// One client that reads the whole key space again and again.

import API
import Synchronization
import Transport

/// Ranges over all keys, one after the other, on a thread and a connection of their own.
final class FullRanges: Sendable {
    private let loop: EventLoop
    private let connection: GRPCClientConnection
    private let method: GRPCClientMethod
    private let request: [UInt8]
    private let state = Mutex(State())

    /// What was read so far.
    struct State {
        var answered = 0
        var bytes = 0
        var failure: String?
        var stops = false
    }

    /// Connects; `start` begins. From a thread that may wait.
    init(to endpoint: Endpoint) throws {
        let loop = try EventLoop(name: "bench-ranges")
        self.loop = loop
        let result: Result<GRPCClientConnection?, TransportError> = waitFor { done in
            loop.post {
                Connector.connect(to: endpoint, on: loop, timeoutNanoseconds: 10_000_000_000) {
                    done($0.map { GRPCClientConnection($0) })
                }
            }
        }
        guard case .success(let connection?) = result else {
            loop.stop()
            throw RunFailure(description: "could not connect to \(endpoint): \(result)")
        }
        self.connection = connection
        method = GRPCClientMethod("/etcdserverpb.KV/Range", authority: endpoint.description)
        let zero: [UInt8] = [0]
        var buffer = ByteBuffer()
        zero.withUnsafeBytes { buffer.appendRangeRequest(key: $0, rangeEnd: $0) }
        request = buffer.array
    }

    func start() { loop.post { [self] in next() } }

    /// Ends after the range under way, and tells what was read.
    func stop() -> State {
        state.withLock { $0.stops = true }
        waitFor { done in
            loop.post { [connection] in
                connection.abort()
                done(())
            }
        }
        loop.stop()
        return state.withLock { $0 }
    }

    private func next() {
        connection.unary(method, request) { [self] result in
            let goesOn = state.withLock { state in
                if state.stops { return false }
                switch result {
                case .success(let message):
                    state.answered += 1
                    state.bytes += message.count
                    return true
                case .failure(let status):
                    state.failure = status.message
                    return false
                }
            }
            if goesOn { next() }
        }
    }
}
