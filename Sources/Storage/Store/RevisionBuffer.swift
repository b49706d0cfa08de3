// Recent revisions, in memory until their commit is on disk.
//
// A commit takes milliseconds, an apply a microsecond. So applies append to this buffer; when a
// commit starts, the buffer is sealed and handed to the backend's thread, which writes it out
// while the store goes on reading it, and a new one takes its place. Records lie as LMDB will keep
// them: a sorted list of revisions over one run of encoded KeyValue messages.

import API

/// Encoded changes in the order they were made. Grows by doubling; a change costs no allocation
/// of its own.
struct RevisionBuffer: ~Copyable {
    struct Record {
        let key: RecordKey
        /// The encoded KeyValue. Valid until the buffer is appended to or gone.
        let encoded: UnsafeRawBufferPointer
    }

    /// 24 bytes. The top bit of `subAndKind` marks a deletion.
    private struct Entry {
        let main: Int64
        let offset: Int
        let length: UInt32
        let subAndKind: UInt32
        static let tombstone: UInt32 = 1 << 31

        var position: RevisionPosition {
            RevisionPosition(main: Revision(main), sub: Int64(subAndKind & ~Self.tombstone))
        }
    }

    private var messages = ByteBuffer()
    private var entries: UnsafeMutablePointer<Entry>
    private var entryCapacity: Int
    private(set) var count = 0

    init() {
        entryCapacity = 16
        entries = .allocate(capacity: entryCapacity)
    }

    deinit { entries.deallocate() }

    var isEmpty: Bool { count == 0 }

    /// The size of all messages in bytes.
    var byteCount: Int { messages.count }

    /// Whether a change at `position` would be here if anywhere: it is not older than the oldest.
    @inline(__always)
    func reaches(backTo position: RevisionPosition) -> Bool {
        count > 0 && entries[0].position <= position
    }

    /// Appends a change whose message `write` appends to the bytes it is given. What it appends
    /// must not lie in this buffer, which may move.
    @inline(__always)
    mutating func append(_ key: RecordKey, _ write: (inout ByteBuffer) -> Void) {
        let position = key.position
        precondition(position.sub >= 0 && position.sub < Int64(Entry.tombstone))
        if count == entryCapacity { growEntries() }
        if count > 0 {
            precondition(entries[count - 1].position < position, "revisions are appended in order")
        }
        let offset = messages.count
        write(&messages)
        (entries + count).initialize(
            to: Entry(
                main: position.main.rawValue, offset: offset,
                length: UInt32(messages.count - offset),
                subAndKind: UInt32(position.sub) | (key.isTombstone ? Entry.tombstone : 0)))
        count += 1
    }

    @inline(__always)
    private func encoded(_ entry: Entry) -> UnsafeRawBufferPointer {
        // The pointer leaves the closure: sound, for the bytes move only when appended to.
        messages.withUnsafeBytes { all in
            UnsafeRawBufferPointer(
                start: all.baseAddress.unsafelyUnwrapped + entry.offset, count: Int(entry.length))
        }
    }

    func record(at index: Int) -> Record {
        precondition(index >= 0 && index < count)
        let entry = entries[index]
        return Record(
            key: RecordKey(
                entry.position, isTombstone: entry.subAndKind & Entry.tombstone != 0),
            encoded: encoded(entry))
    }

    /// The place of the oldest change at or after `position`; `count` when all are older.
    private func place(from position: RevisionPosition) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].position < position { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Calls `visit` with the changes at or after `position`, oldest first, until it says false.
    /// - Returns: whether it never did.
    func forEach<Failure: Error>(
        from position: RevisionPosition,
        _ visit: (RecordKey, _ encoded: UnsafeRawBufferPointer) throws(Failure) -> Bool
    ) throws(Failure) -> Bool {
        for index in place(from: position)..<count {
            let record = record(at: index)
            guard try visit(record.key, record.encoded) else { return false }
        }
        return true
    }

    /// The message of the change at `position`, nil if it is not here. Valid as `Record.encoded`.
    func find(_ position: RevisionPosition) -> UnsafeRawBufferPointer? {
        let low = place(from: position)
        guard low < count, entries[low].position == position else { return nil }
        return encoded(entries[low])
    }

    /// No change is appended any more; from now on any thread may read.
    consuming func seal() -> SealedRevisions { SealedRevisions(self) }

    private mutating func growEntries() {
        entryCapacity *= 2
        let grown = UnsafeMutablePointer<Entry>.allocate(capacity: entryCapacity)
        grown.moveInitialize(from: entries, count: count)
        entries.deallocate()
        entries = grown
    }
}

/// A buffer that a commit is writing out, shared by the store and the backend's thread.
///
/// `@unchecked Sendable` is sound: the buffer is consumed to make this, nothing mutates it after,
/// and it is freed when the last of the two lets go.
final class SealedRevisions: @unchecked Sendable {
    let buffer: RevisionBuffer
    init(_ buffer: consuming RevisionBuffer) { self.buffer = buffer }
}
