// Another member's state in the place of this one: all of it, between two turns.
//
// The new file has been read and its key index built elsewhere; here the file gets its name, on the
// backend's thread and in the place of a commit, and then everything that was read from the old one
// is let go. What was applied but not committed is let go too: it is part of the new state.
//
// Who reads in slices goes on in the new state, which has the same revisions, or is told that it
// was compacted.

import API

/// A replacement that was asked for.
struct StoreReplacement {
    let incoming: IncomingStore
    let then: @Sendable (StoreError?) -> Void
}

extension MVCCStore {
    /// The state of the last commit, for a snapshot. All that is applied now is in it.
    /// - Parameter then: called once, on the store's executor.
    package func source(
        _ then: @escaping @Sendable (Result<SnapshotSource, StoreError>) -> Void
    ) {
        flush { error in
            if let error { return then(.failure(.backend(error))) }
            self.assumeIsolated { store in
                then(.success(SnapshotSource(environment: store.records.environment)))
            }
        }
    }

    /// Puts `incoming` in the place of the state, on disk and in memory, then calls `then` once, on
    /// the store's executor. Nothing may be applied before.
    ///
    /// A state older than this one is `.damaged`, and nothing has changed. After any other failure
    /// it is not known which of the two a start would find: nothing is applied any more, and reads
    /// go on in the old one.
    package func replace(
        with incoming: IncomingStore, _ then: @escaping @Sendable (StoreError?) -> Void
    ) {
        precondition(applying == nil && replacement == nil, "a replacement within another change")
        guard incoming.summary.consistentIndex > appliedIndex,
            incoming.summary.revision >= revision
        else {
            return then(.damaged(place: "snapshot", reason: "older than the state"))
        }
        replacement = StoreReplacement(incoming: incoming, then: then)
        startReplacement()
    }

    /// Called when nothing is in flight any more.
    func startReplacement() {
        guard let replacement, !commits.isInFlight else { return }
        commits.isInFlight = true
        commits.timer?.cancel()
        commits.timer = nil
        commits.backend.install(replacement.incoming.file) { result in
            self.executor.post { self.assumeIsolated { $0.finishReplacement(result) } }
        }
    }

    private func finishReplacement(_ result: Result<Void, BackendError>) {
        guard let replacement else { preconditionFailure("no replacement to finish") }
        self.replacement = nil
        commits.isInFlight = false
        do throws(BackendError) {
            try result.get()
            try become(replacement.incoming)
            replacement.then(nil)
        } catch {
            fail(error)
            replacement.then(.backend(error))
        }
        startDefragmentation()
    }

    private func become(_ incoming: IncomingStore) throws(BackendError) {
        incoming.file.environment.reports.takeOver(from: records.environment.reports)
        var old = try RecordLayers(incoming.file.environment)
        swap(&old, &records)
        var contents = incoming.takeContents()
        swap(&contents.index, &index)
        // Freeing millions of keys takes a while too.
        commits.backend.release(Remains(index: contents.index, records: old))

        let summary = incoming.summary
        revision = summary.revision
        compacted = summary.compacted
        replacedBefore = summary.compacted
        becameAt(summary.consistentIndex, summary.term)
        let committed = CommittedState(
            index: summary.consistentIndex, term: summary.term, size: incoming.size)
        for then in commits.restart(at: committed) { then(nil) }
        for then in compactions.restart(unfinished: summary.unfinishedCompaction) { then(nil) }
        failHashes(.replaced)
        continueCompaction()
        changeObserver?.replaced(revision)
    }
}

/// What is left of a state that was replaced.
///
/// `@unchecked Sendable` is sound: it is made to be let go on another thread, and does nothing else.
private final class Remains: @unchecked Sendable {
    private let index: KeyIndex
    private let records: RecordLayers

    init(index: consuming KeyIndex, records: consuming RecordLayers) {
        self.index = index
        self.records = records
    }
}
