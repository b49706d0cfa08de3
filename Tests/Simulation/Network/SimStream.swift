// One end of a connection over the simulated network. It behaves as a socket: what is written
// leaves at the end of the turn, arrives in order or never, and a crash at the other end shows as a
// reset, or not at all until something is sent there.

import API
import Transport

/// `@unchecked Sendable`: the world has one thread.
final class SimStream: ByteStream, @unchecked Sendable {
    private enum State { case open, closing, closed }

    let simExecutor: SimExecutor
    var executor: any ActorExecutor { simExecutor }
    weak var handler: (any ByteStreamHandler)? { didSet { tellEnd() } }
    let localAddress: String
    let remoteAddress: String

    private let network: SimNetwork
    let place: SimPlace
    private let otherPlace: SimPlace
    /// The other end, while both are open.
    private var other: SimStream?
    /// The life of the place that this end belongs to.
    private let life: Int
    private var pipe: SimPipe?
    private var state = State.open
    private var untoldEnd: TransportError??

    private var outgoing: [UInt8] = []
    private var isFlushing = false
    /// Sent and not arrived.
    private var onTheWay = 0
    private var hadBacklog = false
    private static let window = 1 << 20

    private var incoming: [[UInt8]] = []
    private var isReading = false
    private var isDelivering = false
    private var receivedAll = false
    private var toldEnd = false

    /// Two ends of one connection.
    static func pair(
        _ network: SimNetwork, near: (SimPlace, SimExecutor), far: (SimPlace, SimExecutor),
        address: String
    ) -> (near: SimStream, far: SimStream) {
        let one = SimStream(network, near, to: far.0, local: "place\(near.0)", remote: address)
        let other = SimStream(network, far, to: near.0, local: address, remote: "place\(near.0)")
        // Each pipe holds the end that it leads to; an end lets its pipe go when it is closed.
        one.pipe = SimPipe(network, from: near.0, to: far.0) { [one] item in
            other.arrived(item, from: one)
        }
        other.pipe = SimPipe(network, from: far.0, to: near.0) { [other] item in
            one.arrived(item, from: other)
        }
        (one.other, other.other) = (other, one)
        network.opened(one)
        network.opened(other)
        return (one, other)
    }

    var isClosed: Bool { state == .closed }

    /// Its process is gone. What it has sent may arrive yet.
    func die(tells: Bool) {
        guard state != .closed else { return }
        if tells { other?.otherDied() }
        close(nil)
    }

    private init(
        _ network: SimNetwork, _ own: (SimPlace, SimExecutor), to other: SimPlace, local: String,
        remote: String
    ) {
        self.network = network
        place = own.0
        simExecutor = own.1
        otherPlace = other
        life = network.life(of: own.0) ?? 0
        (localAddress, remoteAddress) = (local, remote)
    }

    // MARK: Out

    var bufferedBytes: Int { max(0, outgoing.count + onTheWay - Self.window) }

    func write(_ bytes: UnsafeRawBufferPointer) {
        guard state == .open, bytes.count > 0 else { return }
        outgoing.append(contentsOf: bytes)
        if bufferedBytes > 0 { hadBacklog = true }
        flushAtTurnEnd()
    }

    private func flushAtTurnEnd() {
        guard !isFlushing else { return }
        isFlushing = true
        simExecutor.atTurnEnd(.transmit) { [self] in
            isFlushing = false
            flush()
        }
    }

    private func flush() {
        guard state != .closed else { return }
        if !outgoing.isEmpty {
            onTheWay += outgoing.count
            pipe?.send(.bytes(outgoing))
            outgoing = []
        }
        if state == .closing {
            pipe?.send(.end)
            finish(nil)
        }
    }

    /// So much has arrived over there.
    private func acknowledged(_ count: Int) {
        onTheWay -= count
        guard hadBacklog, bufferedBytes == 0 else { return }
        hadBacklog = false
        simExecutor.post { [self] in
            if state == .open { handler?.drained() }
        }
    }

    // MARK: In

    /// In no turn.
    private func arrived(_ item: SimPipe.Item, from sender: SimStream) {
        guard network.life(of: place) == life else {
            // A process that is up knows nothing of connections of the one before.
            if network.life(of: place) != nil { sender.resetByPeer(after: network.delay()) }
            return
        }
        if case .bytes(let bytes) = item { sender.acknowledged(bytes.count) }
        simExecutor.post { [self] in receive(item, from: sender) }
    }

    private func resetByPeer(after delay: UInt64) {
        network.kernel.after(delay) { [self] in
            guard network.life(of: place) == life, !network.isCut(otherPlace, place) else { return }
            simExecutor.post { [self] in reset() }
        }
    }

    private func reset() {
        guard state != .closed else { return }
        finish(
            TransportError(
                operation: "read from \(remoteAddress)", name: "ECONNRESET",
                reason: "connection reset by peer"))
    }

    private func receive(_ item: SimPipe.Item, from sender: SimStream) {
        guard state != .closed else {
            if case .bytes = item { sender.resetByPeer(after: network.delay()) }
            return
        }
        switch item {
        case .bytes(let bytes):
            incoming.append(bytes)
            deliver()
        case .end:
            receivedAll = true
            deliver()
        case .reset: reset()
        }
    }

    func resumeReading() {
        guard state == .open, !isReading else { return }
        isReading = true
        simExecutor.atTurnEnd(.gather) { [self] in deliver() }
    }

    func pauseReading() { isReading = false }

    private func deliver() {
        guard !isDelivering else { return }
        isDelivering = true
        defer { isDelivering = false }
        while !incoming.isEmpty, isReading || state == .closing {
            let bytes = incoming.removeFirst()
            if state == .open { bytes.withUnsafeBytes { handler?.received($0) } }
        }
        if receivedAll, isReading, !toldEnd, state == .open, incoming.isEmpty {
            toldEnd = true
            handler?.receivedEnd()
        }
    }

    // MARK: Closing

    func close() {
        guard state == .open else { return }
        state = .closing
        flushAtTurnEnd()
        deliver()
    }

    func abort() {
        guard state != .closed else { return tellEnd() }
        pipe?.send(.reset)
        finish(nil)
    }

    private func finish(_ error: TransportError?) {
        close(error)
        tellEnd()
    }

    private func close(_ error: TransportError?) {
        state = .closed
        isReading = false
        outgoing = []
        incoming = []
        pipe = nil
        other?.other = nil
        other = nil
        // For those who still hold it, and are told as soon as somebody listens.
        untoldEnd = .some(error)
    }

    private func tellEnd() {
        guard untoldEnd != nil, let told = handler else { return }
        simExecutor.atTurnEnd(.gather) { [self] in
            guard let end = untoldEnd else { return }
            untoldEnd = nil
            told.closed(end)
        }
    }

    /// The process of the other end died, and its kernel says so.
    func otherDied() { resetByPeer(after: network.delay()) }
}

/// Opens connections from one place.
final class SimDialer: StreamDialer {
    private let network: SimNetwork
    private let place: SimPlace
    private let simExecutor: SimExecutor
    var executor: any ActorExecutor { simExecutor }

    init(_ network: SimNetwork, from place: SimPlace, on executor: SimExecutor) {
        self.network = network
        self.place = place
        simExecutor = executor
    }

    func dial(
        _ url: String, timeoutNanoseconds: UInt64,
        completion: @escaping (Result<any ByteStream, TransportError>) -> Void
    ) -> any DialAttempt {
        let attempt = SimDial(completion)
        let address = String(url.drop { $0 != ":" }.dropFirst(3))
        let (network, place, executor) = (network, place, simExecutor)
        func fail(_ name: String, _ reason: String, after delay: UInt64) {
            executor.schedule(afterNanoseconds: delay) {
                attempt.end(
                    .failure(
                        TransportError(
                            operation: "connect to \(url)", name: name, reason: reason)))
            }
        }
        guard let life = network.life(of: place) else { return attempt }
        let target = SimURL.place(of: address)
        if network.isCut(place, target) || network.isCut(target, place) {
            fail("ETIMEDOUT", "connection timed out", after: timeoutNanoseconds)
            return attempt
        }
        network.kernel.after(network.streamDelay()) {
            guard network.life(of: place) == life else { return }
            guard let listener = network.listener(at: address), listener.isOpen() else {
                return network.kernel.after(network.delay()) {
                    executor.post {
                        attempt.end(
                            .failure(
                                TransportError(
                                    operation: "connect to \(url)", name: "ECONNREFUSED",
                                    reason: "connection refused")))
                    }
                }
            }
            let (near, far) = SimStream.pair(
                network, near: (place, executor), far: (listener.place, listener.executor),
                address: address)
            listener.executor.add { listener.accept(far) }
            network.kernel.after(network.streamDelay()) {
                executor.post {
                    if !attempt.end(.success(near)) { near.abort() }
                }
            }
        }
        return attempt
    }
}

/// `@unchecked Sendable`: the world has one thread.
private final class SimDial: DialAttempt, @unchecked Sendable {
    private var completion: ((Result<any ByteStream, TransportError>) -> Void)?
    init(_ completion: @escaping (Result<any ByteStream, TransportError>) -> Void) {
        self.completion = completion
    }
    @discardableResult
    func end(_ result: Result<any ByteStream, TransportError>) -> Bool {
        guard let completion else { return false }
        self.completion = nil
        completion(result)
        return true
    }
    func cancel() { completion = nil }
}

/// Addresses of the world: 10.0.0.S, members at 2380, clients at 2379.
enum SimURL {
    static func peer(_ place: SimPlace) -> String { "10.0.0.\(place):2380" }
    static func client(_ place: SimPlace) -> String { "10.0.0.\(place):2379" }
    static func place(of address: String) -> SimPlace {
        let host = address.prefix { $0 != ":" }
        return Int(host.dropFirst("10.0.0.".count)) ?? 0
    }
}
