// The log's files and what is done to them, in the order that survives a crash after any step.
//
// Write. One batch is one write and, if an entry, a term or a vote is in it, one sync; only then
// is it acknowledged. What a crash leaves of an unacknowledged write is a torn tail (`WALTail`).
//
// Cut. (1) Sync and shorten the full segment: the log ends in it, by the end of file. (2) Write
// and sync the next segment under a name that is ignored when reading. (3) Rename it, sync the
// directory. Before 3 the old segment is the last and whole, so it is opened for appending again;
// after 3 the new one is, and its first record proves that nothing of the old one is lost. So a
// tear is only ever in the last segment, and never in its first records.
//
// Create. As a cut: a whole directory is made beside, synced, then renamed.
//
// Release. Oldest first, so that a crash leaves no gap. Only what is before a snapshot record that
// was synced.
//
// Failure. After a failed write or sync nothing is known about what the disk holds: Linux reports
// a lost page once and then forgets it (fsyncgate). Everything is refused until the log is opened
// again.
//
// Open. What is read may be in the kernel's memory alone: written by a process that was killed
// before it synced, or whose sync failed. The member that reads it holds it for promised from then
// on, and counts itself among those who have it. So whatever no sync is proven of is written once
// more, which makes even pages that Linux has given up dirty again, and synced, names too.
//
// Space is reserved a segment at a time, so that a full disk is met when a segment is begun and
// not in the middle of an append. Reserved is not enough to be fast, though: the first sync of a
// block that was only reserved has to update the file's map. Measured on ext4, one write and one
// fdatasync, p50/p99 in microseconds:
//                          512 bytes   4 KiB     32 KiB
//   reserved only           91/164     142/190   166/254
//   zeros already written   93/138      97/146   103/149
//   zeros 1 MiB ahead       90/138      89/144    91/411
// So zeros are written ahead of the tail, a slice at a time, after a write was acknowledged. That
// makes a spare segment, as etcd prepares it in the background, unnecessary: beginning a segment
// costs a reservation of 30 us and three syncs, after an acknowledgement too.

import API
import Glibc

/// A log that is open for appending. Not thread-safe, and its calls block.
final class WALStore {
    private let configuration: WALConfiguration
    private let directory: WALDirectory
    private let lock: any File
    private let metadata: [UInt8]

    /// Oldest first; the last one is written to.
    private(set) var segments: [WALSegmentName]
    private var tail: any File
    /// Where the next record goes, in bytes.
    private(set) var tailOffset: Int
    /// The tail's bytes from `tailOffset` to here were written as zeros.
    private var zeroedThrough: Int

    private var encoder: WALEncoder
    private(set) var state: HardState
    /// Of the newest entry; what comes next is at most one past it.
    private(set) var lastIndex: LogIndex
    private(set) var newestSnapshot: WALSnapshot

    /// A state that is not encoded yet, as a later one may replace it.
    private var pendingState: HardState?
    private var mustSync = false
    /// Something was written that no sync has covered.
    private var isUnsynced = false
    private var failure: FileError?
    private(set) var metrics = WALMetrics()

    fileprivate init(
        _ configuration: WALConfiguration, lock: any File, segments: [WALSegmentName],
        tail: any File, scan: WALDirectory.Scan
    ) {
        self.configuration = configuration
        directory = WALDirectory(path: configuration.directory, files: configuration.files)
        self.lock = lock
        metadata = scan.metadata
        self.segments = segments
        self.tail = tail
        tailOffset = scan.unsynced.upperBound
        zeroedThrough = scan.unsynced.upperBound
        encoder = WALEncoder(checksum: scan.checksum)
        state = scan.state
        lastIndex = scan.lastIndex
        newestSnapshot = scan.newestSnapshot
    }

    private var files: any FileSystem { configuration.files }

    // MARK: - Writing

    /// Adds to the batch that `commit` writes. May be called several times before it: the batches
    /// become one write and one sync, and the last state stands for all of them.
    func add(_ batch: WALBatch) {
        if failure != nil { return }  // `commit` says so
        for entry in batch.entries {
            precondition(
                entry.index <= lastIndex.next,
                "entry \(entry.index) leaves a gap after \(lastIndex)")
            precondition(
                entry.index > state.commit, "entry \(entry.index) is committed at \(state.commit)")
            encoder.append(entry)
            lastIndex = max(entry.index, newestSnapshot.index)
        }
        if !batch.entries.isEmpty || batch.mustSync { mustSync = true }
        guard let next = batch.hardState, next != state else { return }
        precondition(next.term >= state.term, "the term went from \(state.term) to \(next.term)")
        precondition(next.commit >= state.commit, "the commit index went back to \(next.commit)")
        precondition(next.commit <= lastIndex, "commit \(next.commit) past the end \(lastIndex)")
        if next.term != state.term || next.vote != state.vote { mustSync = true }
        state = next
        pendingState = next
    }

    /// Bytes that wait for `commit`.
    var pendingBytes: Int { encoder.buffer.count }

    /// Writes what was added; once this returns, it survives loss of power.
    ///
    /// A batch of nothing but a commit index is written and not synced: it can be learnt again.
    /// - Throws: `.file` the first time something fails, `.failedBefore` from then on.
    func commit() throws(WALError) {
        try checkUsable()
        if let pendingState { encoder.append(pendingState) }
        pendingState = nil
        let isSyncDue = mustSync
        mustSync = false
        try failing { () throws(FileError) in
            try write()
            if isSyncDue { try sync() }
        }
    }

    /// Writes a snapshot record, and what was added before it; synced when this returns.
    func save(_ snapshot: WALSnapshot) throws(WALError) {
        try checkUsable()
        // A write of its own, for the order that `WALWriteOrder` relies on.
        try commit()
        let began = configuration.clock()
        encoder.append(.snapshot, WALPayload.encode(snapshot))
        let encoded = configuration.clock()
        let syncedBefore = metrics.syncNanoseconds
        try failing { () throws(FileError) in
            try write()
            try sync()
        }
        configuration.observeSnapshot?(
            encoded.nanoseconds(since: began), metrics.syncNanoseconds - syncedBefore,
            configuration.clock().nanoseconds(since: began))
        if lastIndex < snapshot.index { lastIndex = snapshot.index }
        if newestSnapshot.index <= snapshot.index { newestSnapshot = snapshot }
    }

    private func write() throws(FileError) {
        let count = encoder.buffer.count
        if count == 0 { return }
        let start = configuration.observeWrite == nil ? nil : configuration.clock()
        do throws(FileError) {
            let offset = tailOffset
            try encoder.buffer.withUnsafeBytes { (bytes) throws(FileError) in
                try tail.write(bytes, at: offset)
            }
        } catch {
            // Nobody was told of any byte behind the tail. A part of them that ends inside a
            // sector would look like damage when the log is opened again, so it is taken off; if
            // that fails too, the first error is the one to tell.
            do throws(FileError) { try tail.truncate(to: tailOffset) } catch {}
            throw error
        }
        if let start {
            configuration.observeWrite?(configuration.clock().nanoseconds(since: start))
        }
        isUnsynced = true
        tailOffset += count
        zeroedThrough = max(zeroedThrough, tailOffset)
        metrics.writes += 1
        metrics.bytesWritten += UInt64(count)
        encoder.removeAll(keepingAtMost: configuration.keptBufferBytes)
    }

    private func sync() throws(FileError) {
        if !isUnsynced { return }
        let start = configuration.clock()
        try tail.syncData()
        isUnsynced = false
        let nanoseconds = configuration.clock().nanoseconds(since: start)
        metrics.syncs += 1
        metrics.syncNanoseconds += nanoseconds
        configuration.observeSync?(nanoseconds)
    }

    // MARK: - Between writes

    /// What can wait until a write was acknowledged: a new segment when the tail is full, and
    /// zeros ahead of the tail.
    func maintain() throws(WALError) {
        try checkUsable()
        try failing { () throws(FileError) in
            if tailOffset >= configuration.segmentBytes { try cut() }
            try zeroAhead()
        }
    }

    private func zeroAhead() throws(FileError) {
        guard zeroedThrough - tailOffset < configuration.zeroSliceBytes / 4 else { return }
        let count = min(configuration.zeroSliceBytes, configuration.segmentBytes - zeroedThrough)
        guard count > 0 else { return }
        // Fresh memory that is only read stays the kernel's one page of zeros.
        guard let zeros = calloc(1, count) else { return }
        defer { free(zeros) }
        try tail.write(UnsafeRawBufferPointer(start: zeros, count: count), at: zeroedThrough)
        zeroedThrough += count
        isUnsynced = true
    }

    private func cut() throws(FileError) {
        try tail.truncate(to: tailOffset)
        isUnsynced = true  // the size is
        try sync()

        let last = segments[segments.count - 1]
        let next = WALSegmentName(sequence: last.sequence + 1, firstIndex: lastIndex.next)
        encoder.appendChecksum()
        encoder.append(.metadata, metadata)
        if !state.isEmpty { encoder.append(state) }
        let count = encoder.buffer.count
        tail = try Self.begin(
            next, in: directory, size: configuration.segmentBytes, encoder.buffer)
        encoder.removeAll(keepingAtMost: configuration.keptBufferBytes)
        segments.append(next)
        tailOffset = count
        zeroedThrough = count
        metrics.cuts += 1
    }

    /// A new segment with its first records, under its name and durable.
    fileprivate static func begin(
        _ name: WALSegmentName, in directory: WALDirectory, size: Int,
        _ records: borrowing ByteBuffer
    ) throws(FileError) -> any File {
        let files = directory.files
        let temporary = "\(directory.path)/\(temporaryName)"
        let file = try files.open(temporary, .createEmpty)
        try file.preallocate(through: size)
        try records.withUnsafeBytes { (bytes) throws(FileError) in
            try file.write(bytes, at: 0)
        }
        try file.syncData()
        _ = try file.tryLock()  // nobody else knows it
        try files.rename(temporary, to: directory.path(of: name))
        try files.syncDirectory(directory.path)
        return file
    }

    /// etcd's name for a segment that is being prepared.
    private static let temporaryName = "0.tmp"

    /// Removes segments whose entries all lie before `index`, oldest first, while more than
    /// `count` are left.
    ///
    /// The segment that holds `index` stays, as does any that recovery from there reads.
    /// - Returns: How many segments went.
    func release(before index: LogIndex, keeping count: Int) throws(WALError) -> Int {
        try checkUsable()
        guard index <= newestSnapshot.index else {
            throw .releasePastSnapshot(index, newest: newestSnapshot.index)
        }
        var released = 0
        // As etcd opens a log: from the last segment that begins at or before the index.
        while segments.count > max(1, count), segments[1].firstIndex <= index {
            let path = directory.path(of: segments[0])
            try failing { () throws(FileError) in try files.remove(path) }
            segments.removeFirst()
            released += 1
        }
        if released > 0 {
            try failing { () throws(FileError) in try files.syncDirectory(directory.path) }
        }
        return released
    }

    /// Syncs what is written, closes the files, gives back the lock.
    func close() throws(WALError) {
        defer {
            tail.close()
            lock.close()
        }
        if failure != nil { return }
        try commit()
        try failing { () throws(FileError) in try sync() }
    }

    // MARK: - Failure

    private func checkUsable() throws(WALError) {
        if let failure { throw .failedBefore(failure) }
    }

    private func failing(_ body: () throws(FileError) -> Void) throws(WALError) {
        do throws(FileError) {
            try body()
        } catch {
            failure = error
            encoder.removeAll(keepingAtMost: 0)
            throw .file(error)
        }
    }
}

// MARK: - Opening

extension WALStore {
    /// A new, empty log: one segment that begins with `metadata` and the empty snapshot.
    static func create(
        _ configuration: WALConfiguration, _ metadata: WALMetadata
    ) throws(WALError) -> (WALStore, WALRecovery) {
        let files = configuration.files
        let path = configuration.directory
        let lock = try takeLock(configuration)
        if try WALDirectory(path: path, files: files).exists() {
            throw .alreadyExists(directory: path)
        }
        try walFile { () throws(FileError) in
            let temporary = WALDirectory(path: path + ".tmp", files: files)
            if try files.exists(temporary.path) {  // left by a crash: never a log
                for name in try files.list(temporary.path) {
                    try files.remove("\(temporary.path)/\(name)")
                }
            }
            try files.createDirectory(temporary.path)
            var encoder = WALEncoder(checksum: 0)
            encoder.appendChecksum()
            encoder.append(.metadata, WALPayload.encode(metadata))
            encoder.append(.snapshot, WALPayload.encode(.empty))
            let name = WALSegmentName(sequence: 0, firstIndex: .zero)
            let file = try begin(
                name, in: temporary, size: configuration.segmentBytes, encoder.buffer)
            file.close()
            try files.rename(temporary.path, to: path)
            try files.syncDirectory(parent(of: path))
        }
        return try open(configuration, from: .snapshot(.zero, .zero), lock: lock)
    }

    /// Opens a log, repairs a torn tail, sees to it that what is left survives loss of power, and
    /// leaves everything ready for appending.
    static func open(
        _ configuration: WALConfiguration, from start: WALStart
    ) throws(WALError) -> (WALStore, WALRecovery) {
        try open(configuration, from: start, lock: try takeLock(configuration))
    }

    private static func open(
        _ configuration: WALConfiguration, from start: WALStart, lock: any File
    ) throws(WALError) -> (WALStore, WALRecovery) {
        let files = configuration.files
        let directory = WALDirectory(path: configuration.directory, files: files)
        let segments = try directory.segments()
        let tailPath = directory.path(of: segments[segments.count - 1])
        let tail = try walFile { () throws(FileError) in try files.open(tailPath, .readWrite) }
        // An etcd that has the log open holds this lock; from now on so do we.
        guard try walFile({ () throws(FileError) in try tail.tryLock() }) else {
            throw .locked(path: tailPath)
        }
        let scan = try directory.scan(segments, from: start)
        try walFile { () throws(FileError) in
            for name in try files.list(directory.path) where name.hasSuffix(".tmp") {
                try files.remove("\(directory.path)/\(name)")  // a segment never begun
            }
            if scan.recovery.repair != nil {
                // Cut off, and that made durable, before anything new is written in its place:
                // old and new bytes must never mix.
                try tail.truncate(to: scan.unsynced.upperBound)
                try tail.syncData()
            }
            if try tail.size() < configuration.segmentBytes {
                try tail.preallocate(through: configuration.segmentBytes)
            }
            try rewrite(scan.unsynced, of: tail)
            try tail.syncData()
            try files.syncDirectory(directory.path)
            try files.syncDirectory(parent(of: directory.path))
        }
        let store = WALStore(
            configuration, lock: lock, segments: segments, tail: tail, scan: scan)
        return (store, scan.recovery)
    }

    /// Writes what `file` holds in `range` to the same place. A file that ends before is one that
    /// somebody else has shortened since it was read.
    private static func rewrite(_ range: Range<Int>, of file: any File) throws(FileError) {
        let window = try FileWindow(file)
        var place = range.lowerBound
        while place < range.upperBound {
            let bytes = try window.bytes(at: place, count: min(1 << 18, range.upperBound - place))
            guard bytes.count > 0 else { throw FileError(.read, file.path, code: EIO) }
            try file.write(bytes, at: place)
            place += bytes.count
        }
    }

    /// One owner of the directory at a time, in this process and among all.
    private static func takeLock(_ configuration: WALConfiguration) throws(WALError) -> any File {
        let path = configuration.directory + ".lock"
        let (file, isOurs) = try walFile { () throws(FileError) in
            let file = try configuration.files.open(path, .createOrKeep)
            return (file, try file.tryLock())
        }
        guard isOurs else { throw .locked(path: path) }
        return file
    }

    private static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
