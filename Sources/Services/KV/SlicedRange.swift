// What is left of a Range that the first slice did not finish.
//
// All slices read one revision, which is pinned until the last. Other requests go in between. The
// answer grows in blocks, which are handed to the connection as they are.

import API
import Storage

/// Who wants what is read in slices.
protocol SlicedReader: AnyObject, Sendable {
    /// Whether nobody waits for the answer any more.
    var isAbandoned: Bool { get }
    /// The RangeResponse; beyond what can be sent, only its size.
    func respond(_ answer: ByteBlocks, size: Int)
    func fail(_ status: Status)
}

/// A Range that is read in slices.
///
/// `@unchecked Sendable`: confined to the executor of the applied state.
final class SlicedRange: @unchecked Sendable {
    private let store: MVCCStore
    private let revision: Revision
    private let answers: LargeAnswers
    private let place: LargeAnswers.Place
    private var evaluation: RangeEvaluation
    private var scratchBytes = 0
    private var block: ByteBuffer
    private let answer: ByteBlocks
    /// Bytes that were left out, as the answer was too large already.
    private var excess = 0

    /// - Parameters:
    ///   - begun: what was read before, or the header alone.
    ///   - revision: of all that is read; it is pinned from now on.
    ///   - place: of the answer that this is, or is a part of.
    init(
        _ evaluation: RangeEvaluation, after begun: consuming ByteBuffer,
        at revision: Revision, of store: isolated MVCCStore, in answers: LargeAnswers,
        _ place: LargeAnswers.Place
    ) throws(StoreError) {
        self.store = store
        self.revision = revision
        self.answers = answers
        self.place = place
        self.evaluation = evaluation
        answer = ByteBlocks(countedBy: answers.meter)
        block = begun
        try store.pin(revision)
        answers.join(place)
        self.evaluation.goOn(at: revision, isPinned: true)
    }

    /// Reads on in turns to come, then answers `reader`.
    func goOn(for reader: any SlicedReader) {
        answers.whenThereIsRoom(at: place) { [self] in
            store.executor.postSlice { [self] in
                if reader.isAbandoned {
                    giveUp()
                    reader.fail(.contextCanceled)
                } else {
                    readSlice(for: reader)
                }
            }
        }
    }

    private func readSlice(for reader: any SlicedReader) {
        do throws(StoreError) {
            let isDone = try store.enter(with: self) { (store, range) throws(StoreError) in
                try range.step(of: store)
            }
            guard isDone else { return goOn(for: reader) }
            giveUp()
            reader.respond(answer, size: answer.count + excess)
        } catch {
            giveUp()
            reader.fail(Status(error))
        }
    }

    private func step(of store: isolated MVCCStore) throws(StoreError) -> Bool {
        if block.capacity == 0 { block = ByteBuffer(mappedCapacity: ByteBlocks.blockBytes) }
        let isDone = try evaluation.step(.brief, of: store, into: &block)
        count(evaluation.scratchBytes)
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

    private func count(_ scratchBytes: Int) {
        answers.scratchBytes += scratchBytes - self.scratchBytes
        self.scratchBytes = scratchBytes
    }

    /// It is read no further. Once.
    func giveUp() {
        count(0)
        answers.leave(place)
        store.assumeIsolated { $0.unpin(revision) }
    }
}
