// Puts, deletes and ranges on the applied state (reference: semantics.md).

import API
import Storage

extension Applier {
    /// The header of an answer made now, or for a write of the revision it produced.
    func header(_ revision: Revision? = nil) -> HeaderFields {
        HeaderFields(
            cluster: identity.cluster, member: identity.member,
            revision: revision ?? store.assumeIsolated { $0.revision }, term: term)
    }

    func put(_ request: PutRequest) throws(ApplyFailure) -> Result<Void, Status> {
        if let refusal = alarmRefusal(adds: true) { return .failure(refusal) }
        // No lease can be granted yet, so none exists.
        guard request.lease == .none else { return .failure(.leaseNotFound) }
        var kept: Kept = []
        if request.ignoreValue { kept.insert(.value) }
        if request.ignoreLease { kept.insert(.lease) }
        let outcome = store.assumeIsolated { store -> Result<PutResult, StoreError> in
            do throws(StoreError) {
                return .success(
                    try store.put(
                        key: request.key, value: request.value, lease: request.lease,
                        keeping: kept))
            } catch {
                return .failure(error)
            }
        }
        switch outcome {
        case .success(let result):
            guard request.prevKV, let previous = result.previous else {
                response.appendPutResponse(header(result.revision))
                return .success(())
            }
            let header = header(result.revision)
            try withPair(previous) { response.appendPutResponse(header, previous: $0) }
            return .success(())
        case .failure(.keyNotFound): return .failure(.keyNotFound)
        case .failure(let error): throw ApplyFailure("the store failed: \(error)")
        }
    }

    func deleteRange(_ request: DeleteRangeRequest) throws(ApplyFailure) -> Result<Void, Status> {
        if let refusal = alarmRefusal(adds: false) { return .failure(refusal) }
        var pairs = ByteBuffer()
        let deleted = try inStore { store throws(StoreError) in
            try store.deleteRange(
                KeyBounds(key: request.key, rangeEnd: request.rangeEnd),
                wantsPairs: request.prevKV
            ) { _, pair in
                if let pair { pairs.appendDeletedPair(stored: pair) }
            }
        }
        let now = store.assumeIsolated { $0.revision }
        response.appendDeleteRangeBegin(
            header(deleted > 0 ? now.next : now), deleted: Int64(deleted))
        pairs.withUnsafeBytes { response.append($0) }
        return .success(())
    }

    /// Answers a Range in `response`.
    func range(_ request: RangeRequest) -> Result<Void, Status> {
        response.removeAll()
        var query = RangeQuery(
            revision: request.revision > Revision(0) ? request.revision : nil,
            limit: Int(clamping: max(0, request.limit)))
        query.countOnly = request.countOnly
        query.keysOnly = request.keysOnly
        response.appendRangeBegin(header())
        let bounds = KeyBounds(key: request.key, rangeEnd: request.rangeEnd)
        let outcome = store.assumeIsolated { store -> Result<RangeResult, StoreError> in
            do throws(StoreError) {
                return .success(
                    try store.range(bounds, query) { response.appendRangePair(stored: $0.encoded) })
            } catch {
                return .failure(error)
            }
        }
        switch outcome {
        case .success(let result):
            response.appendRangeEnd(more: result.more, count: Int64(result.count))
            return .success(())
        case .failure(let error): return .failure(Status(error))
        }
    }

    /// Hands the encoded response over, then gives its memory back but for what is usual.
    func withResponse(_ body: (UnsafeRawBufferPointer) -> Void) {
        response.withUnsafeBytes(body)
        response.removeAll(keepingAtMost: Self.keptResponseBytes)
    }

    private func withPair(
        _ version: IndexedVersion, _ body: (UnsafeRawBufferPointer) -> Void
    ) throws(ApplyFailure) {
        try inStore { store throws(StoreError) in try store.withPair(version, body) }
    }
}

extension KeyBounds {
    /// By etcd's conventions: no end is the single key, one zero byte is all keys from `key` on.
    init(key: UnsafeRawBufferPointer, rangeEnd: UnsafeRawBufferPointer) {
        if rangeEnd.isEmpty {
            self.init(lower: key, upper: .single)
        } else if rangeEnd.count == 1 && rangeEnd[0] == 0 {
            self.init(lower: key, upper: .open)
        } else {
            self.init(lower: key, upper: .before(rangeEnd))
        }
    }
}

extension Status {
    /// Why a read was not served.
    init(_ error: StoreError) {
        switch error {
        case .compacted: self = .compacted
        case .futureRevision: self = .futureRevision
        case .keyNotFound: self = .keyNotFound
        case .keyTooLong, .backend, .damaged:
            self.init(.dataLoss, "etcdserver: the store cannot be read: \(error)")
        }
    }
}
