// One client's connection to a gRPC server: keepalive, orderly shutdown and the bounds that hold
// for all its calls together.

import API

final class GRPCServerConnection: HTTP2Connection {
    let server: GRPCServer
    /// Parts of messages that its streams hold.
    var heldRequestBytes = 0
    private var pings: PingPolicy
    private var hasPreface = false
    private var lastReceived: MonotonicTime
    /// `lastReceived` when the keepalive timer last fired.
    private var lastSeen: MonotonicTime
    private var isPingOutstanding = false
    private var timer: (any TimerHandle)?
    private var drainTimer: (any TimerHandle)?
    private var drainState = DrainState.serving

    /// grpc-go, http2_server.go, outgoingGoAwayHandler: first a notice, so that calls that cross
    /// it are still taken; when its ping is answered, the last GOAWAY; then the calls end.
    private enum DrainState { case serving, noticed, draining }
    private static let drainPing: UInt64 = 0x0106_0108_0003_0309
    private static let keepalivePing: UInt64 = 0
    /// How long the answer to `drainPing` may take, in nanoseconds (grpc-go: a minute).
    private static let drainPingTimeout: UInt64 = 60_000_000_000

    init(_ stream: any ByteStream, session: HTTP2Session, server: GRPCServer) {
        self.server = server
        pings = PingPolicy(minTime: server.configuration.keepaliveMinTime)
        lastReceived = server.executor.now
        lastSeen = lastReceived
        super.init(stream, session: session, sink: server.sink)
        setTimer(server.configuration.prefaceTimeout) { [self] in prefaceIsDue() }
    }

    override func openStream() -> HTTP2Stream? {
        guard session.refusalBytes <= server.configuration.maxHeldResponseBytes else { return nil }
        let stream = server.takeStream()
        stream.begin(self)
        return stream
    }

    override func received(_ bytes: UnsafeRawBufferPointer) {
        lastReceived = executor.now
        super.received(bytes)
    }

    override func streamClosed() {
        if drainState == .draining && session.openStreamCount == 0 { closeAfterFlush() }
    }

    override func connectionClosed(_ error: TransportError?) {
        timer?.cancel()
        drainTimer?.cancel()
        server.removed(self)
    }

    // MARK: Keepalive

    override func receivedSettings() {
        guard !hasPreface else { return }
        hasPreface = true
        timer?.cancel()
        awaitSilence()
    }

    private func prefaceIsDue() {
        if !hasPreface { abort() }
    }

    // As grpc-go does it (http2_server.go, keepalive): a ping after a time of silence, the end
    // after a time without any answer to it.

    private func awaitSilence() {
        isPingOutstanding = false
        lastSeen = lastReceived
        let interval = server.configuration.keepaliveInterval
        guard interval > 0 else { return }
        let silence = executor.now.nanoseconds(since: lastReceived)
        setTimer(interval > silence ? interval - silence : 1) { [self] in
            keepaliveIsDue()
        }
    }

    private func keepaliveIsDue() {
        guard !isClosed else { return }
        if lastReceived > lastSeen { return awaitSilence() }
        if isPingOutstanding { return abort() }
        isPingOutstanding = true
        session.submitPing(Self.keepalivePing)
        setTimer(server.configuration.keepaliveTimeout) { [self] in keepaliveIsDue() }
    }

    private func setTimer(_ nanoseconds: UInt64, _ work: @escaping () -> Void) {
        timer = nanoseconds == 0 ? nil : executor.schedule(afterNanoseconds: nanoseconds, work)
    }

    override func receivedPing(isAck: Bool, payload: UInt64) {
        if isAck {
            if payload == Self.drainPing { finishDrain() }
            return
        }
        let hasSent = session.hasSent
        session.hasSent = false
        if pings.isTooMany(
            at: executor.now, hasSent: hasSent, hasCalls: session.openStreamCount > 0)
        {
            session.submitGoAway(.enhanceYourCalm, debugData: "too_many_pings")
            closeAfterFlush()
        }
    }

    // MARK: Shutdown

    func drain() {
        guard drainState == .serving, !isClosed else { return }
        drainState = .noticed
        session.submitShutdownNotice()
        session.submitPing(Self.drainPing)
        drainTimer = executor.schedule(afterNanoseconds: Self.drainPingTimeout) { [self] in
            finishDrain()
        }
    }

    private func finishDrain() {
        guard drainState == .noticed, !isClosed else { return }
        drainState = .draining
        drainTimer?.cancel()
        session.submitGoAway(.none)
        if session.openStreamCount == 0 { closeAfterFlush() }
    }
}
