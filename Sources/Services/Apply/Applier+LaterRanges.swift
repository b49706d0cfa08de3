// Large ranges of a transaction that writes: not while it is applied, when nothing else gets its
// turn, but afterwards, in slices.
//
// That is possible where a revision shows what the range would have seen: it names one, or all that
// the transaction changes it changes before it, or all of it after it. Between two writes only the
// apply itself can read.

import API
import Storage

/// A range of the transaction at hand whose answer is still to be read.
struct LaterRange {
    /// Which operation of the chosen branch it is.
    let operation: Int
    /// Where its answer belongs among the bytes of those before and behind it.
    let place: Int
    let header: HeaderFields
    let revision: Revision
}

extension InternalRaftRequest.Operation {
    /// Whether it is a transaction that may have ranges to be read later.
    var readsRanges: Bool {
        guard case .txn(let request) = self else { return false }
        return [request.success, request.failure].contains { operations in
            operations.contains {
                if case .range(let range) = $0.operation { !range.rangeEnd.isEmpty } else { false }
            }
        }
    }
}

extension Applier {
    /// Appends the answer to a range, or leaves its place in `laterRanges`.
    /// - Parameter number: which operation of its list it is.
    func execute(_ request: RangeRequest, _ number: Int, mayWait: Bool) throws(StoreError) {
        counters.ranges.increment()
        guard isHeard else { return }
        let header = header(in: .txn)
        let place = response.bytes.count
        let isWhole = try store.enter(with: (request, header, response, mayWait)) {
            (store, input) throws(StoreError) -> Bool in
            let (request, header, response, mayWait) = input
            let open = response.bytes.beginTxnResponse(.range)
            var evaluation = RangeEvaluation(request)
            response.bytes.appendRangeBegin(header)
            let slice = mayWait ? RangeEvaluation.Slice.brief : .unlimited
            while try !evaluation.step(slice, of: store, into: &response.bytes) {
                if mayWait { return false }
            }
            response.bytes.endTxnResponse(open)
            return true
        }
        if isWhole { return }
        response.bytes.truncate(to: place)
        laterRanges.append(
            LaterRange(
                operation: number, place: place, header: header,
                revision: request.revision > Revision(0) ? request.revision : header.revision))
    }

    /// Whether a revision shows what `request` sees now, with `rest` still to be executed.
    func mayWait(_ request: RangeRequest, before rest: Slice<MessageList<RequestOp>>) -> Bool {
        let hasChanged = store.assumeIsolated { $0.currentRevision != $0.revision }
        return request.revision > Revision(0) || !hasChanged
            || rest.allSatisfy { if case .range = $0.operation { true } else { false } }
    }

    /// The transaction of `proposal` is applied: reads what is left of its answer in slices.
    func answerInSlices(_ proposal: ClientProposal) {
        let ranges = laterRanges
        laterRanges = []
        let written = response.takeAway()
        guard let reader = proposal.readsOn(), case .txn(let request) = reader.operation else {
            return
        }
        let operations = txnPlan.path[0] ? request.success : request.failure
        let parts = ranges.map { range in
            guard case .range(let request) = operations[range.operation].operation else {
                preconditionFailure("what reads later is a range")
            }
            return RangePart(request: request, header: range.header, revision: range.revision)
        }
        do throws(StoreError) {
            let sliced = try slice(parts, at: largeAnswers.makePlaceOfWrite())
            SlicedTxn(written, sliced, at: ranges.map(\.place), in: largeAnswers).goOn(for: reader)
        } catch {
            reader.fail(Status(error))
        }
    }
}
