// A read-only transaction whose ranges are more than one slice: they are read one after the other,
// each in slices, all at the revisions of its beginning.

import API
import Storage

/// The chosen branch of a transaction on its way into an answer.
///
/// `@unchecked Sendable`: confined to the executor of the applied state.
final class SlicedTxn: SlicedReader, @unchecked Sendable {
    /// Last first.
    private var ranges: [SlicedRange]
    private let answer: ByteBlocks
    /// Of the whole answer in bytes, what could not be sent included.
    private var size: Int
    private var caller: (any SlicedReader)?

    /// - Parameters:
    ///   - begun: what stands before the answers of the ranges.
    ///   - ranges: in order. None was begun.
    init(after begun: consuming ByteBuffer, _ ranges: [SlicedRange], in answers: LargeAnswers) {
        self.ranges = ranges.reversed()
        size = begun.count
        answer = ByteBlocks(countedBy: answers.meter)
        answer.append(begun)
    }

    /// Reads all of it, then answers `caller`.
    func goOn(for caller: any SlicedReader) {
        self.caller = caller
        next()
    }

    private func next() {
        guard let caller else { preconditionFailure("a transaction that nobody waits for") }
        if let range = ranges.last { return range.goOn(for: self) }
        self.caller = nil
        caller.respond(answer, size: size)
    }

    var isAbandoned: Bool { caller?.isAbandoned ?? true }

    func respond(_ part: ByteBlocks, size partSize: Int) {
        ranges.removeLast()
        var inner = ByteBuffer()
        inner.appendHeader(TxnOperationKind.range.rawValue, byteCount: partSize)
        var outer = ByteBuffer()
        outer.appendTxnResponseHeader(byteCount: inner.count + partSize)
        size += outer.count + inner.count + partSize
        if size > Limits.sendBytes {
            answer.removeAll()
        } else {
            answer.append(outer)
            answer.append(inner)
            answer.append(part)
        }
        next()
    }

    func fail(_ status: Status) {
        ranges.removeLast()
        for range in ranges { range.giveUp() }
        ranges = []
        let caller = caller
        self.caller = nil
        caller?.fail(status)
    }
}
