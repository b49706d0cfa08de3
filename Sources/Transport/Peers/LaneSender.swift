// The sending end of one lane to one member: a call that never ends, opened again and again.
//
// What is given while the lane is being opened waits, within bounds; what is given in a pause after
// a failure is lost at once, and so is all that waited when a lane fails. Nothing is ever sent
// twice: whether the other side got what was written last nobody knows (docs/peer-protocol.md,
// What a link promises).

import API
import DequeModule

final class LaneSender {
    private enum State {
        /// Before `start` and after `stop`.
        case stopped
        case connecting
        /// The call is made; the other side has not answered it.
        case greeting
        case open
        /// The last attempt or the lane has failed; a timer is set.
        case pausing
    }

    /// Unsafe for nobody: the link owns its lanes.
    private unowned let link: PeerLink
    private let lane: PeerLane
    private var state = State.stopped
    private var connection: PeerConnection?
    private var call: GRPCClientCall?
    private var events: LaneCallEvents?
    private var timer: (any TimerHandle)?
    private var pause: UInt64
    private var waiting: Deque<PeerMessage> = []
    private var waitingBytes = 0

    private var settings: PeerSettings { link.settings }

    init(_ lane: PeerLane, of link: PeerLink) {
        self.lane = lane
        self.link = link
        pause = link.settings.firstPause
    }

    var isOpen: Bool { state == .open }

    /// Dials, unless it is connected or connecting: at first, and when there is reason to think
    /// that a pause is needless.
    func start() {
        guard state == .stopped || state == .pausing else { return }
        timer?.cancel()
        timer = nil
        state = .connecting
        connection = link.connect(for: self, pingsWhenIdle: true)
    }

    /// What waits is lost.
    func stop() {
        state = .stopped
        letGo()
    }

    /// - Returns: false if the message is lost for sure.
    func send(_ message: PeerMessage) -> Bool {
        switch state {
        case .stopped, .pausing: return false
        case .open where waiting.isEmpty && write(message): return true
        case .open, .connecting, .greeting: break
        }
        guard waiting.count < settings.maxLaneMessages,
            waiting.isEmpty || waitingBytes + message.count <= settings.maxLaneBytes
        else { return false }
        waiting.append(message)
        waitingBytes += message.count
        return true
    }

    private func write(_ message: PeerMessage) -> Bool {
        guard let call, call.send(capacity: message.count, message.write) else { return false }
        link.sent(message.count)
        return true
    }

    private func writeOn() {
        guard state == .open else { return }
        while let message = waiting.first, write(message) {
            waiting.removeFirst()
            waitingBytes -= message.count
        }
    }

    // MARK: Failing

    private func fail(_ reason: String) {
        guard state != .stopped, state != .pausing else { return }
        let hadMessages = !waiting.isEmpty || state == .open
        state = .pausing
        letGo()
        let shorter = link.chance() % (pause / 2 + 1)
        timer = link.executor.schedule(afterNanoseconds: pause - shorter) { [weak self] in
            self?.start()
        }
        pause = min(2 * pause, settings.longestPause)
        link.laneFailed(lane, reason, hadMessages: hadMessages)
    }

    private func letGo() {
        timer?.cancel()
        timer = nil
        events?.lane = nil
        events = nil
        call = nil
        connection?.close("the lane was closed")
        connection = nil
        waiting = []
        waitingBytes = 0
    }
}

extension LaneSender: PeerConnectionOwner {
    func connected(_ client: GRPCClientConnection) {
        state = .greeting
        let events = LaneCallEvents(self)
        self.events = events
        timer = link.executor.schedule(afterNanoseconds: settings.welcomeTimeout) {
            [weak self] in self?.fail("the member did not open the lane in time")
        }
        call = client.streaming(
            lane.method, options: GRPCCallOptions(metadata: link.hello.metadata), handler: events)
    }

    func disconnected(_ reason: String) { fail(reason) }

    func answeredPing(after nanoseconds: UInt64) {
        if lane == .messages { link.answeredPing(after: nanoseconds) }
    }

    /// The other side has opened the lane.
    fileprivate func welcomed(_ message: UnsafeRawBufferPointer) {
        guard state == .greeting else { return fail("the member said more than a welcome") }
        guard let version = PeerWelcome.version(message),
            PeerHello.ownVersions.contains(version)
        else { return fail("the member's welcome is not understood") }
        timer?.cancel()
        timer = nil
        state = .open
        pause = settings.firstPause
        link.laneOpened(lane)
        writeOn()
    }

    fileprivate func writable() { writeOn() }

    fileprivate func finished(_ status: Status?) {
        let isRemoval = status.map(PeerRefusal.isRemoval) ?? false
        // First the lane, so that who is told finds it closed.
        fail(status?.message ?? "the member closed the lane")
        if isRemoval { link.heardOfRemoval() }
    }
}

/// The events of one call, which end when the lane gives the call up.
private final class LaneCallEvents: GRPCClientStreamHandler {
    weak var lane: LaneSender?
    init(_ lane: LaneSender) { self.lane = lane }
    func received(_ message: sending UnsafeRawBufferPointer) { lane?.welcomed(message) }
    func writable() { lane?.writable() }
    func finished(_ end: GRPCCallEnd) { lane?.finished(end.status) }
}

/// The one message that comes back on a lane: the version that is spoken on it.
enum PeerWelcome {
    static func message(_ version: UInt32) -> [UInt8] {
        withUnsafeBytes(of: version.littleEndian) { Array($0) }
    }

    static func version(_ message: UnsafeRawBufferPointer) -> UInt32? {
        guard message.count == 4 else { return nil }
        return UInt32(littleEndian: message.loadUnaligned(as: UInt32.self))
    }
}
