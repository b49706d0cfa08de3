// Handshakes with those who connect: bounded in time and number, each failure logged once.
//
// Somebody who opens connections and says nothing shall keep nobody out: when there are too many,
// the oldest goes. A true client needs two round trips, and is done long before its turn comes.

import API
import CSSL
import Logging

/// Makes TLS streams of those that come in. One per executor and port; all of it runs there.
public final class TLSAcceptor {
    public struct Limits: Sendable {
        public var handshakeNanoseconds: UInt64 = 10_000_000_000
        /// Handshakes under way.
        public var handshakes = 4096

        public init() {}
    }

    private let credentials: TLSCredentials
    private let limits: Limits
    private let endpointName: String
    private let logger: Logger
    private let workspace = TLSWorkspace()
    private var handshakes: [UInt64: Handshake] = [:]
    /// The ids of handshakes count up; none below `oldest` is under way.
    private var nextID: UInt64 = 0
    private var oldest: UInt64 = 0

    private struct Handshake {
        let stream: TLSStream
        let timer: any TimerHandle
    }

    /// - Parameter endpoint: as the log says it: `client` or `peer`.
    public init(
        _ credentials: TLSCredentials, endpoint: String, limits: Limits = Limits(), logger: Logger
    ) {
        self.credentials = credentials
        self.limits = limits
        endpointName = endpoint
        self.logger = logger
    }

    /// Handshakes under way.
    public var handshakeCount: Int { handshakes.count }

    /// Shakes hands over `stream`, then gives `serve` what is spoken inside.
    public func accept(
        _ stream: any ByteStream, for application: TLSApplication,
        serve: @escaping (any ByteStream) -> Void
    ) {
        if handshakes.count >= limits.handshakes { endOldest() }
        let id = nextID
        nextID += 1
        let secure = TLSStream(
            over: stream, credentials.accepting(), application: application, workspace: workspace
        ) { [weak self] stream, error in self?.ended(id, stream, error, serve) }
        let timer = stream.executor.schedule(afterNanoseconds: limits.handshakeNanoseconds) {
            [weak self] in self?.end(id, "i/o timeout")
        }
        handshakes[id] = Handshake(stream: secure, timer: timer)
    }

    /// Ends the handshakes that are under way.
    public func abort() {
        let all = handshakes.inOrder
        handshakes = [:]
        for handshake in all {
            handshake.timer.cancel()
            handshake.stream.abort()
        }
    }

    private func ended(
        _ id: UInt64, _ stream: TLSStream, _ error: TLSError?,
        _ serve: (any ByteStream) -> Void
    ) {
        guard let handshake = handshakes.removeValue(forKey: id) else { return }
        handshake.timer.cancel()
        guard let error else { return serve(stream) }
        log(stream, error.description)
    }

    private func endOldest() {
        while handshakes[oldest] == nil, oldest < nextID { oldest += 1 }
        end(oldest, "too many handshakes under way")
    }

    private func end(_ id: UInt64, _ reason: String) {
        guard let handshake = handshakes.removeValue(forKey: id) else { return }
        handshake.timer.cancel()
        handshake.stream.abort()
        log(handshake.stream, reason)
    }

    /// Source: etcd's embed.logTLSHandshakeFailure.
    private func log(_ stream: TLSStream, _ reason: String) {
        var fields: Logger.Metadata = [
            "remote-addr": "\(stream.remoteAddress)", "server-name": "\(stream.serverName)",
        ]
        if let names = stream.certificateNames {
            fields["ip-addresses"] = .array(names.addresses.map { "\($0)" })
            fields["dns-names"] = .array(names.hosts.map { "\($0)" })
        }
        fields["error"] = "\(reason)"
        logger.warning("rejected connection on \(endpointName) endpoint", metadata: fields)
    }
}
