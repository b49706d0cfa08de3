// Frames as messages. Nothing the bytes say is believed: every length is checked against what is
// there, every number against its bounds, and nothing may be left over.

import API

extension Message {
    /// - Parameter frame: a whole frame, its length included.
    public init(decodingFrame frame: UnsafeRawBufferPointer) throws(PeerFrameError) {
        guard frame.count >= PeerFrame.prefixBytes else { throw .truncated }
        let length = UInt32(littleEndian: frame.loadUnaligned(as: UInt32.self))
        guard Int(length) == frame.count - PeerFrame.lengthBytes else { throw .truncated }
        guard frame[4] == PeerFrame.version else { throw .unknownVersion(frame[4]) }
        let headBytes = frame.loadUnaligned(fromByteOffset: 6, as: UInt16.self)
        let headEnd = PeerFrame.prefixBytes + Int(UInt16(littleEndian: headBytes))
        guard headEnd <= frame.count else { throw .truncated }
        let head = UnsafeRawBufferPointer(rebasing: frame[PeerFrame.prefixBytes..<headEnd])
        let payload = UnsafeRawBufferPointer(rebasing: frame[headEnd...])

        let before = PeerFrame.checksum(UnsafeRawBufferPointer(rebasing: frame[..<12]))
        guard
            PeerFrame.checksum(head, goingOnFrom: before)
                == UInt32(littleEndian: frame.loadUnaligned(fromByteOffset: 12, as: UInt32.self)),
            PeerFrame.checksum(payload)
                == UInt32(littleEndian: frame.loadUnaligned(fromByteOffset: 8, as: UInt32.self))
        else { throw .checksumMismatch }
        guard let kind = PeerFrame.Kind(rawValue: frame[5]) else { throw .unknownKind(frame[5]) }

        var reader = HeadReader(head)
        do throws(WireError) {
            let from = MemberID(try reader.fixed())
            let to = MemberID(try reader.fixed())
            let term = Term(try reader.number())
            let body = try Body(kind, &reader, payload)
            guard reader.isAtEnd else { throw .malformed }
            self.init(from: from, to: to, term: term, body: body)
        } catch {
            throw .malformed
        }
    }
}

extension Message.Body {
    fileprivate init(
        _ kind: PeerFrame.Kind, _ head: inout HeadReader, _ payload: UnsafeRawBufferPointer
    ) throws(WireError) {
        switch kind {
        case .proposal:
            let entries = try Self.entries(payload, count: try head.varint())
            self = .proposal(entries.map { ProposedEntry(kind: $0.kind, data: $0.data) })
            return
        case .append:
            let previous = try head.position()
            let commit = try head.index()
            let entries = try Self.entries(payload, count: try head.varint())
            self = .append(
                Message.Append(previous: previous, entries: entries, commit: commit))
            return
        case .snapshot:
            let position = try head.position()
            let confState = try ConfState(decoding: payload)
            self = .snapshot(SnapshotMark(position: position, confState: confState))
            return
        case .appendResponse:
            if try head.flag() {
                self = .appendResponse(.accepted(through: try head.index()))
            } else {
                let previous = try head.index()
                self = .appendResponse(.rejected(previous: previous, hint: try head.position()))
            }
        case .vote:
            let last = try head.position()
            self = .vote(last: last, isTransfer: try head.flag())
        case .preVote:
            self = .preVote(last: try head.position())
        case .voteResponse:
            self = .voteResponse(granted: try head.flag())
        case .preVoteResponse:
            self = .preVoteResponse(granted: try head.flag())
        case .timeoutNow:
            self = .timeoutNow
        case .heartbeat:
            let commit = try head.index()
            self = .heartbeat(commit: commit, round: ReadRound(try head.varint()))
        case .heartbeatResponse:
            let round = ReadRound(try head.varint())
            let commit = try head.index()
            self = .heartbeatResponse(
                round: round, commit: commit,
                promise: head.isAtEnd ? .none : VotePromise(milliseconds: try head.varint()))
        case .readIndex:
            self = .readIndex(ReadContext(try head.fixed()))
        case .readIndexResponse:
            let context = ReadContext(try head.fixed())
            self = .readIndexResponse(context, index: try head.index())
        }
        guard payload.isEmpty else { throw .malformed }
    }

    private static func entries(
        _ payload: UnsafeRawBufferPointer, count: UInt64
    ) throws(WireError) -> [Entry] {
        // An entry takes five bytes at least: nothing is reserved for what cannot be there.
        guard count <= UInt64(payload.count / 5) else { throw .malformed }
        var entries: [Entry] = []
        entries.reserveCapacity(Int(count))
        var reader = ProtobufReader(payload)
        for _ in 0..<count {
            let size = try reader.varint()
            let start = reader.offset
            guard size <= UInt64(payload.count - start) else { throw .truncated }
            let end = start + Int(size)
            let entry = try Entry(
                decoding: UnsafeRawBufferPointer(rebasing: payload[start..<end]))
            guard entry.term.rawValue < PeerFrame.numberLimit,
                entry.index.rawValue < PeerFrame.numberLimit
            else { throw .malformed }
            entries.append(entry)
            reader = ProtobufReader(payload, from: end)
        }
        guard reader.offset == payload.count else { throw .malformed }
        return entries
    }
}

/// Reads a head from its beginning to its end.
private struct HeadReader {
    private var reader: ProtobufReader
    private let count: Int
    private let bytes: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
        reader = ProtobufReader(bytes)
        count = bytes.count
    }

    var isAtEnd: Bool { reader.offset == count }

    mutating func varint() throws(WireError) -> UInt64 { try reader.varint() }

    mutating func fixed() throws(WireError) -> UInt64 {
        let start = reader.offset
        guard count - start >= 8 else { throw .truncated }
        reader = ProtobufReader(bytes, from: start + 8)
        return UInt64(
            littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self))
    }

    /// A term or an index.
    mutating func number() throws(WireError) -> UInt64 {
        let number = try reader.varint()
        guard number < PeerFrame.numberLimit else { throw .malformed }
        return number
    }

    mutating func index() throws(WireError) -> LogIndex { LogIndex(try number()) }

    mutating func position() throws(WireError) -> LogPosition {
        let index = try index()
        return LogPosition(index: index, term: Term(try number()))
    }

    mutating func flag() throws(WireError) -> Bool {
        switch try reader.varint() {
        case 0: return false
        case 1: return true
        default: throw .malformed
        }
    }
}

// MARK: - A stream of frames

/// Cuts what comes over a link into frames. Holds one frame that is not whole yet, at most.
public struct FrameReader: Sendable {
    private let maxFrameBytes: Int
    private var bytes: [UInt8] = []
    private var taken = 0
    private var failure: PeerFrameError?

    /// - Parameter maxFrameBytes: what a frame may take, its length included; longer ones are
    ///   refused before they are held.
    public init(maxFrameBytes: Int) { self.maxFrameBytes = maxFrameBytes }

    /// Takes what came next; then `next` until it gives nothing more.
    public mutating func append(_ chunk: UnsafeRawBufferPointer) {
        guard failure == nil else { return }
        bytes.removeFirst(taken)
        taken = 0
        bytes.append(contentsOf: chunk)
    }

    /// The next message, or nil until more bytes come.
    /// - Throws: and from then on always: what follows cannot be told apart any more.
    public mutating func next() throws(PeerFrameError) -> Message? {
        if let failure { throw failure }
        do throws(PeerFrameError) { return try takeNext() } catch {
            failure = error
            bytes = []
            taken = 0
            throw error
        }
    }

    private mutating func takeNext() throws(PeerFrameError) -> Message? {
        let rest = bytes.count - taken
        guard rest >= PeerFrame.lengthBytes else { return nil }
        let length = bytes.withUnsafeBytes {
            UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: taken, as: UInt32.self))
        }
        let size = PeerFrame.lengthBytes + Int(length)
        guard size <= maxFrameBytes else { throw .tooLarge(size) }
        guard size >= PeerFrame.prefixBytes else { throw .truncated }
        guard rest >= size else { return nil }
        let decoded = bytes.withUnsafeBytes { all -> Result<Message, PeerFrameError> in
            let frame = UnsafeRawBufferPointer(rebasing: all[taken..<(taken + size)])
            do throws(PeerFrameError) {
                return .success(try Message(decodingFrame: frame))
            } catch {
                return .failure(error)
            }
        }
        taken += size
        return try decoded.get()
    }
}
