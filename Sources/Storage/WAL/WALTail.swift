// What bytes that are no valid record mean: the end of the log, a write torn by a crash, or damage.
//
// A torn write was never acknowledged: its sync had not returned. It may be cut off, and must be,
// or one loss of power would end a member for good. Damage may have taken what was acknowledged;
// without it the wrong leader could win. So the tail is repaired only where a tear is the
// explanation:
// - Only in the last segment: the one before is synced before the next one is begun.
// - A disk tears between sectors of 512 bytes. A sector that was not written reads as zeros, for
//   every segment is zeros before it is written. A file may also end early, where its new size
//   was not synced. Neither changes single bytes.
// - Nothing behind the tear may prove that a later write was begun, for that happens only after
//   the sync of the torn one returned (`WALWriteOrder`).
//
// etcd knows the first two rules but takes any zero length as the end and any too large length as
// a tear; one flipped bit there loses acknowledged entries without a word. Stricter here.

/// Why there is no valid record at a place.
enum WALFault: Hashable, CaseIterable, Sendable {
    /// The file ends exactly here.
    case endOfFile
    /// The length field is zero.
    case zeroLength
    /// The length field holds no possible length.
    case impossibleLength
    /// The file ends inside the length field, the record or its padding.
    case pastEndOfFile
    /// The record's form is wrong.
    case form
    /// The record does not match the checksum.
    case checksum
    /// The record is whole; the padding is not zero.
    case padding
}

/// What the surroundings of a fault say. Four facts, each found out only when it is asked for.
struct WALFaultEvidence: Hashable, Sendable {
    var isLastSegment: Bool
    /// All bytes from here to the end of the file are zero.
    var onlyZerosFollow: Bool
    /// Unwritten sectors, or an early end of the file, explain the fault.
    var tearExplainsIt: Bool
    /// Behind the fault stands what was written only after a sync of this place.
    var laterWriteFollows: Bool
}

enum WALTail {
    enum Verdict: Hashable, Sendable {
        /// The log ends here in good order.
        case end
        /// A write that was not acknowledged was torn here; the log ends before it.
        case torn
        case damaged(WALDamage.Reason)
    }

    /// The whole rule.
    static func judge(_ fault: WALFault, _ evidence: WALFaultEvidence) -> Verdict {
        let isTorn =
            evidence.isLastSegment && evidence.tearExplainsIt && !evidence.laterWriteFollows
        switch fault {
        case .endOfFile: return .end
        case .zeroLength where evidence.onlyZerosFollow: return .end
        case .zeroLength: return isTorn ? .torn : .damaged(.zerosBeforeRecords)
        case .pastEndOfFile: return isTorn ? .torn : .damaged(.recordPastEndOfFile)
        case .form: return isTorn ? .torn : .damaged(.recordForm)
        case .checksum: return isTorn ? .torn : .damaged(.checksum)
        // Both lie in a sector of which other bytes were written: no tear changes them alone.
        case .impossibleLength: return .damaged(.lengthField)
        case .padding: return .damaged(.padding)
        }
    }
}

/// Follows the records behind a tear, to see whether all of them can belong to writes that were
/// never synced.
///
/// A write is entries and at most one state behind them, and is synced before the next write
/// begins, except that a write of a state alone need not be. So what is not synced is, at most:
/// states, then entries, then one state. Anything behind that proves a completed sync.
struct WALWriteOrder {
    private enum Phase { case states, entries, complete }
    private var phase: Phase
    /// A completed sync is proven.
    private(set) var provesSync = false
    /// The last record was an entry.
    var isAmongEntries: Bool { phase == .entries }

    /// - Parameter torn: The kind of the torn record, if its header can still be read.
    init(torn: WALRecordKind?) {
        phase =
            switch torn {
            case .entry: .entries
            case .snapshot, .metadata, .checksum: .complete
            case .state, nil: .states
            }
    }

    mutating func follow(_ kind: WALRecordKind) {
        switch (phase, kind) {
        case (.states, .state), (.entries, .entry): break
        case (.states, .entry): phase = .entries
        case (.entries, .state), (.states, .snapshot): phase = .complete
        case (.entries, .snapshot), (.complete, _): provesSync = true
        case (_, .metadata), (_, .checksum): provesSync = true
        }
    }
}

/// Follows the records of a segment, to know from where on no sync is proven.
///
/// They are there because the kernel has them. A process that was killed may have written them and
/// never synced them, or the sync may have failed, and then Linux holds the pages for clean.
///
/// What follows the rule of `WALWriteOrder` is believed: etcd's logs do, but not those of an etcd
/// that ran without syncs, nor of one that was started after a failed sync and wrote more.
struct WALUnsyncedTail {
    private var order: WALWriteOrder?
    /// Of a state behind entries, which may be a write of its own: what follows proves a sync of
    /// the entries, and not of the state.
    private var stateBehindEntries: Int?
    /// All before it was synced, in bytes from the beginning of the segment.
    private(set) var begin = 0

    mutating func follow(_ kind: WALRecordKind, at offset: Int) {
        let hadEntries = order?.isAmongEntries ?? false
        order?.follow(kind)
        if order?.provesSync ?? true {
            if let state = stateBehindEntries, kind != .metadata, kind != .checksum {
                begin = state
                order = WALWriteOrder(torn: .state)
                order?.follow(kind)
            } else {
                begin = offset
                order = WALWriteOrder(torn: kind)
            }
            stateBehindEntries = nil
        } else if hadEntries, kind == .state {
            stateBehindEntries = offset
        }
    }
}
