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
        guard hasLease(request.lease) else { return .failure(.leaseNotFound) }
        var kept: Kept = []
        if request.ignoreValue { kept.insert(.value) }
        if request.ignoreLease { kept.insert(.lease) }
        let result: PutResult
        do throws(StoreError) {
            result = try store.enter(with: (request, kept)) { (store, input) throws(StoreError) in
                let (request, kept) = input
                return try store.put(
                    key: request.key, value: request.value, lease: request.lease, keeping: kept)
            }
        } catch .keyNotFound {
            return .failure(.keyNotFound)
        } catch {
            throw ApplyFailure("the store failed: \(error)")
        }
        attach(request.key, to: result.lease)
        counters.puts.increment()
        counters.putBytes.add(Int64(request.key.count + request.value.count))
        let header = header(result.revision)
        guard request.prevKV, let previous = result.previous else {
            response.bytes.appendPutResponse(header)
            return .success(())
        }
        try inStore(with: (response, header)) { (store, input) throws(StoreError) in
            let (response, header) = input
            try store.withPair(previous) { response.bytes.appendPutResponse(header, previous: $0) }
        }
        return .success(())
    }

    func deleteRange(_ request: DeleteRangeRequest) throws(ApplyFailure) -> Result<Void, Status> {
        if let refusal = alarmRefusal(adds: false) { return .failure(refusal) }
        let pairs = deletedPairs
        let leases = leasesOfDeleted
        let deleted = try inStore(with: (request, pairs)) { (store, input) throws(StoreError) in
            let (request, pairs) = input
            return try store.deleteRange(
                KeyBounds(key: request.key, rangeEnd: request.rangeEnd),
                wantsPairs: request.prevKV
            ) { key, pair in
                leases?.enter(with: key) { $0.detach($1) }
                if let pair { pairs.bytes.appendDeletedPair(stored: pair) }
            }
        }
        counters.deletes.increment()
        let now = store.assumeIsolated { $0.revision }
        response.bytes.appendDeleteRangeBegin(
            header(deleted > 0 ? now.next : now), deleted: Int64(deleted))
        pairs.take { response.bytes.append($0) }
        return .success(())
    }

    /// Answers a Range in `response`; not on failure.
    func range(_ request: RangeRequest) -> Result<Void, Status> {
        counters.ranges.increment()
        precondition(response.bytes.isEmpty, "the answer before this one was not taken")
        let header = header()
        do throws(StoreError) {
            try store.enter(with: (request, response)) { (store, input) throws(StoreError) in
                let (request, response) = input
                response.bytes.appendRangeBegin(header)
                let bounds = KeyBounds(key: request.key, rangeEnd: request.rangeEnd)
                let result = try store.range(bounds, RangeQuery(request)) {
                    response.bytes.appendRangePair(stored: $0.encoded)
                }
                response.bytes.appendRangeEnd(more: result.more, count: Int64(result.count))
            }
            return .success(())
        } catch {
            response.clear()
            return .failure(Status(error))
        }
    }
}

extension RangeQuery {
    init(_ request: RangeRequest) {
        self.init(
            revision: request.revision > Revision(0) ? request.revision : nil,
            limit: Int(clamping: max(0, request.limit)))
        countOnly = request.countOnly
        keysOnly = request.keysOnly
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
