// What records hold: raftpb.Entry, raftpb.HardState, walpb.Snapshot, etcdserverpb.Metadata.
//
// Written as API/Raft writes them, which is etcd 3.7's way. Read more strictly than a message from
// a peer (no unknown field, no term 0), because the kind of a record is outside its checksum: an
// entry that is taken for a state by one flipped bit must not pass.

import API

/// Whose log this is: the first thing in every segment.
public struct WALMetadata: Hashable, Sendable {
    public var member: MemberID
    public var cluster: ClusterID

    public init(member: MemberID, cluster: ClusterID) {
        self.member = member
        self.cluster = cluster
    }
}

/// A place in the log at which the applied state is kept elsewhere: what is before can go.
public struct WALSnapshot: Hashable, Sendable {
    public var index: LogIndex
    public var term: Term
    /// Who had a say at `index`. Absent in logs of etcd before 3.5 and for the empty log.
    public var confState: ConfState?

    public init(index: LogIndex, term: Term, confState: ConfState?) {
        self.index = index
        self.term = term
        self.confState = confState
    }

    /// The start of every log: nothing applied yet.
    public static let empty = WALSnapshot(index: .zero, term: .zero, confState: nil)
}

enum WALPayload {
    /// Terms count elections, so none ever comes near 2^48; what does is a number of another
    /// meaning (a random member id, say) in a record whose kind was changed.
    static let termLimit: UInt64 = 1 << 48

    // MARK: - Entry

    /// An entry in a buffer that somebody else holds; not to be kept.
    struct EntryView {
        let term: Term
        let index: LogIndex
        let kind: Entry.Kind
        let data: UnsafeRawBufferPointer

        /// A copy to keep.
        var owned: Entry { Entry(term: term, index: index, kind: kind, data: Array(data)) }
    }

    /// - Returns: nil for what no member would have written.
    static func entry(_ bytes: UnsafeRawBufferPointer) -> EntryView? {
        var kind: UInt64 = 0
        var term: UInt64 = 0
        var index: UInt64 = 0
        var data = UnsafeRawBufferPointer(start: nil, count: 0)
        let isWellFormed = fields(of: bytes) { number, value in
            switch (number, value) {
            case (1, .varint(let value)): kind = value
            case (2, .varint(let value)): term = value
            case (3, .varint(let value)): index = value
            case (4, .bytes(let value)): data = value
            default: return false
            }
            return true
        }
        guard isWellFormed, term > 0, term < termLimit, index > 0,
            let raw = Int32(exactly: kind), let kind = Entry.Kind(rawValue: raw),
            // An empty ConfChangeV2 leaves a joint configuration; an empty ConfChange is nothing.
            kind != .configurationChange || !data.isEmpty
        else { return nil }
        return EntryView(term: Term(term), index: LogIndex(index), kind: kind, data: data)
    }

    // MARK: - HardState

    static func size(_ state: HardState) -> Int {
        3 + WireSize.varint(state.term.rawValue) + WireSize.varint(state.vote.rawValue)
            + WireSize.varint(state.commit.rawValue)
    }

    static func state(_ bytes: UnsafeRawBufferPointer) -> HardState? {
        var state = HardState()
        let isWellFormed = fields(of: bytes) { number, value in
            switch (number, value) {
            case (1, .varint(let value)): state.term = Term(value)
            case (2, .varint(let value)): state.vote = MemberID(value)
            case (3, .varint(let value)): state.commit = LogIndex(value)
            default: return false
            }
            return true
        }
        let term = state.term.rawValue
        return isWellFormed && term > 0 && term < termLimit ? state : nil
    }

    // MARK: - Snapshot

    static func encode(_ snapshot: WALSnapshot) -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.appendPresent(1, uint64: snapshot.index.rawValue)
        buffer.appendPresent(2, uint64: snapshot.term.rawValue)
        if let confState = snapshot.confState {
            let message = buffer.beginMessage(3)
            confState.encode(into: &buffer)
            buffer.endMessage(message)
        }
        return buffer.array
    }

    static func snapshot(_ bytes: UnsafeRawBufferPointer) -> WALSnapshot? {
        var snapshot = WALSnapshot.empty
        let isWellFormed = fields(of: bytes) { number, value in
            switch (number, value) {
            case (1, .varint(let value)): snapshot.index = LogIndex(value)
            case (2, .varint(let value)): snapshot.term = Term(value)
            case (3, .bytes(let value)):
                guard let confState = try? ConfState(decoding: value) else { return false }
                snapshot.confState = confState
            default: return false
            }
            return true
        }
        let isEmpty = snapshot.index == .zero
        guard isWellFormed, snapshot.term.rawValue < termLimit, isEmpty == (snapshot.term == .zero)
        else { return nil }
        return snapshot
    }

    // MARK: - Metadata

    static func encode(_ metadata: WALMetadata) -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.appendPresent(1, uint64: metadata.member.rawValue)
        buffer.appendPresent(2, uint64: metadata.cluster.rawValue)
        return buffer.array
    }

    static func metadata(_ bytes: UnsafeRawBufferPointer) -> WALMetadata? {
        var member: UInt64 = 0
        var cluster: UInt64 = 0
        let isWellFormed = fields(of: bytes) { number, value in
            switch (number, value) {
            case (1, .varint(let value)): member = value
            case (2, .varint(let value)): cluster = value
            default: return false
            }
            return true
        }
        guard isWellFormed else { return nil }
        return WALMetadata(member: MemberID(member), cluster: ClusterID(cluster))
    }

    /// Calls `take` with every field until it refuses one.
    /// - Returns: Whether `bytes` is a message and all its fields were taken.
    private static func fields(
        of bytes: UnsafeRawBufferPointer, _ take: (Int, WireField.Value) -> Bool
    ) -> Bool {
        var reader = ProtobufReader(bytes)
        do throws(WireError) {
            while let field = try reader.next() {
                guard take(field.number, field.value) else { return false }
            }
            return true
        } catch {
            return false
        }
    }
}
