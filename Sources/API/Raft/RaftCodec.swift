// raftpb's entries and states as bytes.
//
// The write-ahead log must come out as etcd writes it. The schema is proto2, so presence shows:
// etcd up to 3.6 writes every number, even a zero; 3.7 leaves out what its Go code leaves unset,
// which is the type of a normal entry and the id of a change that nobody proposed (seen in the
// logs of 3.4.23, 3.5.1 and 3.7.1). Both are read.

/// Whose habits an encoding follows.
public enum RaftEncoding: Sendable {
    /// etcd 3.7: an unset number is left out.
    case etcd37
    /// etcd 3.4 to 3.6: every number is written.
    case etcd36
}

// MARK: - Entry

extension Entry {
    /// Appends the entry; no tag, no length.
    public func encode(into buffer: inout ByteBuffer, as style: RaftEncoding = .etcd37) {
        buffer.reserve(data.count + 48)
        if kind != .normal || style == .etcd36 {
            buffer.appendPresent(1, uint64: UInt64(kind.rawValue))
        }
        buffer.appendPresent(2, uint64: term.rawValue)
        buffer.appendPresent(3, uint64: index.rawValue)
        buffer.appendField(4, bytes: data)
    }

    /// What `encode` appends, in bytes.
    public func encodedSize(as style: RaftEncoding = .etcd37) -> Int {
        (kind != .normal || style == .etcd36 ? 2 : 0)
            + 1 + WireSize.varint(term.rawValue) + 1 + WireSize.varint(index.rawValue)
            + WireSize.field(4, byteCount: data.count)
    }

    /// Reads an encoded entry; its data is copied.
    /// - Throws: also for a kind of entry that is not known: it must not be passed over.
    public init(decoding bytes: UnsafeRawBufferPointer) throws(WireError) {
        self.init(term: .zero, index: .zero)
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1:
                guard let known = Kind(rawValue: Int32(truncatingIfNeeded: try field.uint64()))
                else { throw .malformed }
                kind = known
            case 2: term = Term(try field.uint64())
            case 3: index = LogIndex(try field.uint64())
            case 4: data = [UInt8](try field.bytes())
            default: break
            }
        }
    }
}

// MARK: - HardState

extension HardState {
    /// Appends the state; all three numbers, even when zero.
    public func encode(into buffer: inout ByteBuffer) {
        buffer.appendPresent(1, uint64: term.rawValue)
        buffer.appendPresent(2, uint64: vote.rawValue)
        buffer.appendPresent(3, uint64: commit.rawValue)
    }

    public init(decoding bytes: UnsafeRawBufferPointer) throws(WireError) {
        self.init()
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: term = Term(try field.uint64())
            case 2: vote = MemberID(try field.uint64())
            case 3: commit = LogIndex(try field.uint64())
            default: break
            }
        }
    }
}

// MARK: - ConfState

extension ConfState {
    /// Appends the state. Members stand one by one, not packed, as proto2 has it.
    public func encode(into buffer: inout ByteBuffer) {
        for (number, members) in [
            (1, voters), (2, learners), (3, votersOutgoing), (4, learnersNext),
        ] {
            for member in members { buffer.appendPresent(number, uint64: member.rawValue) }
        }
        buffer.appendPresent(5, uint64: autoLeave ? 1 : 0)
    }

    /// Reads an encoded state, with members one by one or packed.
    public init(decoding bytes: UnsafeRawBufferPointer) throws(WireError) {
        self.init()
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: try Self.read(field, into: &voters)
            case 2: try Self.read(field, into: &learners)
            case 3: try Self.read(field, into: &votersOutgoing)
            case 4: try Self.read(field, into: &learnersNext)
            case 5: autoLeave = try field.bool()
            default: break
            }
        }
    }

    private static func read(
        _ field: WireField, into members: inout [MemberID]
    ) throws(WireError) {
        guard case .bytes(let packed) = field.value else {
            members.append(MemberID(try field.uint64()))
            return
        }
        var reader = ProtobufReader(packed)
        while reader.offset < packed.count { members.append(MemberID(try reader.varint())) }
    }
}
