// One member that dials, one that listens, and the wire between them, in memory and virtual time.

import API

@testable import Transport

/// A wire that can be held up: what is written then waits, as in a full kernel buffer.
final class Valve: ByteStream, ByteStreamHandler {
    private let inner: any ByteStream
    weak var handler: (any ByteStreamHandler)?
    private var waiting: [UInt8] = []
    private var own: Valve?
    private(set) var isClosed = false
    private(set) var writeCount = 0
    /// What may still go out; nil is everything.
    private var credit: Int?
    /// Nothing comes in, and what is written vanishes.
    var isDead = false

    init(_ inner: any ByteStream) {
        self.inner = inner
        inner.handler = self
    }

    func hold() { credit = 0 }
    func open() { pass(nil) }
    /// Lets so many bytes through.
    func trickle(_ bytes: Int) { pass(bytes) }

    private func pass(_ bytes: Int?) {
        credit = bytes
        let count = min(bytes ?? waiting.count, waiting.count)
        guard count > 0 else { return }
        waiting[..<count].withUnsafeBytes { inner.write($0) }
        waiting.removeFirst(count)
        credit = bytes.map { $0 - count }
        // Never inside the caller's own write.
        if waiting.isEmpty { executor.atTurnEnd(.gather) { [self] in drained() } }
    }

    var executor: any ActorExecutor { inner.executor }
    var localAddress: String { inner.localAddress }
    var remoteAddress: String { inner.remoteAddress }
    var bufferedBytes: Int { waiting.count + inner.bufferedBytes }
    func resumeReading() {
        if !isClosed { own = self }
        inner.resumeReading()
    }
    func pauseReading() { inner.pauseReading() }
    func write(_ bytes: UnsafeRawBufferPointer) {
        writeCount += 1
        if isDead { return }
        guard let credit else { return inner.write(bytes) }
        waiting.append(contentsOf: bytes)
        if credit > 0 { pass(credit) }
    }
    func close() { inner.close() }
    func abort() { inner.abort() }

    func received(_ bytes: UnsafeRawBufferPointer) { if !isDead { handler?.received(bytes) } }
    func drained() { if waiting.isEmpty { handler?.drained() } }
    func receivedEnd() { if !isDead { handler?.receivedEnd() } }
    func closed(_ error: TransportError?) {
        isClosed = true
        own = nil
        handler?.closed(error)
    }
}

final class PlayedReceiver: PeerReceiver, @unchecked Sendable {
    struct Got: Equatable {
        let text: String
        let lane: PeerLane
        init(_ text: String, _ lane: PeerLane) {
            self.text = text
            self.lane = lane
        }
    }
    private(set) var got: [Got] = []
    private(set) var bytes = 0
    private(set) var callers: [PeerHello] = []

    func received(
        _ message: sending UnsafeRawBufferPointer, from member: MemberID, on lane: PeerLane
    ) throws(PeerMessageRefusal) {
        if message.elementsEqual("garbage".utf8) { throw PeerMessageRefusal("that is garbage") }
        bytes += message.count
        if message.count < 100 { got.append(Got(String(decoding: message, as: UTF8.self), lane)) }
    }
    func opened(_ lane: PeerLane, by caller: PeerHello) { callers.append(caller) }
    func texts(_ lane: PeerLane) -> [String] { got.filter { $0.lane == lane }.map(\.text) }
}

final class PlayedAdmission: PeerAdmission, @unchecked Sendable {
    var removed: Set<MemberID> = []
    func refusal(of caller: PeerHello) -> PeerRefusal? {
        removed.contains(caller.from) ? .removed : nil
    }
}

final class PlayedObserver: PeerLinkObserver {
    var heard: [String] = []
    var failures: [String] = []
    var lostCount = 0
    var sentBytes = 0
    var roundTrips: [UInt64] = []
    func becameActive(_ member: MemberID) { heard.append("active \(member.hex)") }
    func laneFailed(
        _ member: MemberID, _ lane: PeerLane, _ reason: String, becameInactive: Bool
    ) {
        failures.append(reason)
        if becameInactive { heard.append("inactive \(member.hex)") }
    }
    func lost(_ member: MemberID) { lostCount += 1 }
    func sent(_ bytes: Int, to member: MemberID) { sentBytes += bytes }
    func answeredPing(_ member: MemberID, after nanoseconds: UInt64) {
        roundTrips.append(nanoseconds)
    }
    func wasRemoved(saidBy member: MemberID) { heard.append("removed, says \(member.hex)") }
}

struct Dice: RandomSource {
    func next() -> UInt64 { 0x9E37_79B9_7F4A_7C15 }
}

/// Member 1 dials member 2 of cluster c1.
final class PeerWorld {
    static let url = "memory://2"
    static let other = MemberID(2)

    let executor = ManualExecutor()
    let network: MemoryNetwork
    let observer = PlayedObserver()
    let receiver = PlayedReceiver()
    let admission = PlayedAdmission()
    let links: PeerLinks
    let acceptor: PeerAcceptor
    let server: GRPCServer
    /// The dialer's ends, in the order they were dialed: first the lanes, in theirs.
    private(set) var valves: [Valve] = []

    /// - Parameter listener: who listens at `url`, as that one sees itself.
    init(
        cluster: ClusterID = ClusterID(0xC1), listener: MemberID = PeerWorld.other,
        settings: PeerSettings = PeerSettings(),
        services: (inout GRPCMethods) -> Void = { _ in }
    ) {
        network = MemoryNetwork(on: executor)
        acceptor = PeerAcceptor(
            cluster: ClusterID(0xC1), member: listener, admission: admission,
            receiver: receiver, openToEveryone: ["/test.Open/Echo"])
        var methods = GRPCMethods()
        services(&methods)
        acceptor.register(in: &methods)
        var configuration = GRPCServerConfiguration()
        configuration.maxReceiveMessageBytes = settings.maxMessageBytes
        configuration.maxHeldRequestBytes = settings.maxMessageBytes
        configuration.keepaliveMinTime = 0
        server = GRPCServer(methods, configuration: configuration, on: executor)
        let valves = Valves()
        links = PeerLinks(
            cluster: cluster, member: MemberID(1), urls: ["memory://1"],
            dialer: network.dialer { valves.add($0) }, settings: settings, random: Dice())
        links.observer = observer
        valves.added = { [unowned self] in self.valves.append($0) }
        listen(true)
    }

    deinit {
        links.stop()
        server.abort()
        executor.advance(seconds: 10)
        executor.die()
    }

    private final class Valves {
        var added: (Valve) -> Void = { _ in }
        func add(_ stream: any ByteStream) -> any ByteStream {
            let valve = Valve(stream)
            added(valve)
            return valve
        }
    }

    func listen(_ isListening: Bool, at url: String = PeerWorld.url) {
        network.listen(url, isListening ? { [server] in server.accept($0) } : nil)
    }

    func begin(_ urls: [String] = [PeerWorld.url]) {
        links.set(Self.other, urls: urls)
        executor.run()
    }

    @discardableResult
    func send(_ text: String, on lane: PeerLane = .messages) -> Bool {
        links.send(PeerMessage(head: Array(text.utf8)), to: Self.other, on: lane)
    }

    var activeSince: MonotonicTime? { links.status(of: Self.other)?.activeSince }
}
