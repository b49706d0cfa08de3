// The decoder of requests: whatever a client may send, and whatever of it goes into the log.

@testable import API

/// The first byte of an input chooses the message, the rest is that message's encoding.
package final class RequestTarget: FuzzTarget {
    private typealias Check = @Sendable (RequestTarget, UnsafeRawBufferPointer) throws -> Void

    private let arena = Arena()
    private let second = Arena()
    /// As the applied state's own, for entries that come without their proposal.
    private let logArena = Arena(limitBytes: 2 * Limits.decodedMessageBytes)

    package init() {}

    package func run(_ input: UnsafeRawBufferPointer) throws {
        guard let first = input.first else { return }
        let check = Self.checks[Int(first) % Self.checks.count]
        try check(self, UnsafeRawBufferPointer(rebasing: input.dropFirst()))
    }

    /// New ones at the end only: the corpus counts.
    private static let checks: [Check] = [
        { try $0.check(RangeRequest.self, $1, as: .range) },
        { try $0.check(PutRequest.self, $1, as: .put) },
        { try $0.check(DeleteRangeRequest.self, $1, as: .deleteRange) },
        { try $0.check(TxnRequest.self, $1, as: .txn) },
        { try $0.check(CompactionRequest.self, $1, as: .compaction) },
        { try $0.check(AlarmRequest.self, $1, as: .alarm) },
        { try $0.check(StatusRequest.self, $1) },
        { try $0.check(MemberListRequest.self, $1) },
        { try $0.check(HealthCheckRequest.self, $1) },
        { try $0.check(InternalRaftRequest.self, $1) },
        { try $0.checkPair($1) },
        { try checkRaft($1) },
        { try $0.check(WatchRequest.self, $1) },
        { try $0.check(LeaseGrantRequest.self, $1, as: .leaseGrant) },
        { try $0.check(LeaseRevokeRequest.self, $1, as: .leaseRevoke) },
        { try $0.check(LeaseKeepAliveRequest.self, $1) },
        { try $0.check(LeaseTimeToLiveRequest.self, $1) },
        { try $0.check(LeaseLeasesRequest.self, $1) },
        { try $0.check(LockRequest.self, $1) },
        { try $0.check(UnlockRequest.self, $1) },
        { try $0.check(CampaignRequest.self, $1) },
        { try $0.check(ProclaimRequest.self, $1) },
        { try $0.check(LeaderRequest.self, $1) },
        { try $0.check(ResignRequest.self, $1) },
        { try $0.check(HashRequest.self, $1) },
        { try $0.check(HashKVRequest.self, $1) },
        { try $0.check(DefragmentRequest.self, $1) },
    ]

    // MARK: Requests

    private func check<Message: WireMessage>(
        _: Message.Type, _ bytes: UnsafeRawBufferPointer, as kind: ProposalKind? = nil
    ) throws {
        arena.reset()
        defer { arena.reset() }
        let message: Message
        do { message = try Message.decode(bytes, in: arena) } catch {
            try demand(
                arena.usedBytes <= Limits.decodedMessageBytes, "an arena gave more than its limit")
            return
        }
        let plain = AnyMessage(message.rawPointer)
        let encoded = plain.encoded
        try checkAgain(Message.self, encoded)
        try checkLimit(Message.self, bytes)
        if !plain.hasUnknownFields, let ours = ourEncoding(of: message) {
            try demand(ours == encoded, "our encoding of \(Message.self) is not protobuf-c's")
        }
        if let kind { try checkProposal(bytes, kind, encoded) }
    }

    /// What was decoded and encoded is decoded and encoded to the same.
    private func checkAgain<Message: WireMessage>(_: Message.Type, _ encoded: [UInt8]) throws {
        second.reset()
        let again: Message
        do { again = try Message.decode(encoded, in: second) } catch {
            throw Finding("\(Message.self) is refused (\(error)) once it is encoded again")
        }
        try demand(
            AnyMessage(again.rawPointer).encoded == encoded,
            "\(Message.self) changes when it is decoded and encoded")
    }

    /// With less memory than the message takes it is too large, and nothing else happens.
    private func checkLimit<Message: WireMessage>(
        _: Message.Type, _ bytes: UnsafeRawBufferPointer
    ) throws {
        // Of the last allocation a rest of 16 bytes may be unused.
        let small = Arena(chunkBytes: 64, keptBytes: 64, limitBytes: arena.usedBytes - 17)
        do {
            _ = try Message.decode(bytes, in: small)
        } catch .tooLarge {
            return
        } catch {
            throw Finding("\(Message.self) is refused (\(error)) for want of memory")
        }
        throw Finding("\(Message.self) took more memory than its arena may give")
    }

    /// What is taken from a client can be read in the log, and is the same there.
    private func checkProposal(
        _ bytes: UnsafeRawBufferPointer, _ kind: ProposalKind, _ encoded: [UInt8]
    ) throws {
        var payload = ByteBuffer()
        payload.appendProposal(
            ProposalHeader(id: RequestID(7), username: AuthName("u")), kind, request: bytes)
        logArena.reset()
        let request: InternalRaftRequest
        do {
            request = try InternalRaftRequest.decode(
                payload.array, in: logArena, nesting: Limits.proposalNesting)
        } catch {
            throw Finding("a request of kind \(kind) was taken, its entry is refused: \(error)")
        }
        try demand(
            request.id == RequestID(7) && request.username == AuthName("u"), "the header is lost")
        let pointer: UnsafeRawPointer? =
            switch request.operation {
            case .range(let request): request.rawPointer
            case .put(let request): request.rawPointer
            case .deleteRange(let request): request.rawPointer
            case .txn(let request): request.rawPointer
            case .compaction(let request): request.rawPointer
            case .leaseGrant(let request): request.rawPointer
            case .leaseRevoke(let request): request.rawPointer
            case .alarm(let request): request.rawPointer
            default: nil
            }
        guard let pointer else { throw Finding("the entry asks for nothing") }
        try demand(
            AnyMessage(pointer).encoded == encoded,
            "a request of kind \(kind) is another one in its entry")
    }

    // MARK: Records

    /// Our reader of stored pairs and protobuf-c's see the same.
    private func checkPair(_ bytes: UnsafeRawBufferPointer) throws {
        arena.reset()
        defer { arena.reset() }
        guard let pair = try? KeyValueView(decoding: bytes),
            let other = try? KeyValue.decode(bytes, in: arena).view
        else { return }
        try demand(
            pair.key.elementsEqual(other.key) && pair.value.elementsEqual(other.value)
                && pair.createRevision == other.createRevision
                && pair.modRevision == other.modRevision && pair.version == other.version
                && pair.lease == other.lease, "two readers of a pair disagree")
    }

    /// Raft's records: what is read is written and read again as the same.
    private static func checkRaft(_ bytes: UnsafeRawBufferPointer) throws {
        try checkRecord(bytes, Entry.init(decoding:)) { $0.encode(into: &$1) }
        try checkRecord(bytes, HardState.init(decoding:)) { $0.encode(into: &$1) }
        try checkRecord(bytes, ConfState.init(decoding:)) { $0.encode(into: &$1) }
        try checkRecord(bytes, ConfChange.init(decoding:)) { $0.encode(into: &$1) }
        try checkRecord(bytes, ConfChangeV2.init(decoding:)) { $0.encode(into: &$1) }
    }

    private static func checkRecord<Record: Equatable>(
        _ bytes: UnsafeRawBufferPointer, _ decode: (UnsafeRawBufferPointer) throws -> Record,
        _ encode: (Record, inout ByteBuffer) -> Void
    ) throws {
        guard let record = try? decode(bytes) else { return }
        var buffer = ByteBuffer()
        encode(record, &buffer)
        let again = try buffer.withUnsafeBytes { try decode($0) }
        try demand(again == record, "\(Record.self) changes when it is written and read")
    }
}

extension WireMessage {
    /// Where protobuf-c's struct is: a message view consists of that pointer.
    var rawPointer: UnsafeRawPointer { unsafeBitCast(self, to: UnsafeRawPointer.self) }
}
