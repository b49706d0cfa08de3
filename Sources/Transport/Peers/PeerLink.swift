// All connections to one other member: its lanes, one for calls, and those opened on demand.

import API

/// How the link to a member stands.
public struct PeerLinkStatus: Sendable {
    public var urls: [String]
    /// Since when messages get through; nil while they do not.
    public var activeSince: MonotonicTime?
    /// Why they did not, the last time.
    public var lastFailure: String?
}

final class PeerLink {
    let member: MemberID
    /// The table of links owns this one.
    private unowned let links: PeerLinks
    private let urls: PeerURLs
    private var lanes: [LaneSender] = []
    private(set) var calls: PeerCallConnection
    private var streams = ObjectSet<PeerStream>()
    private var activeSince: MonotonicTime?
    private var lastFailure: String?

    init(to member: MemberID, at urls: [String], of links: PeerLinks) {
        self.member = member
        self.links = links
        let urls = PeerURLs(urls)
        self.urls = urls
        calls = PeerCallConnection(urls, dialer: links.dialer, settings: links.settings)
        lanes = PeerLane.allCases.map { LaneSender($0, of: self) }
    }

    var executor: any ActorExecutor { links.executor }
    var settings: PeerSettings { links.settings }
    var hello: PeerHello { links.hello(to: member) }
    var status: PeerLinkStatus {
        PeerLinkStatus(urls: urls.all, activeSince: activeSince, lastFailure: lastFailure)
    }

    func start() { for lane in lanes { lane.start() } }

    /// Closes everything, without a word to the observer.
    func stop() {
        for lane in lanes { lane.stop() }
        calls.close("the link to the member was taken down")
        let streams = streams.inOrder
        self.streams = ObjectSet()
        for stream in streams { stream.fail("the link to the member was taken down") }
    }

    /// Connections that are there stay; those that follow go to the new URLs.
    func update(_ urls: [String]) {
        guard urls != self.urls.all else { return }
        self.urls.replace(urls)
        for lane in lanes { lane.start() }
    }

    func send(_ message: PeerMessage, on lane: PeerLane) -> Bool {
        lanes[lane.rawValue].send(message)
    }

    func chance() -> UInt64 { links.random.next() }

    func connect(
        for owner: any PeerConnectionOwner, pingsWhenIdle: Bool
    ) -> PeerConnection {
        PeerConnection(
            urls, dialer: links.dialer, settings: settings, pingsWhenIdle: pingsWhenIdle,
            owner: owner)
    }

    func open(
        _ method: GRPCClientMethod, metadata: [(name: String, value: [UInt8])],
        handler: any GRPCClientStreamHandler
    ) -> PeerStream {
        let options = GRPCCallOptions(metadata: hello.metadata + metadata)
        let stream = PeerStream(method, options, handler)
        let id = ObjectIdentifier(stream)
        streams.insert(stream)
        stream.begin(
            connect(for: stream, pingsWhenIdle: true), on: executor,
            ended: { [weak self] in self?.streams.remove(id) })
        return stream
    }

    // MARK: What lanes tell

    // A link counts as active while its lane of small messages is open: without that no vote and
    // no heartbeat gets through.

    func laneOpened(_ lane: PeerLane) {
        guard lane == .messages else { return }
        activeSince = executor.now
        links.observer?.becameActive(member)
    }

    func laneFailed(_ lane: PeerLane, _ reason: String, hadMessages: Bool) {
        lastFailure = reason
        let wasActive = lane == .messages && activeSince != nil
        if wasActive { activeSince = nil }
        links.observer?.laneFailed(member, lane, reason, becameInactive: wasActive)
        if hadMessages { links.observer?.lost(member) }
    }

    func sent(_ bytes: Int) { links.observer?.sent(bytes, to: member) }

    func answeredPing(after nanoseconds: UInt64) {
        links.observer?.answeredPing(member, after: nanoseconds)
    }

    func heardOfRemoval() { links.observer?.wasRemoved(saidBy: member) }
}
