// What frames between members look like (docs/peer-protocol.md).
//
//     at   bytes
//      0   4      how many bytes follow these four
//      4   1      version
//      5   1      kind of message
//      6   2      bytes of the head
//      8   4      CRC-32C of the payload
//     12   4      CRC-32C of everything before, and of the head
//     16          head: from, to, term, what the kind of message says besides
//                 payload: entries, or a configuration
//
// Head and payload are apart, each with a checksum of its own, so that the entries of a step, which
// go to every follower, are encoded and summed up once; only the small heads differ.
// Numbers of fixed width are little-endian.

import API
import CSupport

/// Version, kinds and sizes.
enum PeerFrame {
    static let version: UInt8 = 1
    /// What stands before the head.
    static let prefixBytes = 16
    static let lengthBytes = 4

    /// Terms and indexes are below this, so that counting on from one never overflows.
    static let numberLimit: UInt64 = 1 << 62

    /// The values of raftpb.MessageType.
    enum Kind: UInt8 {
        case proposal = 2
        case append = 3
        case appendResponse = 4
        case vote = 5
        case voteResponse = 6
        case snapshot = 7
        case heartbeat = 8
        case heartbeatResponse = 9
        case timeoutNow = 14
        case readIndex = 15
        case readIndexResponse = 16
        case preVote = 17
        case preVoteResponse = 18
    }

    static func checksum(_ bytes: UnsafeRawBufferPointer, goingOnFrom crc: UInt32 = 0) -> UInt32 {
        csupport_crc32c(crc, bytes.baseAddress, bytes.count)
    }
}

/// Why bytes of another member are no message. The link they came on is of no more use.
public enum PeerFrameError: Error, Hashable, Sendable, CustomStringConvertible {
    case truncated
    /// Longer than frames may be, in bytes.
    case tooLarge(Int)
    case unknownVersion(UInt8)
    case unknownKind(UInt8)
    /// What arrived is not what was sent.
    case checksumMismatch
    case malformed

    public var description: String {
        switch self {
        case .truncated: "the frame ends too early"
        case .tooLarge(let size): "a frame of \(size) bytes is too large"
        case .unknownVersion(let version): "frames of version \(version) are not known"
        case .unknownKind(let kind): "messages of kind \(kind) are not known"
        case .checksumMismatch: "the frame's checksum is wrong"
        case .malformed: "the frame is malformed"
        }
    }
}
