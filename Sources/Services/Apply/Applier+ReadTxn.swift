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
        let parts = try store.enter(with: (ranges, inner, largeAnswers)) {
            (store, input) throws(StoreError) -> [SlicedRange] in
            let (ranges, inner, answers) = input
            let place = try answers.makePlace()
            var parts: [SlicedRange] = []
            do throws(StoreError) {
                for range in ranges {
                    var begun = ByteBuffer()
                    begun.appendRangeBegin(inner)
                    parts.append(
                        try SlicedRange(
                            RangeEvaluation(range), after: begun,
                            at: range.revision > Revision(0) ? range.revision : inner.revision,
                            of: store, in: answers, place))
                }
            } catch {
                for part in parts { part.giveUp() }
                throw error
            }
            return parts
        }
        return SlicedTxn(after: response.takeAway(), parts, in: largeAnswers)
    }
}
