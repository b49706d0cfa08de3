// A network in memory: listeners by URL, and dialers that find them. For members of one process:
// tests, and measurements that leave the kernel out.

import API

/// Streams between those who listen and those who dial, all on one executor.
public final class MemoryNetwork {
    private let executor: any ActorExecutor
    private var listeners: [String: (any ByteStream) -> Void] = [:]

    public init(on executor: any ActorExecutor) { self.executor = executor }

    /// Takes connections to `url`; nil takes none any more.
    public func listen(_ url: String, _ accepted: ((any ByteStream) -> Void)?) {
        listeners[url] = accepted
    }

    /// - Parameter wrap: what becomes of the dialer's end of each stream.
    public func dialer(
        wrapping wrap: @escaping (any ByteStream) -> any ByteStream = { $0 }
    ) -> any StreamDialer { MemoryDialer(self, wrap) }

    private final class MemoryDialer: StreamDialer {
        private let network: MemoryNetwork
        private let wrap: (any ByteStream) -> any ByteStream
        var executor: any ActorExecutor { network.executor }

        init(_ network: MemoryNetwork, _ wrap: @escaping (any ByteStream) -> any ByteStream) {
            self.network = network
            self.wrap = wrap
        }

        func dial(
            _ url: String, timeoutNanoseconds: UInt64,
            completion: @escaping (Result<any ByteStream, TransportError>) -> Void
        ) -> any DialAttempt {
            MemoryDial(network, url, wrap, completion)
        }
    }

    private final class MemoryDial: DialAttempt {
        private var completion: ((Result<any ByteStream, TransportError>) -> Void)?

        init(
            _ network: MemoryNetwork, _ url: String,
            _ wrap: @escaping (any ByteStream) -> any ByteStream,
            _ completion: @escaping (Result<any ByteStream, TransportError>) -> Void
        ) {
            self.completion = completion
            network.executor.atTurnEnd(.gather) { [self] in connect(network, url, wrap) }
        }

        private func connect(
            _ network: MemoryNetwork, _ url: String, _ wrap: (any ByteStream) -> any ByteStream
        ) {
            guard let completion else { return }
            guard let listener = network.listeners[url] else {
                let refused = TransportError(
                    operation: "connect to \(url)", name: "ECONNREFUSED",
                    reason: "connection refused")
                return completion(.failure(refused))
            }
            let (near, far) = MemoryStream.pair(
                a: network.executor, b: network.executor, name: url)
            listener(far)
            completion(.success(wrap(near)))
        }

        func cancel() { completion = nil }
    }
}
