// Raft's view of the write-ahead log.

import API
import Consensus
import Storage

/// Hands RaftNode's writes to the WriteAheadLog. On the node's executor.
final class LogDisk: EntryStore {
    private let log: WriteAheadLog

    init(_ log: WriteAheadLog) { self.log = log }

    func persist(
        _ write: LogWrite,
        completion: @escaping @Sendable (Result<Void, EntryStoreFailure>) -> Void
    ) {
        let batch = WALBatch(
            entries: write.entries, hardState: write.hardState, mustSync: write.mustSync)
        do throws(WALError) {
            if let mark = write.snapshot {
                // If it fails, so does what follows it.
                let snapshot = WALSnapshot(
                    index: mark.index, term: mark.position.term, confState: mark.confState)
                try log.save(snapshot) { _ in }
            }
            try log.persist(batch) { completion($0.mapError(EntryStoreFailure.init)) }
        } catch {
            completion(.failure(EntryStoreFailure(error)))
        }
    }
}

extension EntryStoreFailure {
    init(_ error: WALError) {
        self.init(error.isDiskFull ? .noSpace : .other, error.description)
    }
}
