// One connection to another member: dialed at each of its URLs in turn, and watched, so that a
// member that is gone is told apart from one that is slow.
//
// A ping that is answered is a sign of life. So are bytes that go out after the kernel would take
// no more: then the other side has taken some. Bytes that merely fit into the kernel's buffer say
// nothing.

import API

/// Who uses a connection. On its executor; nothing is called after `PeerConnection.close`.
protocol PeerConnectionOwner: AnyObject {
    func connected(_ client: GRPCClientConnection)
    /// Once, whether it was connected or not.
    func disconnected(_ reason: String)
    func answeredPing(after nanoseconds: UInt64)
}

/// The URLs of a member, and which of them is tried next. Shared by all its connections.
final class PeerURLs {
    private(set) var all: [String]
    private var place = 0

    init(_ urls: [String]) { all = urls }

    var next: String? { all.isEmpty ? nil : all[place] }

    /// The one that was tried leads nowhere.
    func advance(past url: String) {
        if next == url { place = (place + 1) % all.count }
    }

    func replace(_ urls: [String]) {
        all = urls
        place = 0
    }
}

/// Dials at once. Used once: whoever wants another connection makes another one.
final class PeerConnection {
    private let urls: PeerURLs
    private let dialer: any StreamDialer
    private let settings: PeerSettings
    /// Whether pings go on while no call is under way.
    private let pingsWhenIdle: Bool
    private weak var owner: (any PeerConnectionOwner)?

    private var attempt: (any DialAttempt)?
    private var triesLeft: Int
    private var client: GRPCClientConnection?
    private var timer: (any TimerHandle)?
    private var pingSentAt: MonotonicTime?
    private var lastSign: MonotonicTime
    /// At the last look: bytes the kernel had taken, and whether there were more.
    private var taken = 0
    private var wasBlocked = false

    private var executor: any ActorExecutor { dialer.executor }

    init(
        _ urls: PeerURLs, dialer: any StreamDialer, settings: PeerSettings,
        pingsWhenIdle: Bool, owner: any PeerConnectionOwner
    ) {
        self.urls = urls
        self.dialer = dialer
        self.settings = settings
        self.pingsWhenIdle = pingsWhenIdle
        self.owner = owner
        triesLeft = urls.all.count
        lastSign = dialer.executor.now
        guard !urls.all.isEmpty else {
            let failure = TransportError(
                operation: "connect", name: "EDESTADDRREQ", reason: "the member has no peer URLs")
            attempt = FailedDial(failure, on: executor) { [weak self] _ in self?.end("\(failure)") }
            return
        }
        dial(otherwise: "")
    }

    deinit { close("the connection is not needed any more") }

    /// Gives up or closes at once; the owner hears nothing more. Calls under way end with
    /// UNAVAILABLE and `reason`.
    func close(_ reason: String) { leave()?.lose(reason) }

    /// As `close`, but a connection that is there lives on for as long as it has calls.
    @discardableResult
    func leave() -> GRPCClientConnection? {
        owner = nil
        attempt?.cancel()
        attempt = nil
        timer?.cancel()
        timer = nil
        client?.onClosed = nil
        client?.onPong = nil
        defer { client = nil }
        return client
    }

    // MARK: Dialing

    private func dial(otherwise reason: String) {
        guard triesLeft > 0, let url = urls.next else { return end(reason) }
        triesLeft -= 1
        attempt = dialer.dial(url, timeoutNanoseconds: settings.dialTimeout) { [weak self] in
            self?.dialed(url, $0)
        }
    }

    private func dialed(_ url: String, _ result: Result<any ByteStream, TransportError>) {
        attempt = nil
        switch result {
        case .failure(let error):
            urls.advance(past: url)
            dial(otherwise: "\(error)")
        case .success(let stream):
            guard let client = GRPCClientConnection(stream, configuration: configuration) else {
                stream.abort()
                return end("out of memory")
            }
            self.client = client
            client.onClosed = { [weak self] in
                self?.end($0.map { "\($0)" } ?? "the connection was closed")
            }
            client.onPong = { [weak self] _ in self?.ponged() }
            lastSign = executor.now
            watch()
            owner?.connected(client)
        }
    }

    private var configuration: GRPCClientConfiguration {
        var configuration = GRPCClientConfiguration()
        configuration.streamBufferBytes = settings.laneBufferBytes
        configuration.maxReceiveMessageBytes = settings.maxMessageBytes
        return configuration
    }

    private func end(_ reason: String) {
        // Before its calls end: who makes another call then gets another connection.
        let owner = owner
        self.owner = nil
        owner?.disconnected(reason)
        close(reason)
    }

    // MARK: Signs of life

    private func watch() {
        timer = executor.schedule(afterNanoseconds: settings.pingInterval) { [weak self] in
            self?.look()
        }
    }

    private func look() {
        guard let client else { return }
        let now = client.takenBytes
        let isExcused = !pingsWhenIdle && client.callCount == 0
        if isExcused || (wasBlocked && now > taken) { lastSign = executor.now }
        taken = now
        wasBlocked = client.isBlocked
        let silence = executor.now.nanoseconds(since: lastSign)
        guard silence < settings.silenceTimeout else {
            return end("the member gave no sign of life for \(silence / 1_000_000) ms")
        }
        if pingSentAt == nil && !isExcused {
            pingSentAt = executor.now
            client.ping()
        }
        watch()
    }

    private func ponged() {
        lastSign = executor.now
        guard let sent = pingSentAt else { return }
        pingSentAt = nil
        owner?.answeredPing(after: executor.now.nanoseconds(since: sent))
    }
}
