// What the records of a log amount to: whose it is, the newest state, the entries from a snapshot
// on. Pure: records in, an answer or a refusal out.
//
// Records are checked against Raft's own rules too (terms and commits only rise, what is
// committed is never replaced, no entry is missing). A record's kind is outside its checksum, and
// so is what a faulty writer did: better to refuse here than to apply it.

import API

/// Where recovery starts.
public enum WALStart: Hashable, Sendable {
    /// From the snapshot record of exactly this place, as etcd opens its log.
    case snapshot(LogIndex, Term)
    /// From the newest snapshot record at or before an index: that which the backend has applied.
    case newestSnapshot(notAfter: LogIndex)
}

/// What was found in a log.
public struct WALRecovery: Hashable, Sendable {
    public var metadata: WALMetadata
    /// The snapshot record that recovery starts from.
    public var snapshot: WALSnapshot
    /// The newest snapshot record of all: a state of there, or a later one, must be at hand.
    public var newestSnapshot: WALSnapshot
    /// The newest state; its term is never below the newest entry's.
    public var hardState: HardState
    /// All entries after `snapshot`, without gaps.
    public var entries: [Entry]
    /// The write that a crash had torn and that was cut off, if there was one.
    public var repair: WALRepair?
}

/// A torn write that was cut off at opening. None of it had been acknowledged.
public struct WALRepair: Hashable, Sendable {
    public var file: String
    /// Where the log ends now, in bytes.
    public var offset: Int
}

struct WALReplay {
    /// The first two records of each segment are fixed.
    private enum Position { case start, checksumRead, records }

    private let start: WALStart
    private var position = Position.start
    private(set) var metadata: (bytes: [UInt8], decoded: WALMetadata)?
    private(set) var state = HardState()
    /// The newest snapshot record of all.
    private(set) var newestSnapshot = WALSnapshot.empty
    /// The snapshot record to start from, once it was found.
    private(set) var base: WALSnapshot?
    private(set) var entries: [Entry] = []
    /// Of the entry or snapshot the log has reached.
    private(set) var lastIndex = LogIndex.zero
    private var lastTerm = Term.zero
    /// The wanted snapshot's record, when it has another term.
    private var mismatch: Term?

    init(start: WALStart) { self.start = start }

    /// Called before the first record of each segment.
    mutating func beginSegment(_ name: WALSegmentName) {
        if metadata == nil { lastIndex = name.firstIndex.previous }
        position = .start
    }

    /// - Parameter goesOn: For a checksum record, whether it is what the segment before ended with.
    mutating func take(_ record: WALRecordView, goesOn: Bool) throws(WALDamage.Reason) {
        guard let kind = record.kind else { throw .unknownKind(record.header.kind) }
        let data = record.data ?? UnsafeRawBufferPointer(start: nil, count: 0)
        switch (position, kind) {
        case (.start, .checksum):
            guard goesOn else { throw .brokenChain }
            guard record.data == nil else { throw .recordForm }
            position = .checksumRead
        case (.checksumRead, .metadata):
            try takeMetadata(data)
            position = .records
        case (.start, _), (.checksumRead, _): throw .missingHeader
        case (.records, .checksum), (.records, .metadata): throw .misplacedRecord
        case (.records, .entry): try takeEntry(data)
        case (.records, .state): try takeState(data)
        case (.records, .snapshot): try takeSnapshot(data)
        }
    }

    /// Called where a segment ends.
    func endSegment() throws(WALDamage.Reason) {
        if position != .records { throw .missingHeader }
    }

    private mutating func takeMetadata(_ data: UnsafeRawBufferPointer) throws(WALDamage.Reason) {
        let bytes = Array(data)
        if let metadata {
            guard metadata.bytes == bytes else { throw .metadataDiffers }
        } else {
            guard let decoded = WALPayload.metadata(data) else { throw .invalidMetadata }
            metadata = (bytes, decoded)
        }
    }

    private mutating func takeEntry(_ data: UnsafeRawBufferPointer) throws(WALDamage.Reason) {
        guard let entry = WALPayload.entry(data) else { throw .invalidEntry }
        guard entry.index <= lastIndex.next else {
            throw .entryGap(after: lastIndex, next: entry.index)
        }
        guard entry.index > state.commit else { throw .committedEntryReplaced(entry.index) }

        // Not yet committed, so a new leader may have replaced it and all after it.
        while let last = entries.last, last.index >= entry.index { entries.removeLast() }
        let before = entry.index == lastIndex.next ? lastTerm : entries.last?.term
        if let before, entry.term < before { throw .termBackwards }
        // What a snapshot record has reached already stays reached.
        lastIndex = max(entry.index, newestSnapshot.index)
        lastTerm = entry.term
        guard entry.index > keptAfter else { return }
        entries.append(entry.owned)
    }

    /// Entries at or before this are not held.
    private var keptAfter: LogIndex {
        switch start {
        case .snapshot(let index, _): index
        case .newestSnapshot: base?.index ?? .zero
        }
    }

    private mutating func takeState(_ data: UnsafeRawBufferPointer) throws(WALDamage.Reason) {
        guard let next = WALPayload.state(data) else { throw .invalidState }
        guard next.term >= state.term else { throw .termBackwards }
        guard next.commit >= state.commit else { throw .commitBackwards }
        guard next.commit <= lastIndex else { throw .commitPastLastEntry }
        state = next
    }

    private mutating func takeSnapshot(_ data: UnsafeRawBufferPointer) throws(WALDamage.Reason) {
        guard let snapshot = WALPayload.snapshot(data) else { throw .invalidSnapshot }
        if snapshot.index >= newestSnapshot.index { newestSnapshot = snapshot }
        if snapshot.index > lastIndex {
            // It came from the leader; entries go on behind it.
            lastIndex = snapshot.index
            lastTerm = snapshot.term
        } else if let held = entries.last(where: { $0.index <= snapshot.index }),
            held.index == snapshot.index, held.term != snapshot.term
        {
            // It came from the leader, whose log is another: what stands behind it here follows
            // an entry that was never committed, and is void (Consensus, LogWrite.snapshot).
            entries.removeAll()
            lastIndex = snapshot.index
            lastTerm = snapshot.term
        }
        switch start {
        case .snapshot(let index, let term):
            guard snapshot.index == index else { return }
            if snapshot.term == term { base = snapshot } else { mismatch = snapshot.term }
        case .newestSnapshot(let limit):
            guard snapshot.index <= limit, snapshot.index >= base?.index ?? .zero else { return }
            base = snapshot
            entries.removeAll { $0.index <= snapshot.index }
        }
    }

    /// The answer, once all segments were read.
    func finish(directory: String) throws(WALError) -> WALRecovery {
        let wanted: LogIndex =
            switch start {
            case .snapshot(let index, _): index
            case .newestSnapshot(let index): index
            }
        if let mismatch, base == nil {
            throw .snapshotMismatch(directory: directory, wanted: wanted, found: mismatch)
        }
        guard let base, let metadata, isWhole(behind: base.index) else {
            throw .snapshotNotFound(directory: directory, wanted: wanted)
        }

        // The write of a new term may have been torn between its entries and its state. A leader
        // of that term exists then, and this member gave it no vote that anyone knows of.
        var state = state
        if let newest = entries.last?.term, newest > state.term {
            state.term = newest
            state.vote = .none
        }
        return WALRecovery(
            metadata: metadata.decoded, snapshot: base, newestSnapshot: newestSnapshot,
            hardState: state, entries: entries, repair: nil)
    }

    /// Whether no entry is missing from `index` on. One may be: a snapshot from the leader skips
    /// what this log never had, and the first segment left may begin with the record of a place
    /// whose next entry went with the segment before. Where a later record is the start, neither
    /// matters. Indexes only ever rise in `entries`.
    private func isWhole(behind index: LogIndex) -> Bool {
        guard let first = entries.first?.index, let last = entries.last?.index else { return true }
        return first == index.next && last.distance(from: first) == entries.count - 1
    }
}
