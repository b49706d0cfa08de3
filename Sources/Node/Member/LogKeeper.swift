// How far back the log reaches.
//
// What the store has made durable is not needed in the log any more. Every `snapshot-count` entries
// a snapshot record says in the log how far that is: recovery starts reading there, and segments
// wholly before it go, while more than `max-wals` are left (etcd's rules). The record follows the
// store's commit, never the other way round: a crash between the two costs a longer replay.

import API
import Logging
import Storage

/// Told of the store's commits, on the executor of the applied state.
final class LogKeeper: Sendable {
    private let log: WriteAheadLog
    private let snapshotCount: UInt64
    private let maxSegments: Int
    private let logger: Logger
    /// Where the newest snapshot record stands, or will.
    private let newest: Locked<LogIndex>

    /// - Parameter maxSegments: segments kept; 0 keeps all.
    init(
        _ log: WriteAheadLog, newest: LogIndex, snapshotCount: UInt64, maxSegments: Int,
        logger: Logger
    ) {
        self.log = log
        self.snapshotCount = snapshotCount
        self.maxSegments = maxSegments
        self.logger = logger
        self.newest = Locked(newest)
    }

    /// The effects of all entries through `durable.index` are on disk in the store.
    func committed(_ durable: CommittedState, confState: ConfState) {
        let index = durable.index
        let isDue = newest.withLock { newest in
            guard index.distance(from: newest) >= Int(clamping: snapshotCount) else { return false }
            newest = index
            return true
        }
        guard isDue else { return }
        let snapshot = WALSnapshot(index: index, term: durable.term, confState: confState)
        do throws(WALError) {
            try log.save(snapshot) { [self] result in
                if case .failure(let error) = result { return failed(error) }
                release(before: index)
            }
        } catch {
            failed(error)
        }
    }

    private func release(before index: LogIndex) {
        guard maxSegments > 0 else { return }
        do throws(WALError) {
            try log.release(before: index, keeping: maxSegments) { [self] result in
                switch result {
                case .success(let count) where count > 0:
                    logger.info(
                        "released log segments", metadata: .fields(["count": .int(Int64(count))]))
                case .success: break
                case .failure(let error): failed(error)
                }
            }
        } catch {
            failed(error)
        }
    }

    /// Nothing is lost: the log is only longer than it need be.
    private func failed(_ error: WALError) {
        logger.warning(
            "failed to shorten the log", metadata: .fields(["error": .string("\(error)")]))
    }
}
