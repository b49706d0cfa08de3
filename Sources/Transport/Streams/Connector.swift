// Connecting to an endpoint.

import API
import Glibc

/// One attempt to connect; keeps itself alive until it has ended. On one loop.
public final class Connector {
    public typealias Completion = (Result<any ByteStream, TransportError>) -> Void

    private let loop: EventLoop
    private let endpoint: Endpoint
    private var candidates: ArraySlice<SocketAddress>
    private var completion: Completion?
    private var socket: Socket?
    private var poll: PollHandle?
    private var deadline: (any TimerHandle)?

    /// Connects to `endpoint`: an IP address, the name of a host or a Unix socket. On `loop`.
    ///
    /// `completion` is called once, later, on `loop`; never after `cancel`. The stream is not
    /// reading yet: set its handler, then `resumeReading`.
    @discardableResult
    public static func connect(
        to endpoint: Endpoint, on loop: EventLoop, timeoutNanoseconds: UInt64,
        completion: @escaping Completion
    ) -> Connector {
        precondition(loop.isCurrent, "connecting begins on its loop")
        let connector = Connector(endpoint, loop, completion)
        connector.deadline = loop.schedule(afterNanoseconds: timeoutNanoseconds) {
            connector.deadline = nil
            connector.end(.failure(connector.error(ETIMEDOUT)))
        }
        if connector.candidates.isEmpty, case .tcp(let host, let port) = endpoint {
            let waiting = LoopConfined(connector)
            NameLookup.begin(host, port: port, on: loop) { waiting.value.tryFound($0) }
        } else {
            loop.atTurnEnd(.gather) { connector.tryNext(otherwise: ENXIO) }
        }
        return connector
    }

    /// Gives up; `completion` is not called. Harmless when repeated or late.
    public func cancel() {
        completion = nil
        release()
    }

    private init(_ endpoint: Endpoint, _ loop: EventLoop, _ completion: @escaping Completion) {
        self.endpoint = endpoint
        self.loop = loop
        self.completion = completion
        candidates = SocketAddress.candidates(for: endpoint)[...]
    }

    private func tryFound(_ addresses: [SocketAddress]) {
        candidates = addresses[...]
        guard candidates.isEmpty else { return tryNext(otherwise: ENXIO) }
        end(
            .failure(
                TransportError(
                    operation: "connect to \(endpoint)", name: "ENOTFOUND",
                    reason: "no such host")))
    }

    private func error(_ code: Int32) -> TransportError {
        TransportError(errno: code, "connect to \(endpoint)")
    }

    /// - Parameter code: the failure if no address is left.
    private func tryNext(otherwise code: Int32) {
        guard completion != nil else { return }  // cancelled
        guard let address = candidates.popFirst() else { return end(.failure(error(code))) }
        do throws(TransportError) {
            let socket = try Socket(family: address.family, for: "connect to \(endpoint)")
            if address.family != AF_UNIX { socket.tuneTCP() }
            let code = address.withPointer { Glibc.connect(socket.raw, $0, $1) } == 0 ? 0 : errno
            let descriptor = socket.raw
            self.socket = consume socket
            switch code {
            case 0: succeed()
            case EINPROGRESS:
                let poll = try PollHandle(
                    descriptor, .writable, on: loop, onReady: { self.isDecided() },
                    onLoopStop: { self.end(.failure(self.error(ECANCELED))) })
                self.poll = poll
                poll.start()
            default: tryNext(otherwise: code)
            }
        } catch {
            end(.failure(error))
        }
    }

    private func isDecided() {
        guard let descriptor = socket?.raw else { return }
        var code: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        _ = getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size)
        poll?.close()
        poll = nil
        if code == 0 { succeed() } else { tryNext(otherwise: code) }
    }

    private func succeed() {
        guard let socket = self.socket.take() else { return }
        do throws(TransportError) {
            end(.success(try SocketStream(socket, remote: endpoint, on: loop)))
        } catch {
            end(.failure(error))
        }
    }

    private func end(_ result: Result<any ByteStream, TransportError>) {
        let completion = self.completion
        cancel()
        completion?(result)
    }

    private func release() {
        deadline?.cancel()
        deadline = nil
        poll?.close()
        poll = nil
        socket = nil
    }
}

/// A value that another thread carries and only its loop touches: hence `@unchecked Sendable`.
private struct LoopConfined<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
}
