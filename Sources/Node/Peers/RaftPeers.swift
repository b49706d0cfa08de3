// Raft's messages over the links to the other members: out through PeerLinks, in through the lanes
// of the peer port.

import API
import Consensus
import Logging
import Transport

/// Between a RaftNode and its peers.
///
/// `@unchecked Sendable`: used on one executor only, which is that of the node, of the links and of
/// the peer port's connections.
public final class RaftPeers: @unchecked Sendable {
    /// Links, calls and streams to the other members.
    public let links: PeerLinks
    let own: MemberID
    let executor: any ActorExecutor
    let logger: Logger
    private let metrics: PeerMetrics
    private(set) var raft: RaftNode?
    private let onRemoval: (MemberID) -> Void

    /// Takes messages that came in the node's place: a network that loses and repeats single ones,
    /// which connections do not. What it wants the node to have it hands to `deliver`.
    package var interceptor: ((Message) -> Void)?
    /// Messages that came in this turn.
    private var gathered: [Message] = []
    /// Members to whom messages of this turn were lost.
    private var lost: Set<MemberID> = []
    private var isTurnEndComing = false
    private var instruments: [MemberID: PeerMetrics.Instruments] = [:]
    /// What was said of links that fail, so that it is said once.
    var saidFailures: [MemberID: Set<String>] = [:]
    /// Members with a link that this member was not told of: they have called.
    private var strangers: Set<MemberID> = []
    private static let maxStrangers = 16

    /// - Parameter onRemoval: called when another member says that this one was removed from the
    ///   cluster, each time it says so.
    public init(
        member: MemberID, links: PeerLinks, metrics: PeerMetrics, logger: Logger,
        onRemoval: @escaping (_ saidBy: MemberID) -> Void
    ) {
        own = member
        self.links = links
        executor = links.executor
        self.metrics = metrics
        self.logger = logger
        self.onRemoval = onRemoval
        links.observer = self
    }

    /// Whom messages are for. Before it is known they are dropped.
    public func attach(_ raft: RaftNode) { self.raft = raft }

    /// Ends all links. Nothing is handed to the node any more.
    public func stop() {
        raft = nil
        links.stop()
    }

    // MARK: Members

    /// Begins the link to `member`, or changes where it leads.
    public func set(_ member: MemberID, urls: [String]) {
        guard member != own else { return }
        strangers.remove(member)
        begin(member, urls)
    }

    private func begin(_ member: MemberID, _ urls: [String]) {
        instruments(of: member).isKnown.set(1)
        links.set(member, urls: urls)
    }

    /// Begins a link to a member that this one has not heard of in its log: its messages are
    /// answered all the same.
    private func meet(_ stranger: PeerHello) {
        guard links.status(of: stranger.from) == nil, stranger.from != own,
            !stranger.urls.isEmpty, strangers.count < Self.maxStrangers
        else { return }
        strangers.insert(stranger.from)
        begin(stranger.from, stranger.urls)
    }

    /// The member is none any more.
    public func remove(_ member: MemberID) {
        instruments(of: member).isKnown.set(0)
        instruments(of: member).isActive.set(0)
        links.remove(member)
        strangers.remove(member)
        saidFailures[member] = nil
        instruments[member] = nil
    }

    /// Whether `member` leads, as far as is known here.
    func isLed(by member: MemberID) -> Bool {
        raft?.assumeIsolated { $0.status.leader == member } ?? false
    }

    /// Nanoseconds for which messages have got through to `member`; nil if they do not.
    public func activeTime(of member: MemberID) -> UInt64? {
        links.status(of: member)?.activeSince.map { executor.now.nanoseconds(since: $0) }
    }

    func instruments(of member: MemberID) -> PeerMetrics.Instruments {
        if let known = instruments[member] { return known }
        let new = metrics.instruments(of: member)
        instruments[member] = new
        return new
    }

    /// Whoever has no link is counted as nobody in particular: anybody can make ids up.
    private func instruments(ofCaller member: MemberID) -> PeerMetrics.Instruments {
        instruments(of: links.status(of: member) == nil ? .none : member)
    }

    // MARK: The end of a turn

    private func atTurnEnd() {
        guard !isTurnEndComing else { return }
        isTurnEndComing = true
        executor.atTurnEnd(.gather) { [self] in
            isTurnEndComing = false
            tellNode()
        }
    }

    private func tellNode() {
        let messages = gathered
        let lost = lost
        gathered = []
        self.lost = []
        guard let raft else { return }
        raft.assumeIsolated { raft in
            for member in lost.sorted() { raft.unreachable(member) }
            if !messages.isEmpty { raft.receive(messages) }
        }
    }

    func tellLost(_ member: MemberID) {
        lost.insert(member)
        atTurnEnd()
    }

    func tell(_ message: Message) {
        if let interceptor { interceptor(message) } else { deliver(message) }
    }

    /// Hands a message to the node, with all others of the turn.
    package func deliver(_ message: Message) {
        gathered.append(message)
        atTurnEnd()
    }

    func tellRemoval(saidBy member: MemberID) { onRemoval(member) }
}

// MARK: - Out

extension RaftPeers: PeerSender {
    public func reaches(_ member: MemberID) -> Bool {
        links.status(of: member)?.activeSince != nil
    }

    public func send(_ messages: [Message]) {
        for (message, bytes) in zip(messages, EncodedMessage.encode(messages)) {
            let isSent = links.send(
                PeerMessage(head: bytes.head, payload: bytes.payload), to: bytes.to,
                on: message.body.lane)
            if isSent { continue }
            instruments(of: bytes.to).sendFailures.increment()
            tellLost(bytes.to)
        }
    }
}

extension Message.Body {
    fileprivate var isReadIndex: Bool {
        if case .readIndex = self { true } else { false }
    }

    /// Raft is shown it beside its payload only (`SnapshotReceiver`), never from a lane.
    fileprivate var isSnapshot: Bool {
        if case .snapshot = self { true } else { false }
    }

    /// Appends without entries go with the others: overtaking them, they would be rejected.
    fileprivate var lane: PeerLane {
        switch self {
        case .append, .proposal, .snapshot: .appends
        case .appendResponse, .vote, .voteResponse, .preVote, .preVoteResponse, .timeoutNow,
            .heartbeat, .heartbeatResponse, .readIndex, .readIndexResponse:
            .messages
        }
    }
}

// MARK: - In

extension RaftPeers: PeerReceiver {
    public func received(
        _ message: sending UnsafeRawBufferPointer, from member: MemberID, on lane: PeerLane
    ) throws(PeerMessageRefusal) {
        let instruments = instruments(ofCaller: member)
        instruments.receivedBytes.increment(by: UInt64(message.count))
        do throws(PeerFrameError) {
            let decoded = try Message(decodingFrame: message)
            // A request to read may have come to that member from another one.
            guard decoded.to == own, decoded.from == member || decoded.body.isReadIndex,
                !decoded.body.isSnapshot
            else { throw PeerFrameError.malformed }
            tell(decoded)
        } catch {
            instruments.receiveFailures.increment()
            logger.warning(
                "failed to decode a message of another member",
                metadata: .fields([
                    "local-member-id": .string(own.hex),
                    "remote-peer-id": .string(member.hex), "error": .string("\(error)"),
                ]))
            throw PeerMessageRefusal("\(error)")
        }
    }

    public func refused(_ caller: PeerHello?) {
        instruments(ofCaller: caller?.from ?? .none).receiveFailures.increment()
    }

    public func opened(_ lane: PeerLane, by caller: PeerHello) {
        meet(caller)
        links.heard(from: caller.from)
    }
}
