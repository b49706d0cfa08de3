// A byte stream over a byte stream: encrypted below, plain above. Who uses it cannot tell it from
// TCP.
//
// A write of the handler, which gathers for a turn, becomes records at once and one write below.
// Input is decrypted into a buffer that all connections of the executor share. So an idle
// connection holds OpenSSL's state and nothing else.
//
// A handshake costs as much as a hundred requests. Its steps are slices of long work, one in a
// turn, so that a thousand clients that come at once do not hold up those who are there.

import API

/// What the connections of one executor share. On that executor.
final class TLSWorkspace {
    let sink = OutputSink()
    /// Nil while it is lent.
    private var plaintext: UnsafeMutableRawBufferPointer?

    /// Four records.
    private static let size = 64 << 10
    static let recordSize = 16 << 10

    deinit { plaintext?.deallocate() }

    /// Lends memory for decrypted bytes. Whoever is served meanwhile borrows another.
    func withPlaintext(_ body: (UnsafeMutableRawBufferPointer) -> Void) {
        let lent = plaintext ?? .allocate(byteCount: Self.size, alignment: 16)
        plaintext = nil
        body(lent)
        plaintext?.deallocate()
        plaintext = lent
    }

    /// Writes what OpenSSL has to send.
    func flush(to stream: any ByteStream) {
        guard !sink.bytes.isEmpty else { return }
        stream.write(sink.bytes.bytes)
        sink.bytes.reset(keepingCapacity: 2 * HTTP2Connection.writeBytes)
    }
}

/// A TLS connection. On the executor of the stream below.
final class TLSStream: ByteStream {
    typealias HandshakeEnd = (TLSStream, TLSError?) -> Void

    private let below: any ByteStream
    private let context: TLSContext
    private let application: TLSApplication
    private let host: String?
    private let workspace: TLSWorkspace
    private var session: TLSSession?
    private var state = TLSStreamState()
    private var failure: TransportError?
    /// Called once.
    private var handshakeEnd: HandshakeEnd?
    /// Told of memory that the handshake takes, in bytes, as it comes.
    var handshakeGrew: ((Int) -> Void)?
    private var isStepDue = false
    private var isDecrypting = false
    /// What has come and was not given to OpenSSL: during a handshake, and while nobody reads.
    private var waiting: [UInt8] = []

    /// More than a client's certificates take (OpenSSL takes 100 KB of these) is not read ahead.
    private static let waitingLimit = 128 << 10

    weak var handler: (any ByteStreamHandler)?
    let executor: any ActorExecutor
    private(set) var security: StreamSecurity?

    var localAddress: String { below.localAddress }
    var remoteAddress: String { below.remoteAddress }
    var bufferedBytes: Int { below.bufferedBytes }

    /// Begins a handshake at once. Whoever makes this keeps it until the handshake has ended.
    /// - Parameter host: see TLSSession.
    /// - Parameter end: called once, on the executor; not after `abort`. Without an error the
    ///   stream is open and not reading; with one it is closed.
    init(
        over below: any ByteStream, _ context: TLSContext, application: TLSApplication,
        host: String? = nil, workspace: TLSWorkspace, end: @escaping HandshakeEnd
    ) {
        self.below = below
        self.context = context
        self.application = application
        self.host = host
        self.workspace = workspace
        executor = below.executor
        handshakeEnd = end
        below.handler = self
        if context.side == .dialing { stepLater() }
        below.resumeReading()
    }

    deinit {
        // The handler went without closing. Sound: nobody else has the stream below.
        guard state.phase == .handshaking || state.phase == .open else { return }
        nonisolated(unsafe) let below = below
        if executor.isCurrent { below.abort() } else { executor.post { below.abort() } }
    }

    // MARK: Handshake

    private func stepLater() {
        guard !isStepDue else { return }
        isStepDue = true
        // Sound: the slice runs on this executor, where the stream lives.
        nonisolated(unsafe) let stream = self
        executor.postSlice {
            stream.isStepDue = false
            stream.step()
        }
    }

    private func step() {
        guard state.phase == .handshaking else { return }
        do throws(TLSError) {
            guard let session = try openSession() else { return }
            var step = TLSSession.Step.needsInput
            feed(session) { step = session.handshake() }
            workspace.flush(to: below)
            switch step {
            case .needsInput:
                if waiting.count <= Self.waitingLimit { below.resumeReading() }
            case .failed(let error): throw error
            case .done: established(session)
            }
        } catch {
            handshakeFailed(error)
        }
    }

    /// Not before the first bytes: a connection that says nothing costs nothing.
    private func openSession() throws(TLSError) -> TLSSession? {
        if let session { return session }
        if context.side == .accepting {
            guard try ClientHelloRules.admit(waiting) else { return nil }
            handshakeGrew?(Self.sessionBytes)
            guard state.phase == .handshaking else { return nil }
        }
        let session = try TLSSession(
            context, application: application, host: host, sink: workspace.sink)
        self.session = session
        return session
    }

    /// What OpenSSL takes for a handshake besides what comes, about.
    private static let sessionBytes = 24 << 10

    private func established(_ session: TLSSession) {
        state.established()
        below.pauseReading()
        security = StreamSecurity(
            commonName: session.commonName, applicationProtocol: session.applicationProtocol,
            isResumed: session.isResumed)
        handshakeGrew = nil
        let end = handshakeEnd.take()
        end?(self, nil)
    }

    private func handshakeFailed(_ error: TLSError) {
        guard state.phase == .handshaking else { return }
        _ = state.closes()
        below.close()  // behind the alert that says why
        let end = handshakeEnd.take()
        end?(self, error)
    }

    /// For logs: what is known of the other side.
    var serverName: String { session?.serverName ?? "" }
    var certificateNames: CertificateNames? { session?.names }

    /// Whether the other side calls from where its certificate says, where that is asked for.
    var addressCheck: AddressCheck {
        guard context.checksClientAddress, let names = certificateNames else { return .passes }
        return names.check(remoteAddress)
    }

    /// Whether the handshake is done and nothing has ended since.
    var isOpen: Bool { state.phase == .open }

    // MARK: Reading

    func resumeReading() {
        guard state.resumes() == .decrypt else { return }
        // As with a socket, not before the caller returns.
        executor.atTurnEnd(.gather) { [self] in decrypt() }
        if !state.hasEnded { below.resumeReading() }
    }

    func pauseReading() {
        state.pauses()
        if state.phase == .open { below.pauseReading() }
    }

    /// Lends what waits to OpenSSL.
    private func feed(_ session: TLSSession, _ body: () -> Void) {
        var input: [UInt8] = []
        swap(&input, &waiting)
        let taken = input.withUnsafeBytes { session.withInput($0, body) }
        // What came while `body` ran is behind it.
        if taken < input.count { waiting.insert(contentsOf: input[taken...], at: 0) }
    }

    private func decrypt() {
        guard state.decrypts, !isDecrypting, let session else { return }
        if waiting.isEmpty && !session.hasPending { return follow(state.drained()) }
        feed(session) { handOn(session) }
        workspace.flush(to: below)
    }

    /// Decrypts what OpenSSL has been lent and hands it on, for as long as the handler reads.
    private func handOn(_ session: TLSSession) {
        isDecrypting = true
        workspace.withPlaintext { room in
            var isMore = true
            while isMore && state.decrypts {
                var filled = 0
                var end: TLSSession.Read?
                while end == nil && room.count - filled >= TLSWorkspace.recordSize {
                    switch session.read(
                        into: UnsafeMutableRawBufferPointer(rebasing: room[filled...]))
                    {
                    case .bytes(let count): filled += count
                    case let other: end = other
                    }
                }
                // What a read has to say to the other side goes before what the handler says.
                workspace.flush(to: below)
                if filled > 0 {
                    // Nobody owns this stream any more, and nobody will close it.
                    guard let handler else { return abort() }
                    handler.received(UnsafeRawBufferPointer(rebasing: room[..<filled]))
                }
                isMore = end.map(ended) ?? true
            }
        }
        isDecrypting = false
    }

    /// - Returns: false: there is no more to read.
    private func ended(_ end: TLSSession.Read) -> Bool {
        switch end {
        case .bytes: return true
        case .needsInput: follow(state.drained())
        case .end:
            follow(state.ends())
            follow(state.drained())
        case .failed(let error): fail(error)
        }
        return false
    }

    private func follow(_ step: TLSStreamState.Step) {
        switch step {
        case .nothing: break
        case .decrypt: decrypt()
        case .tellEnd: handler?.receivedEnd()
        case .shakeHands: stepLater()
        case .abort: handshakeFailed(TLSError("EOF"))
        }
    }

    // MARK: Writing

    func write(_ bytes: UnsafeRawBufferPointer) {
        guard state.phase == .open, bytes.count > 0, let session else { return }
        do throws(TLSError) {
            try session.write(bytes)
            workspace.flush(to: below)
        } catch {
            fail(error)
        }
    }

    // MARK: Closing

    func close() {
        if state.closes() {
            session?.sayEnd()
            workspace.flush(to: below)
        }
        handshakeEnd = nil
        below.close()
    }

    func abort() {
        handshakeEnd = nil
        _ = state.closes()
        below.abort()
    }

    /// What came is no TLS, or was changed on its way.
    private func fail(_ error: TLSError) {
        guard state.phase == .open else { return }
        failure = TransportError(
            operation: "TLS with \(remoteAddress)", name: "EPROTO", reason: error.description)
        _ = state.closes()
        workspace.flush(to: below)  // an alert
        below.close()
    }
}

extension TLSStream: ByteStreamHandler {
    func received(_ bytes: UnsafeRawBufferPointer) {
        if state.phase == .handshaking { handshakeGrew?(bytes.count) }
        switch state.receives() {
        case .shakeHands:
            waiting.append(contentsOf: bytes)
            if waiting.count > Self.waitingLimit { below.pauseReading() }
            stepLater()
        case .decrypt where waiting.isEmpty && !isDecrypting:
            guard let session else { return }
            let taken = session.withInput(bytes) { handOn(session) }
            waiting.append(contentsOf: bytes[taken...])
            workspace.flush(to: below)
        case .decrypt, .nothing:
            if state.phase == .open { waiting.append(contentsOf: bytes) }
            follow(state.receives())
        case .tellEnd, .abort: break
        }
    }

    func drained() { if state.phase == .open { handler?.drained() } }

    func receivedEnd() {
        follow(state.ends())
        // What came before it may still wait.
        if waiting.isEmpty && !isDecrypting { follow(state.drained()) }
    }

    func closed(_ error: TransportError?) {
        let wasHandshaking = state.phase == .handshaking
        guard state.isGone() else { return }
        if wasHandshaking {
            let end = handshakeEnd.take()
            end?(self, TLSError(error?.reason ?? "EOF"))
        }
        handler?.closed(failure ?? error)
        session = nil
    }
}
