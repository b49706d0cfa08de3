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
        /// Memory that they may take, about.
        public var handshakeBytes = 128 << 20

        public init() {}
    }

    private let credentials: TLSCredentials
    private let limits: Limits
    private let endpointName: String
    private let logger: Logger
    private let workspace = TLSWorkspace()
    private var handshakes: [UInt64: Handshake] = [:]
    /// Tests have their own.
    var namesOfAddress: NamesOfAddress = { address, names, executor, answer in
        NameLookup.findNames(address, names, on: executor, answer: answer)
    }
    /// The ids of handshakes count up; none below `oldest` is under way.
    private var nextID: UInt64 = 0
    private var oldest: UInt64 = 0
    /// Taken by those under way, and the most it was since memory was given back.
    private var handshakeBytes = 0
    private var mostBytes = 0

    private struct Handshake {
        let stream: TLSStream
        let timer: any TimerHandle
        var bytes = 0
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
        secure.handshakeGrew = { [weak self] bytes in self?.grew(id, bytes) }
    }

    /// Who sends much and does not go on goes first, being older than those who do.
    private func grew(_ id: UInt64, _ bytes: Int) {
        guard handshakes[id] != nil else { return }
        handshakes[id]?.bytes += bytes
        handshakeBytes += bytes
        while handshakeBytes > limits.handshakeBytes, handshakes.count > 1 { endOldest() }
        mostBytes = max(mostBytes, handshakeBytes)
    }

    /// Ends the handshakes that are under way.
    public func abort() {
        let all = handshakes.inOrder
        handshakes = [:]
        handshakeBytes = 0
        for handshake in all {
            handshake.timer.cancel()
            handshake.stream.abort()
        }
    }

    private func ended(
        _ id: UInt64, _ stream: TLSStream, _ error: TLSError?,
        _ serve: @escaping (any ByteStream) -> Void
    ) {
        if let error { return reject(id, error.description) }
        switch stream.addressCheck {
        case .passes: finish(id, serve)
        case .refused(let reason): reject(id, reason)
        case .asks(let names, let address):
            // Sound: the answer comes on this executor, where all of this lives.
            nonisolated(unsafe) let acceptor = self
            nonisolated(unsafe) let next = serve
            namesOfAddress(address, names, stream.executor) { isRight in
                if isRight { return acceptor.finish(id, next) }
                acceptor.reject(id, CertificateNames.mismatch(address, names))
            }
        }
    }

    private func finish(_ id: UInt64, _ serve: (any ByteStream) -> Void) {
        guard let handshake = handshakes[id] else { return }
        guard handshake.stream.isOpen else { return reject(id, "EOF") }
        remove(id)
        serve(handshake.stream)
    }

    private func reject(_ id: UInt64, _ reason: String) {
        guard let handshake = remove(id) else { return }
        if handshake.stream.isOpen { handshake.stream.close() }
        log(handshake.stream, reason)
    }

    @discardableResult
    private func remove(_ id: UInt64) -> Handshake? {
        guard let handshake = handshakes.removeValue(forKey: id) else { return nil }
        handshake.timer.cancel()
        handshakeBytes -= handshake.bytes
        giveMemoryBack()
        return handshake
    }

    private func giveMemoryBack() {
        guard mostBytes >= 16 << 20, handshakeBytes <= mostBytes / 4 else { return }
        mostBytes = handshakeBytes
        FreedMemory.giveBack()
    }

    private func endOldest() {
        while handshakes[oldest] == nil, oldest < nextID { oldest += 1 }
        end(oldest, "too many handshakes under way")
    }

    private func end(_ id: UInt64, _ reason: String) {
        guard let handshake = remove(id) else { return }
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
