// Messages as frames.
//
// A step's entries go to every follower. They are encoded when the first message with them comes,
// and the others share the bytes.

import API

/// One message, as bytes: `head`, then `payload`.
public struct EncodedMessage: Hashable, Sendable {
    public var to: MemberID
    /// Everything before the payload.
    public var head: [UInt8]
    /// Shared, not copied, by the messages that carry the same entries. May be empty.
    public var payload: [UInt8]

    public var count: Int { head.count + payload.count }
}

extension EncodedMessage {
    /// Encodes what came of one step of one core, in order.
    public static func encode(_ messages: [Message]) -> [EncodedMessage] {
        var encoder = MessageEncoder()
        return messages.map { encoder.encode($0) }
    }
}

private struct MessageEncoder {
    private struct Payload {
        var bytes: [UInt8] = []
        var checksum: UInt32 = 0

        init() {}
        init(_ buffer: consuming ByteBuffer) {
            bytes = buffer.array
            checksum = buffer.withUnsafeBytes { PeerFrame.checksum($0) }
        }
    }

    /// In one log at one time, entries between the same two places are the same.
    private struct Run {
        let first: LogIndex
        let last: LogIndex
        let payload: Payload
    }
    private var run: Run?

    mutating func encode(_ message: Message) -> EncodedMessage {
        let (kind, payload) = payload(of: message.body)
        var head = ByteBuffer(capacity: 96)
        for _ in 0..<PeerFrame.prefixBytes { head.append(0) }
        head.appendFixed(message.from.rawValue)
        head.appendFixed(message.to.rawValue)
        head.appendVarint(message.term.rawValue)
        head.append(message.body)
        head.fillPrefix(kind, payload: payload.bytes.count, checksum: payload.checksum)
        return EncodedMessage(to: message.to, head: head.array, payload: payload.bytes)
    }

    private mutating func payload(of body: Message.Body) -> (PeerFrame.Kind, Payload) {
        switch body {
        case .proposal(let entries): (.proposal, encode(entries))
        case .append(let append): (.append, encode(append.entries))
        case .snapshot(let mark): (.snapshot, encode(mark.confState))
        case .appendResponse: (.appendResponse, Payload())
        case .vote: (.vote, Payload())
        case .voteResponse: (.voteResponse, Payload())
        case .preVote: (.preVote, Payload())
        case .preVoteResponse: (.preVoteResponse, Payload())
        case .timeoutNow: (.timeoutNow, Payload())
        case .heartbeat: (.heartbeat, Payload())
        case .heartbeatResponse: (.heartbeatResponse, Payload())
        case .readIndex: (.readIndex, Payload())
        case .readIndexResponse: (.readIndexResponse, Payload())
        }
    }

    private mutating func encode(_ entries: [Entry]) -> Payload {
        guard let first = entries.first?.index, let last = entries.last?.index else {
            return Payload()
        }
        if let run, run.first == first, run.last == last { return run.payload }
        var buffer = ByteBuffer(capacity: entries.reduce(0) { $0 + $1.data.count + 48 })
        for entry in entries { buffer.append(entry) }
        let payload = Payload(buffer)
        run = Run(first: first, last: last, payload: payload)
        return payload
    }

    private func encode(_ proposed: [ProposedEntry]) -> Payload {
        var buffer = ByteBuffer(capacity: proposed.reduce(0) { $0 + $1.data.count + 48 })
        for entry in proposed {
            buffer.append(Entry(term: .zero, index: .zero, kind: entry.kind, data: entry.data))
        }
        return Payload(buffer)
    }

    private func encode(_ confState: ConfState) -> Payload {
        var buffer = ByteBuffer()
        confState.encode(into: &buffer)
        return Payload(buffer)
    }
}

// MARK: - Fields

extension ByteBuffer {
    fileprivate mutating func appendFixed(_ value: UInt64) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append($0) }
    }

    fileprivate mutating func append(_ position: LogPosition) {
        appendVarint(position.index.rawValue)
        appendVarint(position.term.rawValue)
    }

    /// One of a payload: its size, then raftpb.Entry.
    fileprivate mutating func append(_ entry: Entry) {
        appendVarint(UInt64(entry.encodedSize()))
        entry.encode(into: &self)
    }

    fileprivate mutating func append(_ body: Message.Body) {
        switch body {
        case .proposal(let entries):
            appendVarint(UInt64(entries.count))
        case .append(let fields):
            append(fields.previous)
            appendVarint(fields.commit.rawValue)
            appendVarint(UInt64(fields.entries.count))
        case .appendResponse(.accepted(let through)):
            append(1)
            appendVarint(through.rawValue)
        case .appendResponse(.rejected(let previous, let hint)):
            append(0)
            appendVarint(previous.rawValue)
            append(hint)
        case .vote(let last, let isTransfer):
            append(last)
            append(isTransfer ? 1 : 0)
        case .preVote(let last):
            append(last)
        case .voteResponse(let granted), .preVoteResponse(let granted):
            append(granted ? 1 : 0)
        case .snapshot(let mark):
            append(mark.position)
        case .timeoutNow:
            break
        case .heartbeat(let commit, let round):
            appendVarint(commit.rawValue)
            appendVarint(round.rawValue)
        case .heartbeatResponse(let round, let commit, let promise):
            appendVarint(round.rawValue)
            appendVarint(commit.rawValue)
            // Left out by who keeps no leases, as by members that know of none.
            if promise > .none { appendVarint(promise.milliseconds) }
        case .readIndex(let context):
            appendFixed(context.rawValue)
        case .readIndexResponse(let context, let index):
            appendFixed(context.rawValue)
            appendVarint(index.rawValue)
        }
    }

    /// Once the head is complete.
    fileprivate mutating func fillPrefix(
        _ kind: PeerFrame.Kind, payload: Int, checksum: UInt32
    ) {
        let rest = UInt32(count - PeerFrame.lengthBytes + payload)
        let headBytes = UInt16(count - PeerFrame.prefixBytes)
        withUnsafeMutableBytes { bytes in
            bytes.storeBytes(of: rest.littleEndian, as: UInt32.self)
            bytes[4] = PeerFrame.version
            bytes[5] = kind.rawValue
            bytes.storeBytes(of: headBytes.littleEndian, toByteOffset: 6, as: UInt16.self)
            bytes.storeBytes(of: checksum.littleEndian, toByteOffset: 8, as: UInt32.self)
            let before = PeerFrame.checksum(UnsafeRawBufferPointer(rebasing: bytes[..<12]))
            let all = PeerFrame.checksum(
                UnsafeRawBufferPointer(rebasing: bytes[PeerFrame.prefixBytes...]),
                goingOnFrom: before)
            bytes.storeBytes(of: all.littleEndian, toByteOffset: 12, as: UInt32.self)
        }
    }
}
