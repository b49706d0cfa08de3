// What the two ends of a snapshot's call say to each other (docs/peer-protocol.md, Snapshots).
//
//     sender    offer ->            chunk, chunk, ... ->
//     receiver         <- due(n)          <- due(n+1) ...        <- done
//                      <- refused                <- refused
//
// `due` is both: where to go on after a cut link, and leave to send more.

import API
import Consensus
import Storage

/// A message of a snapshot's call.
enum SnapshotMessage: Hashable, Sendable {
    /// What the snapshot is of, and the message that the receiver's Raft is shown once it has it.
    case offer(SnapshotDescription, Message)
    /// As `SnapshotSpool` has it.
    case chunk([UInt8])
    /// All chunks before this one are taken.
    case due(UInt32)
    case refused(Refusal)
    /// The snapshot is durable there, and was shown to Raft.
    case done

    /// Why a receiver does not take a snapshot, or not any more.
    enum Refusal: UInt8, Hashable, Sendable {
        /// It has that state, or a later one.
        case notNeeded = 1
        /// It has another one in hand. Later, perhaps.
        case busy = 2
        /// What came is no snapshot of this cluster.
        case malformed = 3
        /// Its disk or its store failed.
        case failed = 4
    }

    /// Chunks that are sent and not taken.
    static let windowChunks = 16
    /// What is sent and not answered, at most.
    static let windowBytes = (windowChunks + 1) * maximumBytes
    /// No message is longer: a chunk that cannot be compressed, or an offer.
    static let maximumBytes = 320 * 1024

    /// Of the state in a chunk, which is what costs: at both ends it is read, written and packed.
    static let contentBytes = 256 * 1024

    private enum Kind: UInt8 {
        case offer = 1
        case chunk, due, refused, done
    }

    var encoded: [UInt8] {
        switch self {
        case .offer(let description, let message):
            let description = description.encoded
            let frame = EncodedMessage.encode([message])[0]
            return [Kind.offer.rawValue] + Self.bytes(UInt32(description.count)) + description
                + frame.head + frame.payload
        case .chunk(let chunk): return [Kind.chunk.rawValue] + chunk
        case .due(let number): return [Kind.due.rawValue] + Self.bytes(number)
        case .refused(let reason): return [Kind.refused.rawValue, reason.rawValue]
        case .done: return [Kind.done.rawValue]
        }
    }

    private static func bytes(_ number: UInt32) -> [UInt8] {
        withUnsafeBytes(of: number.littleEndian) { [UInt8]($0) }
    }

    /// - Returns: nil for what `encoded` does not make.
    init?(decoding bytes: [UInt8]) {
        guard bytes.count <= Self.maximumBytes, let first = bytes.first,
            let kind = Kind(rawValue: first)
        else { return nil }
        let rest = bytes[1...]
        switch kind {
        case .offer:
            guard let offer = Self.offer(rest) else { return nil }
            self = offer
        case .chunk: self = .chunk(Array(rest))
        case .due:
            guard rest.count == 4, let number = Self.number(rest) else { return nil }
            self = .due(number)
        case .refused:
            guard rest.count == 1, let reason = Refusal(rawValue: bytes[1]) else { return nil }
            self = .refused(reason)
        case .done:
            guard rest.isEmpty else { return nil }
            self = .done
        }
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt32? {
        guard bytes.count >= 4 else { return nil }
        return bytes.prefix(4).reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }

    private static func offer(_ bytes: ArraySlice<UInt8>) -> SnapshotMessage? {
        guard let count = number(bytes) else { return nil }
        let rest = bytes.dropFirst(4)
        guard count <= SnapshotDescription.maximumBytes, rest.count >= Int(count) else {
            return nil
        }
        let frame = Array(rest.dropFirst(Int(count)))
        guard
            let description = try? SnapshotDescription(decoding: Array(rest.prefix(Int(count)))),
            let message = frame.withUnsafeBytes({ try? Message(decodingFrame: $0) }),
            case .snapshot(let mark) = message.body, mark == description.mark
        else { return nil }
        return .offer(description, message)
    }
}

extension SnapshotDescription {
    /// What Raft knows of it.
    var mark: SnapshotMark {
        SnapshotMark(position: LogPosition(index: index, term: term), confState: confState)
    }
}
