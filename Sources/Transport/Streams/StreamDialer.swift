// Opening streams, as a capability: sockets, memory, and later TLS and the simulated network.

import API

/// Opens byte streams to URLs. On one executor.
public protocol StreamDialer: AnyObject {
    /// Where streams are opened, and where they live.
    var executor: any ActorExecutor { get }

    /// Opens a stream to `url`, such as `http://127.0.0.1:2380`. On the executor.
    ///
    /// - Parameter completion: called once, later, on the executor; never after `cancel`. The
    ///   stream is not reading yet.
    func dial(
        _ url: String, timeoutNanoseconds: UInt64,
        completion: @escaping (Result<any ByteStream, TransportError>) -> Void
    ) -> any DialAttempt
}

/// An attempt to open a stream.
public protocol DialAttempt: AnyObject {
    /// Gives up; the completion is not called. Harmless when repeated or late.
    func cancel()
}

extension Connector: DialAttempt {}

/// Opens TCP connections and Unix sockets, without TLS.
public final class SocketDialer: StreamDialer {
    private let loop: EventLoop
    public var executor: any ActorExecutor { loop }

    public init(on loop: EventLoop) { self.loop = loop }

    public func dial(
        _ url: String, timeoutNanoseconds: UInt64,
        completion: @escaping (Result<any ByteStream, TransportError>) -> Void
    ) -> any DialAttempt {
        do throws(EndpointError) {
            guard url.hasPrefix("http://") || url.hasPrefix("unix://") else {
                throw EndpointError("URL scheme must be http or unix: \(url)")
            }
            return Connector.connect(
                to: try Endpoint(url: url), on: loop, timeoutNanoseconds: timeoutNanoseconds,
                completion: completion)
        } catch {
            let failure = TransportError(
                operation: "connect to \(url)", name: "EINVAL", reason: error.description)
            return FailedDial(failure, on: loop, completion)
        }
    }
}

/// An attempt that is known to fail; tells it in the course of the turn.
final class FailedDial: DialAttempt {
    private var completion: ((Result<any ByteStream, TransportError>) -> Void)?

    init(
        _ failure: TransportError, on executor: any ActorExecutor,
        _ completion: @escaping (Result<any ByteStream, TransportError>) -> Void
    ) {
        self.completion = completion
        executor.atTurnEnd(.gather) { [self] in self.completion?(.failure(failure)) }
    }

    func cancel() { completion = nil }
}
