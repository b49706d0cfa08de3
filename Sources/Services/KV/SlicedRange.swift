// What is left of a Range that the first slice did not finish.
//
// All slices read one revision, which is pinned until the last. Other requests go in between. The
// answer grows in blocks, which are handed to the connection as they are.

import API
import Storage

/// A Range that is read in slices.
///
/// `@unchecked Sendable`: confined to the executor of the applied state.
final class SlicedRange: @unchecked Sendable {
    private let store: MVCCStore
    private let revision: Revision
    private var evaluation: RangeEvaluation
    private var block: ByteBuffer
    private let answer = ByteBlocks()
    /// Bytes that were left out, as the answer was too large already.
    private var excess = 0

    /// - Parameter begun: what the first slice has yielded.
    /// - Parameter revision: of the first slice.
    init(
        _ evaluation: RangeEvaluation, after begun: consuming ByteBuffer,
        at revision: Revision, of store: isolated MVCCStore
    ) throws(StoreError) {
        self.store = store
        self.revision = revision
        self.evaluation = evaluation
        block = begun
        try store.pin(revision)
        self.evaluation.goOn(at: revision, isPinned: true)
    }

    /// Reads on in turns to come, then answers `caller`.
    func goOn(for caller: PendingRange) {
        store.executor.postSlice { [self] in
            if caller.isAbandoned {
                end(caller, .failure(.contextCanceled))
            } else {
                readSlice(for: caller)
            }
        }
    }

    private func readSlice(for caller: PendingRange) {
        do throws(StoreError) {
            let isDone = try store.enter(with: self) { (store, range) throws(StoreError) in
                try range.step(of: store)
            }
            guard isDone else { return goOn(for: caller) }
            let size = answer.count + excess
            end(caller, size > Limits.sendBytes ? .failure(.sentTooLarge(size)) : .success(()))
        } catch {
            end(caller, .failure(Status(error)))
        }
    }

    private func step(of store: isolated MVCCStore) throws(StoreError) -> Bool {
        if block.capacity == 0 { block = ByteBuffer(mappedCapacity: ByteBlocks.blockBytes) }
        let isDone = try evaluation.step(.brief, of: store, into: &block)
        if isDone || block.count >= ByteBlocks.blockBytes / 2 { cutBlock() }
        return isDone
    }

    private func cutBlock() {
        var full = ByteBuffer()
        swap(&full, &block)
        if excess > 0 || answer.count + full.count > Limits.sendBytes {
            // It is read on for its size only, which the caller is told.
            excess += answer.count + full.count
            answer.removeAll()
        } else {
            answer.append(full)
        }
    }

    private func end(_ caller: PendingRange, _ result: Result<Void, Status>) {
        store.assumeIsolated { $0.unpin(revision) }
        switch result {
        case .success: caller.respond(answer)
        case .failure(let status): caller.fail(status)
        }
    }
}
