// A transaction whose ranges are more than one slice: they are read one after the other, each in
// slices, all at the revisions of its beginning; those of one that writes, at the revisions that
// show what they would have seen.

import API
import Storage

/// The chosen branch of a transaction on its way into an answer.
///
/// `@unchecked Sendable`: confined to the executor of the applied state.
final class SlicedTxn: SlicedReader, @unchecked Sendable {
    /// Last first.
    private var ranges: [SlicedRange]
    /// What stands behind each of them, last first.
    private var between: [[UInt8]]
    private let answer: ByteBlocks
    /// Of the whole answer in bytes, what could not be sent included.
    private var size: Int
    private var caller: (any SlicedReader)?

    /// - Parameters:
    ///   - begun: what stands before the answers of the ranges.
    ///   - ranges: in order. None was begun.
    init(after begun: consuming ByteBuffer, _ ranges: [SlicedRange], in answers: LargeAnswers) {
        self.ranges = ranges.reversed()
        between = []
        size = begun.count
        answer = ByteBlocks(countedBy: answers.meter)
        answer.append(begun)
    }

    /// As above, with other answers between those of the ranges.
    /// - Parameters:
    ///   - written: all that is not read in slices.
    ///   - places: where in it the answer of each range belongs, ascending.
    convenience init(
        _ written: consuming ByteBuffer, _ ranges: [SlicedRange], at places: [Int],
        in answers: LargeAnswers
    ) {
        let all = written.array
        var begun = ByteBuffer()
        begun.append([UInt8](all[..<places[0]]))
        self.init(after: begun, ranges, in: answers)
        between = zip(places, places.dropFirst() + [all.count]).map { [UInt8](all[$0..<$1]) }
        between.reverse()
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
        appendBetween()
        next()
    }

    private func appendBetween() {
        guard let bytes = between.popLast(), !bytes.isEmpty else { return }
        size += bytes.count
        guard size <= Limits.sendBytes else { return answer.removeAll() }
        var block = ByteBuffer()
        block.append(bytes)
        answer.append(block)
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
