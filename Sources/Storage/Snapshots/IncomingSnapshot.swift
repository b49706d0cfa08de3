// What a crash has left of a snapshot that came: found before the store is opened.
//
// If the log has the record of its place, it is the state (Consensus, Snapshotter): the log before
// that place is void. If not, it is of no use.

import API
import Glibc

/// A whole snapshot beside a store that is not open.
package struct IncomingSnapshot: Sendable {
    /// The last log entry in it.
    package let index: LogIndex
    /// That entry's term.
    package let term: Term

    /// Looks for one beside the store at `path`. Blocks.
    /// - Throws: when it is there and cannot be read.
    package static func find(at path: String) throws(StoreError) -> IncomingSnapshot? {
        let place = IncomingFile.incoming(path)
        guard access(place, F_OK) == 0 else { return nil }
        let view = try backend { () throws(BackendError) in
            try ReadTransaction(Environment(replacing: path, at: place, quotaBytes: 0))
        }
        let summary = try StoreContents.summary(of: view)
        return IncomingSnapshot(index: summary.consistentIndex, term: summary.term)
    }

    /// How far the store at `path` reaches, without its keys; 0 if it is not there. Blocks.
    package static func indexOfStore(at path: String) throws(StoreError) -> LogIndex {
        guard access(path, F_OK) == 0 else { return .zero }
        let view = try backend { () throws(BackendError) in
            try ReadTransaction(Environment(path: path, quotaBytes: 0))
        }
        return try StoreContents.summary(of: view).consistentIndex
    }

    /// Makes the one that is there the store. Blocks.
    package static func install(at path: String) throws(StoreError) {
        try backend { () throws(BackendError) in
            let file = try IncomingFile(keptFor: path)
            try file.install()
        }
        removeAll(at: path)
    }

    /// Removes all there is of any, and of those that were being sent.
    package static func removeAll(at path: String) {
        unlink(SnapshotSpool.file(beside: path))
        IncomingFile.remove(IncomingFile.receiving(path))
        IncomingFile.remove(IncomingFile.incoming(path))
    }
}
