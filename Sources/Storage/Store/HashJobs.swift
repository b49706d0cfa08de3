// Hashes of the store, computed in slices with other requests in between.

import API
import CSupport

/// A hash under way. Stays with the store.
protocol HashJob: AnyObject {
    /// Does some more of it.
    /// - Returns: whether it is done, and its caller told.
    func advance(_ store: isolated MVCCStore) throws(StoreError) -> Bool
    /// It came to an end, good or bad.
    func release(_ store: isolated MVCCStore)
    func fail(_ error: StoreError)
}

/// One job at a time, so that many do not make a turn longer than one.
struct HashQueue {
    /// In order; with the commit that must be durable before each may begin.
    var jobs: [(afterCommit: Int, job: any HashJob)] = []
    /// A slice is posted and has not run yet.
    var isPosted = false
    /// More callers than that are refused.
    static let limit = 64
}

extension MVCCStore {
    /// Computes the hash of the records up to `revision`, or up to now when it is nil, and calls
    /// `then` once, on the store's executor. Until then compactions delete nothing that counts.
    ///
    /// A revision that a finished compaction left a hash of has that one (reference: semantics.md,
    /// HashKV).
    /// - Throws: `.compacted`, `.futureRevision`, `.busy`; `then` is not called then.
    package func hash(
        at revision: Revision?,
        _ then: @escaping @Sendable (Result<KeyValueHash, StoreError>) -> Void
    ) throws(StoreError) {
        let compacted = compacted ?? .neverCompacted
        if let revision {
            if let known = compactions.hashes.first(where: { $0.revision == revision }) {
                return then(.success(known))
            }
            // etcd takes revisions below 0 too: nothing is as old.
            if revision > Revision(0), revision < compacted { throw .compacted(oldest: compacted) }
            if revision > self.revision { throw .futureRevision(newest: self.revision) }
        }
        guard hashes.jobs.count < HashQueue.limit else { throw .busy }
        pins.add(compacted)
        enqueue(RecordsHash(of: revision ?? self.revision, compacted: compacted, then))
    }

    /// Those that finished compactions have left, oldest first.
    package var compactionHashes: [KeyValueHash] { compactions.hashes }

    /// Computes the hash of all tables as of now and calls `then` once, on the store's executor.
    /// - Throws: `.busy`; `then` is not called then.
    package func hashOfAllTables(
        _ then: @escaping @Sendable (Result<UInt32, StoreError>) -> Void
    ) throws(StoreError) {
        guard hashes.jobs.count < HashQueue.limit else { throw .busy }
        enqueue(TablesHash(then))
    }

    private func enqueue(_ job: any HashJob) {
        precondition(applying == nil, "a hash within an apply")
        let commit = commits.pendingWrites > 0 ? commits.started + 1 : commits.started
        hashes.jobs.append((afterCommit: commit, job: job))
        whenCommitted { [weak self] error in
            self?.assumeIsolated { store in
                if let error { store.failHashes(.backend(error)) } else { store.continueHashes() }
            }
        }
    }

    private func continueHashes() {
        guard !hashes.isPosted, let first = hashes.jobs.first,
            first.afterCommit <= commits.finished
        else { return }
        hashes.isPosted = true
        executor.postSlice { [weak self] in self?.assumeIsolated { $0.hashSlice() } }
    }

    private func hashSlice() {
        hashes.isPosted = false
        guard let job = hashes.jobs.first?.job else { return }
        do throws(StoreError) {
            guard try job.advance(self) else { return continueHashes() }
            hashes.jobs.removeFirst()
            job.release(self)
            continueHashes()
        } catch {
            failHashes(error)
        }
    }

    func failHashes(_ error: StoreError) {
        let jobs = hashes.jobs
        hashes.jobs = []
        for (_, job) in jobs {
            job.release(self)
            job.fail(error)
        }
    }
}

/// The hash by which members compare their keys (KeyValueHash).
private final class RecordsHash: HashJob {
    private enum Step {
        /// Is any key current? The search goes on from here.
        case search(from: [UInt8])
        case records(from: RevisionPosition)
    }
    private let revision: Revision
    private let compacted: Revision
    private let then: @Sendable (Result<KeyValueHash, StoreError>) -> Void
    private var step = Step.search(from: [])
    private var hasher: KeyValueHasher

    init(
        of revision: Revision, compacted: Revision,
        _ then: @escaping @Sendable (Result<KeyValueHash, StoreError>) -> Void
    ) {
        self.revision = revision
        self.compacted = compacted
        self.then = then
        hasher = KeyValueHasher(revision: revision, compacted: compacted, takesAll: false)
    }

    func release(_ store: isolated MVCCStore) {
        store.unpin(compacted)
    }

    func fail(_ error: StoreError) { then(.failure(error)) }

    func advance(_ store: isolated MVCCStore) throws(StoreError) -> Bool {
        switch step {
        case .search(let key):
            search(from: key, store)
            return false
        case .records(let position):
            guard let next = try add(from: position, store) else {
                then(.success(hasher.result))
                return true
            }
            step = .records(from: next)
            return false
        }
    }

    private func search(from key: [UInt8], _ store: isolated MVCCStore) {
        let budget = store.commits.configuration.sliceRecords
        let end = store.index.hasAny(at: revision, from: key, budget: budget)
        if case .paused(let next) = end {
            step = .search(from: next)
            return
        }
        hasher = KeyValueHasher(
            revision: revision, compacted: compacted, takesAll: end == .complete)
        step = .records(from: RevisionPosition(main: Revision(0), sub: 0))
    }

    /// - Returns: where the next slice begins; nil at the end.
    private func add(
        from position: RevisionPosition, _ store: isolated MVCCStore
    ) throws(StoreError) -> RevisionPosition? {
        var hasher = hasher
        var cost = 0
        var next: RevisionPosition?
        let budget = store.commits.configuration.sliceRecords
        try store.forEachRecord(from: position) { record in
            let place = record.key.position
            if place.main > revision { return false }
            if cost >= budget {
                next = place
                return false
            }
            cost += 1 + record.encoded.count / MVCCStore.bytesPerRecordCost
            guard hasher.wants(record.key) else { return true }
            if hasher.mustBeCurrent(record.key) {
                let current = store.index.get(record.userKey, at: revision)
                guard current?.modified == place else { return true }
            }
            hasher.add(record.rawKey, record.encoded)
            return true
        }
        self.hasher = hasher
        return next
    }
}

/// The hash over everything, of one commit (reference: semantics.md, Hash).
private final class TablesHash: HashJob {
    /// Pins the commit's pages while it lasts.
    private var view: ReadTransaction?
    private var value: UInt32 = 0
    private let tables = Table.allCases.sorted {
        $0.name.utf8.lexicographicallyPrecedes($1.name.utf8)
    }
    private var current = 0
    /// How far the table is in the hash; nil before its beginning.
    private var scan: TableScan?
    private let then: @Sendable (Result<UInt32, StoreError>) -> Void

    /// What members do not share.
    private static let left = [MetaKey.term, MetaKey.consistentIndex, MetaKey.storageVersion]

    init(_ then: @escaping @Sendable (Result<UInt32, StoreError>) -> Void) { self.then = then }

    func release(_ store: isolated MVCCStore) { view = nil }

    func fail(_ error: StoreError) { then(.failure(error)) }

    func advance(_ store: isolated MVCCStore) throws(StoreError) -> Bool {
        guard current < tables.count else {
            then(.success(value))
            return true
        }
        do throws(BackendError) {
            if view == nil { view = try store.records.newView() }
            try addSlice(budget: store.commits.configuration.sliceRecords)
        } catch {
            throw .backend(error)
        }
        return false
    }

    private func addSlice(budget: Int) throws(BackendError) {
        let table = tables[current]
        var value = value
        if scan == nil {
            let name = Array(table.name.utf8)
            value = name.withUnsafeBytes { add($0, to: value) }
        }
        var cost = 0
        var scan = self.scan ?? TableScan(table)
        try view?.advance(&scan) { key, record in
            guard cost < budget else { return false }
            cost += 1 + record.count / MVCCStore.bytesPerRecordCost
            if table == .meta, Self.left.contains(where: { key.elementsEqual($0) }) { return true }
            value = add(record, to: add(key, to: value))
            return true
        }
        self.value = value
        self.scan = scan.isAtEnd ? nil : scan
        if scan.isAtEnd { current += 1 }
    }

    private func add(_ bytes: UnsafeRawBufferPointer, to value: UInt32) -> UInt32 {
        csupport_crc32c(value, bytes.baseAddress, bytes.count)
    }
}
