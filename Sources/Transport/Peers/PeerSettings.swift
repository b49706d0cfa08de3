// Bounds and times of the links between members.

import API

/// Times are in nanoseconds.
public struct PeerSettings: Sendable {
    /// For one URL (etcd: a second and an election timeout).
    public var dialTimeout: UInt64 = 2_000_000_000
    /// For the answer that opens a lane, once connected.
    public var welcomeTimeout: UInt64 = 5_000_000_000
    /// The first pause after a failure; it doubles up to `longestPause`. Chance makes each shorter
    /// by up to a half, so that members do not dial in step.
    public var firstPause: UInt64 = 50_000_000
    public var longestPause: UInt64 = 1_000_000_000
    /// Between two pings of a connection.
    public var pingInterval: UInt64 = 1_000_000_000
    /// A connection is dead when for this long no ping was answered and none of its bytes went
    /// out (etcd: --raft-read-timeout, --raft-write-timeout).
    public var silenceTimeout: UInt64 = 5_000_000_000
    /// What may wait in one lane; more than Raft has under way to one member.
    public var maxLaneBytes = 128 << 20
    public var maxLaneMessages = 4096
    /// Bytes of a lane that are encoded for its connection. Beyond it messages wait as they are,
    /// their payload shared with other members' lanes.
    public var laneBufferBytes = 1 << 20
    /// Calls to one member that wait for their answer.
    public var maxCalls = 4096
    /// The longest message between members (etcd: 512 MB).
    public var maxMessageBytes = 512 << 20

    public init() {}
}

/// A link's lanes: a message waits only for those before it in its own lane. Each has a connection
/// of its own.
public enum PeerLane: Int, Sendable, CaseIterable {
    /// Heartbeats, votes, answers, read indexes: small and urgent.
    case messages
    /// Entries and proposals.
    case appends

    /// The method that carries it.
    var path: String {
        switch self {
        case .messages: "/cairn.PeerLink/Messages"
        case .appends: "/cairn.PeerLink/Appends"
        }
    }

    var method: GRPCClientMethod {
        switch self {
        case .messages: Self.messagesMethod
        case .appends: Self.appendsMethod
        }
    }
    private static let messagesMethod = GRPCClientMethod(PeerLane.messages.path)
    private static let appendsMethod = GRPCClientMethod(PeerLane.appends.path)
}

/// One message, in two pieces that are sent one behind the other. Arrays, so that what is the same
/// for several members is in memory once.
public struct PeerMessage: Sendable {
    public let head: [UInt8]
    public let payload: [UInt8]
    public var count: Int { head.count + payload.count }

    public init(head: [UInt8], payload: [UInt8] = []) {
        self.head = head
        self.payload = payload
    }

    /// - Parameter room: of at least `count` bytes.
    func write(to room: UnsafeMutableRawBufferPointer) -> Int {
        room.copyBytes(from: head)
        UnsafeMutableRawBufferPointer(rebasing: room[head.count...]).copyBytes(from: payload)
        return count
    }
}
