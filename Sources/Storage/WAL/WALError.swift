// Why the log cannot be opened or written: with the file and the place, so that an operator knows
// what to restore.

import API

/// Bytes of the log that no crash explains. Nothing was changed on disk.
public struct WALDamage: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Reason: Error, Hashable, Sendable {
        case lengthField
        case zerosBeforeRecords
        case recordPastEndOfFile
        case recordForm
        case checksum
        case padding
        case unknownKind(UInt64)
        case missingHeader
        case brokenChain
        case misplacedRecord
        case invalidMetadata
        case metadataDiffers
        case invalidEntry
        case entryGap(after: LogIndex, next: LogIndex)
        case committedEntryReplaced(LogIndex)
        case termBackwards
        case invalidState
        case commitBackwards
        case commitPastLastEntry
        case invalidSnapshot
    }
    public let file: String
    /// In bytes from the start of the file, where the record's length field is.
    public let offset: Int
    public let reason: Reason

    public init(file: String, offset: Int, reason: Reason) {
        self.file = file
        self.offset = offset
        self.reason = reason
    }

    public var description: String { "\(file) is damaged at offset \(offset): \(reason.text)" }
}

extension WALDamage.Reason {
    var text: String {
        switch self {
        case .lengthField: "a record's length field holds no possible length"
        case .zerosBeforeRecords: "zeros where a record should be, with more records behind"
        case .recordPastEndOfFile: "a record reaches past the end of the file"
        case .recordForm: "not a record"
        case .checksum: "a record does not match its checksum"
        case .padding: "bytes other than zero behind a record"
        case .unknownKind(let kind): "a record of unknown kind \(kind)"
        case .missingHeader: "the segment does not begin with checksum and metadata"
        case .brokenChain: "the segment does not go on from the one before"
        case .misplacedRecord: "checksum or metadata inside a segment"
        case .invalidMetadata: "metadata that cannot be read"
        case .metadataDiffers: "metadata of another member or cluster"
        case .invalidEntry: "an entry that cannot be read"
        case .entryGap(let last, let next):
            "entry \(next.rawValue) follows entry \(last.rawValue)"
        case .committedEntryReplaced(let index): "committed entry \(index.rawValue) comes again"
        case .termBackwards: "a term lower than the one before"
        case .invalidState: "a state that cannot be read"
        case .commitBackwards: "a commit index lower than the one before"
        case .commitPastLastEntry: "a commit index past the last entry"
        case .invalidSnapshot: "a snapshot record that cannot be read"
        }
    }
}

/// Why the log refused.
public enum WALError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The system refused; `FileError.isDiskFull` tells a full disk.
    case file(FileError)
    case damaged(WALDamage)
    /// Another process, or this one, has the log open.
    case locked(path: String)
    case notFound(directory: String)
    case alreadyExists(directory: String)
    /// A segment between two others is gone.
    case missingSegment(directory: String, sequence: UInt64)
    /// No snapshot record that the wanted start allows.
    case snapshotNotFound(directory: String, wanted: LogIndex)
    /// The snapshot record at the wanted index has another term.
    case snapshotMismatch(directory: String, wanted: LogIndex, found: Term)
    /// An earlier write or sync failed, so nothing is believed until the log is opened again.
    case failedBefore(FileError)
    /// More waits to be written than `WALConfiguration.mailboxBytes`.
    case mailboxFull
    /// What is before a place can only go once a snapshot record of that place is on disk.
    case releasePastSnapshot(LogIndex, newest: LogIndex)
    case closed

    /// The cause is a full disk.
    public var isDiskFull: Bool {
        switch self {
        case .file(let error), .failedBefore(let error): error.isDiskFull
        default: false
        }
    }

    public var description: String {
        switch self {
        case .file(let error) where error.isDiskFull:
            "write-ahead log: the disk is full: \(error)"
        case .file(let error): "write-ahead log: \(error)"
        case .damaged(let damage): "write-ahead log: \(damage)"
        case .locked(let path): "write-ahead log: \(path) is locked: the data directory is in use"
        case .notFound(let directory): "write-ahead log: no segments in \(directory)"
        case .alreadyExists(let directory): "write-ahead log: \(directory) exists already"
        case .missingSegment(let directory, let sequence):
            "write-ahead log: segment \(sequence) is missing in \(directory)"
        case .snapshotNotFound(let directory, let wanted):
            "write-ahead log: no snapshot record for index \(wanted.rawValue) in \(directory)"
        case .snapshotMismatch(let directory, let wanted, let found):
            "write-ahead log: the snapshot record for index \(wanted.rawValue) in \(directory) "
                + "is of term \(found.rawValue)"
        case .failedBefore(let error):
            "write-ahead log: stopped by an earlier failure, until opened again: \(error)"
        case .mailboxFull: "write-ahead log: too much is waiting to be written"
        case .releasePastSnapshot(let index, let newest):
            "write-ahead log: cannot release before \(index.rawValue): the newest snapshot "
                + "record is of \(newest.rawValue)"
        case .closed: "write-ahead log: closed"
        }
    }
}

/// Does something with files; what the system refuses is the log's error.
func walFile<Result: ~Copyable>(
    _ body: () throws(FileError) -> Result
) throws(WALError) -> Result {
    do throws(FileError) {
        return try body()
    } catch {
        throw .file(error)
    }
}
