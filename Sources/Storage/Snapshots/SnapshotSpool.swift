// A state, written to a temporary file as the chunks of a snapshot.
//
// Why a file, and not from the store to the link? The store's pages can be reused only when nobody
// reads an old commit any more. A file is written as fast as the disk takes it; then the store is
// free, and the slowest of those who are sent the snapshot costs disk space only. They share it.
//
// The file has no name once it is open, so that no crash leaves it behind.

import API
import Glibc

/// A committed state that a snapshot can be made of. Keeps the store's file open.
package struct SnapshotSource: Sendable {
    let environment: Environment
}

/// Makes a snapshot and keeps it for those who send it. Blocks on the disk: on a thread of its own,
/// in slices of a chunk, so that chunks can be read meanwhile.
package actor SnapshotSpool: ExecutorActor {
    package nonisolated let executor: any ActorExecutor
    package nonisolated let unownedExecutor: UnownedSerialExecutor

    /// How it goes on. Told on the spool's executor.
    package enum Event: Sendable {
        /// What it is of. Comes first.
        case began(SnapshotDescription)
        /// So many chunks can be read. No more will come if it is whole.
        case grew(chunks: Int, isWhole: Bool)
        /// Nothing can be read any more.
        case failed(SnapshotError)
    }

    private let source: SnapshotSource
    private let file: Opening
    private let observer: @Sendable (Event) -> Void
    private var state = State.idle

    private struct Opening {
        let files: any FileSystem
        let path: String
        let stream: UInt64
        let cluster: ClusterID
    }

    private enum State {
        case idle
        case open(any File)
        case closed
    }
    /// Pins the commit's pages while it lasts.
    private var view: ReadTransaction?
    private var writer: SnapshotWriter
    /// Of `Table.inSnapshots`.
    private var table = 0
    /// How far the table is in the snapshot; nil before its beginning.
    private var scan: TableScan?
    /// Where each chunk begins in the file, and at last where it ends.
    private var places = [0]

    /// - Parameter path: of the temporary file.
    /// - Parameter stream: a random number.
    package init(
        of source: SnapshotSource, cluster: ClusterID, stream: UInt64, at path: String,
        in files: any FileSystem = SystemFiles(), on executor: any ActorExecutor,
        observer: @escaping @Sendable (Event) -> Void
    ) {
        self.source = source
        self.observer = observer
        self.executor = executor
        unownedExecutor = executor.asUnownedSerialExecutor()
        file = Opening(files: files, path: path, stream: stream, cluster: cluster)
        writer = SnapshotWriter(stream: stream)
    }

    /// The temporary file's path for the store at `path`: on its file system, where there is room
    /// for a state. A start removes it.
    package static func file(beside path: String) -> String { path + ".snapshot" }

    /// Begins to write. From any thread, once.
    package nonisolated func start() {
        executor.post { self.assumeIsolated { $0.begin() } }
    }

    /// Reads a chunk that is there, then calls `completion` once, on this executor. From any
    /// thread.
    package nonisolated func read(
        chunk: Int, _ completion: @escaping @Sendable (Result<[UInt8], SnapshotError>) -> Void
    ) {
        executor.post {
            let result = self.assumeIsolated { spool -> Result<[UInt8], SnapshotError> in
                do throws(SnapshotError) { return .success(try spool.read(chunk)) } catch {
                    return .failure(error)
                }
            }
            completion(result)
        }
    }

    /// Nobody needs it any more: its space is free then. From any thread.
    package nonisolated func close() {
        executor.post { self.assumeIsolated { $0.end() } }
    }

    // MARK: Writing

    private func begin() {
        guard case .idle = state else { return }
        attempt { () throws(SnapshotError) in
            let opened = try Self.file { () throws(FileError) in
                let opened = try file.files.open(file.path, .createEmpty)
                try file.files.remove(file.path)
                return opened
            }
            state = .open(opened)
            let transaction = try Self.store { () throws(BackendError) in
                try ReadTransaction(source.environment)
            }
            let description = try describe(transaction)
            view = consume transaction
            observer(.began(description))
            goOn()
        }
    }

    private func describe(
        _ view: borrowing ReadTransaction
    ) throws(SnapshotError) -> SnapshotDescription {
        let size = try Self.store { () throws(BackendError) in try source.environment.size() }
        let summary: StoreSummary
        do throws(StoreError) {
            summary = try StoreContents.summary(of: view)
            guard summary.confState != nil, summary.consistentIndex > .zero else {
                throw .damaged(place: "meta/confState", reason: "not there")
            }
        } catch {
            throw .store(error)
        }
        return SnapshotDescription(
            stream: file.stream, cluster: file.cluster, index: summary.consistentIndex,
            term: summary.term, confState: summary.confState ?? ConfState(),
            revision: summary.revision, estimatedBytes: UInt64(size.inUse))
    }

    private func goOn() {
        executor.postSlice { self.assumeIsolated { $0.slice() } }
    }

    /// Writes a chunk, or the last ones.
    private func slice() {
        guard case .open(let file) = state else { return }
        attempt { () throws(SnapshotError) in
            try Self.store { () throws(BackendError) in try fill() }
            let isLast = table == Table.inSnapshots.count
            if isLast {
                view = nil
                writer.finish()
            }
            while writer.isFull || isLast {
                guard try writeChunk(to: file) else { break }
            }
            observer(.grew(chunks: places.count - 1, isWhole: isLast))
            if !isLast { goOn() }
        }
    }

    private func fill() throws(BackendError) {
        while table < Table.inSnapshots.count, !writer.isFull {
            let current = Table.inSnapshots[table]
            var scan = self.scan ?? TableScan(current)
            try view?.advance(&scan) { key, value in
                guard !writer.isFull else { return false }
                writer.append(current, key, value)
                return true
            }
            self.scan = scan.isAtEnd ? nil : scan
            if scan.isAtEnd { table += 1 }
        }
    }

    private func writeChunk(to file: any File) throws(SnapshotError) -> Bool {
        let place = places[places.count - 1]
        var end = place
        let isThere = try writer.takeChunk { (header, frame) throws(SnapshotError) in
            try Self.file { () throws(FileError) in
                try header.span.withUnsafeBytes { (header) throws(FileError) in
                    try file.write(header, at: place)
                }
                try file.write(frame, at: place + header.count)
            }
            end += header.count + frame.count
        }
        if isThere { places.append(end) }
        return isThere
    }

    // MARK: Reading

    private func read(_ chunk: Int) throws(SnapshotError) -> [UInt8] {
        guard case .open(let file) = state else { throw .abandoned }
        precondition(chunk < places.count - 1, "a chunk that is not there yet")
        let count = places[chunk + 1] - places[chunk]
        var bytes = [UInt8](repeating: 0, count: count)
        do throws(FileError) {
            var span = bytes.mutableSpan
            let read = try span.withUnsafeMutableBytes { (buffer) throws(FileError) in
                try file.read(into: buffer, at: places[chunk])
            }
            guard read == count else { throw FileError(.read, self.file.path, code: EIO) }
        } catch {
            throw .file(error)
        }
        return bytes
    }

    // MARK: The end

    private func attempt(_ body: () throws(SnapshotError) -> Void) {
        do throws(SnapshotError) { try body() } catch {
            end()
            observer(.failed(error))
        }
    }

    private func end() {
        if case .open(let file) = state { file.close() }
        state = .closed
        view = nil
    }

    private static func store<Result: ~Copyable>(
        _ body: () throws(BackendError) -> Result
    ) throws(SnapshotError) -> Result {
        do throws(BackendError) { return try body() } catch { throw .store(.backend(error)) }
    }

    private static func file<Result>(
        _ body: () throws(FileError) -> Result
    ) throws(SnapshotError) -> Result {
        do throws(FileError) { return try body() } catch { throw .file(error) }
    }
}
