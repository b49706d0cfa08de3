// The receiving side: who may call, and what comes on the lanes.

import API

/// Gets the messages of other members. On the executor of the connections.
public protocol PeerReceiver: AnyObject, Sendable {
    /// - Parameter message: valid during the call only.
    /// - Throws: when it is no message: the lane is closed, the reason goes back to the sender.
    func received(
        _ message: sending UnsafeRawBufferPointer, from member: MemberID, on lane: PeerLane
    ) throws(PeerMessageRefusal)
    /// A member of this cluster has opened a lane: it is there, and reachable at `caller.urls`.
    func opened(_ lane: PeerLane, by caller: PeerHello)
    /// A call was refused for what it says of its caller; nil if that is nothing, or no call.
    func refused(_ caller: PeerHello?)
}

extension PeerReceiver {
    public func refused(_ caller: PeerHello?) {}
}

/// What came on a lane is not understood.
public struct PeerMessageRefusal: Error, Hashable, Sendable {
    public let reason: String
    public init(_ reason: String) { self.reason = reason }
}

/// Admits the calls of other members to a server and takes their lanes.
///
/// `@unchecked Sendable`: used on the executor of the server's connections only.
public final class PeerAcceptor: @unchecked Sendable {
    private let cluster: ClusterID
    private let own: MemberID
    private let admission: any PeerAdmission
    fileprivate let receiver: any PeerReceiver
    /// Methods that anyone may call.
    private let open: Set<String>
    private var lanes = ObjectSet<LaneReceiver>()
    private var isStopped = false

    public init(
        cluster: ClusterID, member: MemberID, admission: any PeerAdmission,
        receiver: any PeerReceiver, openToEveryone open: Set<String> = []
    ) {
        self.cluster = cluster
        own = member
        self.admission = admission
        self.receiver = receiver
        self.open = open
    }

    /// Adds the lanes to `methods`, and lets only members of the cluster call these and all others.
    public func register(in methods: inout GRPCMethods) {
        methods.interceptor = { [self] in refusal(of: $0)?.status }
        for lane in PeerLane.allCases {
            methods.bidirectional(lane.path) { [self] in accept($0, lane) }
        }
    }

    /// The order is etcd's: version, cluster, addressee, and then what the cluster knows.
    private func refusal(of call: CallContext) -> PeerRefusal? {
        if open.contains(call.method) { return nil }
        guard !isStopped else { return .notServing }
        let caller = call.peer
        let refusal = caller.map { self.refusal(of: $0) } ?? .noHello
        if refusal != nil { receiver.refused(caller) }
        return refusal
    }

    func refusal(of caller: PeerHello) -> PeerRefusal? {
        guard caller.commonVersion != nil else { return .unknownVersion(caller.versions) }
        guard caller.cluster == cluster else {
            return .otherCluster(caller.cluster, own: cluster)
        }
        guard caller.to == own else { return .otherMember(caller.to, own: own) }
        guard caller.from != own else { return .ownMember(own) }
        return admission.refusal(of: caller)
    }

    /// What came over a connection is no request.
    public func refusedGarbage() { receiver.refused(nil) }

    private func accept(_ call: StreamingCall, _ lane: PeerLane) -> (any StreamingHandler)? {
        guard let caller = call.context.peer, let version = caller.commonVersion else {
            call.finish(PeerRefusal.noHello.status)
            return nil
        }
        let receiver = LaneReceiver(self, call, lane, caller.from)
        lanes.insert(receiver)
        call.send(PeerWelcome.message(version))
        self.receiver.opened(lane, by: caller)
        return receiver
    }

    fileprivate func forget(_ lane: LaneReceiver) { lanes.remove(lane) }

    /// `member` was removed from the cluster: its lanes are closed, and it is told why.
    public func removed(_ member: MemberID) {
        for lane in lanes.inOrder where lane.member == member {
            lane.close(PeerRefusal.removed.status)
        }
    }

    /// Takes no more calls and closes all lanes.
    public func stop() {
        isStopped = true
        for lane in lanes.inOrder { lane.close(PeerRefusal.notServing.status) }
    }
}

/// One lane that comes in.
private final class LaneReceiver: StreamingHandler {
    private unowned let acceptor: PeerAcceptor
    private let call: StreamingCall
    private let lane: PeerLane
    let member: MemberID

    init(_ acceptor: PeerAcceptor, _ call: StreamingCall, _ lane: PeerLane, _ member: MemberID) {
        self.acceptor = acceptor
        self.call = call
        self.lane = lane
        self.member = member
    }

    func received(_ message: sending UnsafeRawBufferPointer) {
        do throws(PeerMessageRefusal) {
            try acceptor.receiver.received(message, from: member, on: lane)
        } catch {
            close(Status(.invalidArgument, error.reason))
        }
    }

    func halfClosed() { close(nil) }

    func writable() {}

    func cancelled() { acceptor.forget(self) }

    func close(_ status: Status?) {
        acceptor.forget(self)
        call.finish(status)
    }
}
