// Puts, deletes and ranges on the applied state (reference: semantics.md).

import API
import Storage

/// How a request came, which decides what its answer's header holds.
enum RequestPlace {
    /// By itself.
    case alone
    /// As an operation of a transaction.
    case txn
}

extension Applier {
    /// The header of an answer made now, or of `revision`.
    func header(_ revision: Revision? = nil) -> HeaderFields {
        HeaderFields(
            cluster: identity.cluster, member: identity.member,
            revision: revision ?? store.assumeIsolated { $0.currentRevision }, term: term)
    }

    /// The header of an answer to a request at `place`, with what was changed so far counted.
    func header(in place: RequestPlace) -> HeaderFields {
        switch place {
        case .alone: header()
        case .txn:
            HeaderFields(
                cluster: ClusterID(0), member: .none,
                revision: store.assumeIsolated { $0.currentRevision }, term: .zero)
        }
    }

    // MARK: Put

    func put(_ request: PutRequest) throws(ApplyFailure) -> Result<Void, Status> {
        if let refusal = alarmRefusal(adds: true) ?? leaseRefusal(request.lease) {
            return .failure(refusal)
        }
        do throws(StoreError) {
            try execute(request, in: .alone)
            return .success(())
        } catch .keyNotFound {
            return .failure(.keyNotFound)
        } catch {
            throw ApplyFailure("the store failed: \(error)")
        }
    }

    /// Puts a pair whose lease is known to exist; answers in `response`.
    func execute(_ request: PutRequest, in place: RequestPlace) throws(StoreError) {
        var kept: Kept = []
        if request.ignoreValue { kept.insert(.value) }
        if request.ignoreLease { kept.insert(.lease) }
        let result = try store.enter(with: (request, kept)) { (store, input) throws(StoreError) in
            let (request, kept) = input
            return try store.put(
                key: request.key, value: request.value, lease: request.lease, keeping: kept)
        }
        attach(request.key, to: result.lease)
        if !observers.isEmpty { observers.put(request.key) }
        counters.puts.increment()
        counters.putBytes.add(Int64(request.key.count + request.value.count))
        let header = header(in: place)
        guard request.prevKV, let previous = result.previous else {
            response.bytes.appendPutResponse(header)
            return
        }
        try store.enter(with: (response, header)) { (store, input) throws(StoreError) in
            let (response, header) = input
            try store.withPair(previous) { response.bytes.appendPutResponse(header, previous: $0) }
        }
    }

    // MARK: DeleteRange

    func deleteRange(_ request: DeleteRangeRequest) throws(ApplyFailure) -> Result<Void, Status> {
        if let refusal = alarmRefusal(adds: false) { return .failure(refusal) }
        do throws(StoreError) { try execute(request, in: .alone) } catch {
            throw ApplyFailure("the store failed: \(error)")
        }
        return .success(())
    }

    /// Deletes keys; answers in `response`.
    func execute(_ request: DeleteRangeRequest, in place: RequestPlace) throws(StoreError) {
        let pairs = deletedPairs
        let deletions = followedDeletions
        let deleted = try store.enter(with: (request, pairs)) {
            (store, input) throws(StoreError) in
            let (request, pairs) = input
            return try store.deleteRange(
                KeyBounds(key: request.key, rangeEnd: request.rangeEnd),
                wantsPairs: request.prevKV
            ) { key, pair in
                deletions?.enter(with: key) { $0.deleted($1) }
                if let pair { pairs.bytes.appendDeletedPair(stored: pair) }
            }
        }
        counters.deletes.increment()
        response.bytes.appendDeleteRangeBegin(header(in: place), deleted: Int64(deleted))
        pairs.take { response.bytes.append($0) }
    }

    // MARK: Range

    /// Answers a Range in `response`, or begins to.
    /// - Returns: whether it goes on in slices, and `reader` is answered then.
    /// - Throws: `.compacted`, `.futureRevision`, `.busy`, or what befell the store; then something
    ///   may have been appended.
    func beginRange(
        _ request: RangeRequest, for reader: any SlicedReader
    ) throws(StoreError) -> Bool {
        counters.ranges.increment()
        precondition(response.bytes.isEmpty, "the answer before this one was not taken")
        let header = header()
        let rest = try store.enter(with: (request, header, response, largeAnswers)) {
            (store, input) throws(StoreError) -> SlicedRange? in
            let (request, header, response, answers) = input
            var evaluation = RangeEvaluation(request)
            response.bytes.appendRangeBegin(header)
            if try evaluation.step(.brief, of: store, into: &response.bytes) { return nil }
            let place = try answers.makePlace()
            return try SlicedRange(
                evaluation, after: response.takeAway(),
                at: request.revision > Revision(0) ? request.revision : header.revision,
                of: store, in: answers, place)
        }
        rest?.goOn(for: reader)
        return rest != nil
    }
}

extension Status {
    /// Why a read was not served.
    init(_ error: StoreError) {
        switch error {
        case .compacted: self = .compacted
        case .futureRevision: self = .futureRevision
        case .keyNotFound: self = .keyNotFound
        case .busy: self = .tooManyRequests
        case .replaced:
            self.init(.unavailable, "etcdserver: another member's state took the place of this one")
        case .keyTooLong, .backend, .damaged:
            self.init(.dataLoss, "etcdserver: the store cannot be read: \(error)")
        }
    }
}
