// The links of one member to all others it knows.

import API

/// Who hears how the links fare. On their executor.
public protocol PeerLinkObserver: AnyObject {
    /// Messages get through to `member`.
    func becameActive(_ member: MemberID)
    /// A lane was closed or could not be opened. It is tried again.
    /// - Parameter becameInactive: whether messages got through until now.
    func laneFailed(
        _ member: MemberID, _ lane: PeerLane, _ reason: String, becameInactive: Bool)
    /// Messages that were accepted by `send` are lost, perhaps.
    func lost(_ member: MemberID)
    func sent(_ bytes: Int, to member: MemberID)
    /// The round trip of a ping, in nanoseconds.
    func answeredPing(_ member: MemberID, after nanoseconds: UInt64)
    /// `member` says that this member was removed from the cluster.
    func wasRemoved(saidBy member: MemberID)
}

/// Sends messages, makes calls and opens streams to the other members. On one executor.
public final class PeerLinks {
    let dialer: any StreamDialer
    let settings: PeerSettings
    let random: any RandomSource
    public weak var observer: (any PeerLinkObserver)?

    private let cluster: ClusterID
    private let own: MemberID
    /// Where this member can be reached.
    public var ownURLs: [String]
    private var links: [MemberID: PeerLink] = [:]
    private var isStopped = false

    /// - Parameter dialer: its executor is that of the links.
    public init(
        cluster: ClusterID, member: MemberID, urls: [String], dialer: any StreamDialer,
        settings: PeerSettings = PeerSettings(), random: any RandomSource
    ) {
        self.cluster = cluster
        own = member
        ownURLs = urls
        self.dialer = dialer
        self.settings = settings
        self.random = random
    }

    public var executor: any ActorExecutor { dialer.executor }

    // MARK: Members

    /// Those there are links to.
    public var members: [MemberID] { links.keys.sorted() }

    public func status(of member: MemberID) -> PeerLinkStatus? { links[member]?.status }

    /// Begins a link to `member`, or changes where it leads. Connections that are there stay.
    public func set(_ member: MemberID, urls: [String]) {
        guard !isStopped, member != own else { return }
        if let link = links[member] { return link.update(urls) }
        let link = PeerLink(to: member, at: urls, of: self)
        links[member] = link
        link.start()
    }

    /// Ends the link. Calls and streams end with UNAVAILABLE; what waits in lanes is lost.
    public func remove(_ member: MemberID) {
        guard let link = links.removeValue(forKey: member) else { return }
        end(link)
    }

    /// `member` has just called: if it is there, a pause before dialing it is needless.
    public func heard(from member: MemberID) { links[member]?.start() }

    /// Ends all links, for good.
    public func stop() {
        isStopped = true
        // In one order everywhere: a simulated run must not hang on how a process hashes.
        let all = links.sorted { $0.key < $1.key }
        links = [:]
        for (_, link) in all { end(link) }
    }

    private func end(_ link: PeerLink) {
        link.stop()
        // It may be the link that is just telling something: it stays until the turn is over.
        executor.atTurnEnd(.gather) { _ = link }
    }

    func hello(to member: MemberID) -> PeerHello {
        PeerHello(cluster: cluster, from: own, to: member, urls: ownURLs)
    }

    // MARK: Sending

    /// Sends without waiting. It may be lost later: `PeerLinkObserver.lost`.
    /// - Returns: false if it is lost for sure: nobody knows the member, it cannot be reached now,
    ///   or too much waits for it.
    public func send(_ message: PeerMessage, to member: MemberID, on lane: PeerLane) -> Bool {
        links[member]?.send(message, on: lane) ?? false
    }

    /// Calls a unary method of `member`'s peer port, on a connection that such calls share.
    /// - Parameter timeout: in nanoseconds, connecting included.
    /// - Parameter completion: called once, later or at once. UNAVAILABLE when the member cannot
    ///   be reached or the connection was lost: then it may have been carried out.
    public func call(
        _ member: MemberID, _ method: GRPCClientMethod, _ request: [UInt8], timeout: UInt64,
        completion: @escaping GRPCClientConnection.UnaryCompletion
    ) {
        guard let link = links[member] else {
            let unknown = Status(.unavailable, "there is no link to member \(member.hex)")
            return completion(.failure(unknown))
        }
        link.calls.call(
            method, request, metadata: link.hello.metadata, timeout: timeout,
            completion: completion)
    }

    /// Calls a unary method of whoever listens at one of `urls`, on a connection of its own and
    /// without saying who calls: for methods that are open to everyone.
    public func call(
        anyOf urls: [String], _ method: GRPCClientMethod, _ request: [UInt8], timeout: UInt64,
        completion: @escaping GRPCClientConnection.UnaryCompletion
    ) {
        PeerCallConnection.callOnce(
            PeerURLs(urls), dialer: dialer, settings: settings, method, request,
            timeout: timeout, completion: completion)
    }

    /// Opens a streaming call of `member`'s peer port on a connection of its own, such as for a
    /// snapshot. It is not repeated when it fails.
    /// - Parameter metadata: sent along behind who calls.
    /// - Parameter handler: held until the end, which it is told in any case, perhaps at once.
    public func open(
        _ member: MemberID, _ method: GRPCClientMethod,
        metadata: [(name: String, value: [UInt8])] = [], handler: any GRPCClientStreamHandler
    ) -> PeerStream {
        guard let link = links[member] else {
            let stream = PeerStream(method, GRPCCallOptions(), handler)
            stream.fail("there is no link to member \(member.hex)")
            return stream
        }
        return link.open(method, metadata: metadata, handler: handler)
    }
}
