// Transactions that only read (reference: semantics.md, Txn): they have ranges and nothing else.
//
// Most are answered at once. One that turns out to be more than a slice is begun anew, in slices.

import API
import Storage

/// What became of a read-only transaction.
enum ReadTxnOutcome {
    /// The answer is in `Applier.response`.
    case whole
    /// Who asked is answered when it is read.
    case inSlices
}

extension Applier {
    func readTxn(
        _ request: TxnRequest, for reader: any SlicedReader
    ) -> Result<ReadTxnOutcome, Status> {
        precondition(response.bytes.isEmpty, "the answer before this one was not taken")
        do throws(TxnStop) {
            try plan(request)
            return .success(try read(request, for: reader))
        } catch {
            response.clear()
            switch error {
            case .refused(let status): return .failure(status)
            case .failed(let error): return .failure(Status(error))
            }
        }
    }

    private func read(
        _ request: TxnRequest, for reader: any SlicedReader
    ) throws(TxnStop) -> ReadTxnOutcome {
        let succeeds = txnPlan.path[0]
        let ranges = (succeeds ? request.success : request.failure).map { op in
            guard case .range(let range) = op.operation else {
                preconditionFailure("a read-only transaction that does not read")
            }
            return range
        }
        counters.ranges.increment(by: UInt64(ranges.count))
        response.bytes.appendTxnBegin(header(), succeeded: succeeds)
        do throws(StoreError) {
            if try !append(ranges) {
                response.clear()
                response.bytes.appendTxnBegin(header(), succeeded: succeeds)
                try slice(ranges).goOn(for: reader)
                countTxn()
                return .inSlices
            }
        } catch {
            throw .failed(error)
        }
        countTxn()
        return .whole
    }

    /// Appends the answers to `response`.
    /// - Returns: false when that is more than one slice; then a part of it is there.
    private func append(_ ranges: [RangeRequest]) throws(StoreError) -> Bool {
        let inner = header(in: .txn)
        return try store.enter(with: (ranges, inner, response)) {
            (store, input) throws(StoreError) -> Bool in
            let (ranges, inner, response) = input
            var slice = RangeEvaluation.Slice.brief
            for range in ranges {
                let open = response.bytes.beginTxnResponse(.range)
                let start = response.bytes.count
                var evaluation = RangeEvaluation(range)
                response.bytes.appendRangeBegin(inner)
                guard try evaluation.step(slice, of: store, into: &response.bytes) else {
                    return false
                }
                slice.pairs -= evaluation.shown
                slice.bytes -= response.bytes.count - start
                guard slice.pairs > 0, slice.bytes > 0 else { return false }
                response.bytes.endTxnResponse(open)
            }
            return true
        }
    }

    /// What begins in `response` goes on with the answers to `ranges`.
    private func slice(_ ranges: [RangeRequest]) throws(StoreError) -> SlicedTxn {
        let inner = header(in: .txn)
        let parts = ranges.map { range in
            RangePart(
                request: range, header: inner,
                revision: range.revision > Revision(0) ? range.revision : inner.revision)
        }
        let sliced = try slice(parts, at: try largeAnswers.makePlace())
        return SlicedTxn(after: response.takeAway(), sliced, in: largeAnswers)
    }

    /// Pins all that `parts` read.
    func slice(
        _ parts: [RangePart], at place: LargeAnswers.Place
    ) throws(StoreError) -> [SlicedRange] {
        try store.enter(with: (parts, largeAnswers, place)) {
            (store, input) throws(StoreError) -> [SlicedRange] in
            let (parts, answers, place) = input
            var sliced: [SlicedRange] = []
            do throws(StoreError) {
                for part in parts {
                    var begun = ByteBuffer()
                    begun.appendRangeBegin(part.header)
                    sliced.append(
                        try SlicedRange(
                            RangeEvaluation(part.request), after: begun, at: part.revision,
                            of: store, in: answers, place))
                }
            } catch {
                for range in sliced { range.giveUp() }
                throw error
            }
            return sliced
        }
    }
}

/// A range that is a part of a transaction's answer, before it is read.
struct RangePart {
    let request: RangeRequest
    let header: HeaderFields
    /// All of it is read at this one.
    let revision: Revision
}
