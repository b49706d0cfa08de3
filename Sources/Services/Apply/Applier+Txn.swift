// Transactions on the applied state (reference: semantics.md, Txn).
//
// First everything is decided, on the state as it is before: which branches are taken, and whether
// what they ask for can be done. From there on nothing can be refused, and the operations run in
// order, by the same functions as requests that come alone.
//
// What is read is for the caller only: where nobody waits, ranges are passed over. A large one is
// read later, in slices, if a revision shows just what it would see now (Applier+LaterRanges).

import API
import Storage

/// What was decided about a transaction before it runs.
struct TxnPlan {
    /// Whether the comparisons hold: of the transaction, then of each nested one that is reached,
    /// in the order in which they are.
    var path: [Bool] = []
    /// Whether any key will be changed.
    var changesKeys = false
    /// How many operations will be executed, nested transactions themselves not counted.
    var operations = 0
    /// Why the first range that cannot be served cannot. It counts only when all puts can be done,
    /// which etcd looks at first, wherever they stand.
    var rangeRefusal: Status?

    mutating func clear() {
        path.removeAll(keepingCapacity: true)
        changesKeys = false
        operations = 0
        rangeRefusal = nil
    }
}

/// Why a transaction is not run.
enum TxnStop: Error {
    case refused(Status)
    case failed(StoreError)
}

extension Applier {
    /// Applies a transaction; answers in `response`.
    func txn(_ request: TxnRequest) throws(ApplyFailure) -> Result<Void, Status> {
        if let refusal = alarmRefusal(adds: request.spaceCost > 0) { return .failure(refusal) }
        do throws(TxnStop) {
            try run(request)
            return .success(())
        } catch {
            switch error {
            case .refused(let status): return .failure(status)
            case .failed(let error): throw ApplyFailure("the store failed: \(error)")
            }
        }
    }

    private func run(_ request: TxnRequest) throws(TxnStop) {
        try plan(request)
        let before = store.assumeIsolated { $0.revision }
        let after = txnPlan.changesKeys ? before.next : before
        do throws(StoreError) {
            var next = 0
            try execute(request, header(after), &next)
        } catch {
            throw .failed(error)
        }
        nestedLengths.settle(in: &response.bytes)
        precondition(
            store.assumeIsolated { $0.currentRevision } == after,
            "a transaction did not do what was decided")
        countTxn()
    }

    /// As etcd counts: a single operation is that operation, not a transaction.
    func countTxn() {
        if txnPlan.operations > 1 { counters.txns.increment() }
    }

    // MARK: Deciding

    /// Decides about all of it in `txnPlan`.
    func plan(_ request: TxnRequest) throws(TxnStop) {
        txnPlan.clear()
        try decide(request)
        if let refusal = txnPlan.rangeRefusal { throw .refused(refusal) }
    }

    private func decide(_ txn: TxnRequest) throws(TxnStop) {
        let succeeds = try inStoreOfTxn { () throws(StoreError) in
            for compare in txn.compare {
                counters.ranges.increment()
                let holds = try store.enter(with: compare) { (store, compare) throws(StoreError) in
                    try store.holds(compare)
                }
                if !holds { return false }
            }
            return true
        }
        txnPlan.path.append(succeeds)
        for op in succeeds ? txn.success : txn.failure {
            switch op.operation {
            case .range(let request): decide(request)
            case .put(let request): try decide(request)
            case .deleteRange(let request): try decide(request)
            case .txn(let request):
                try decide(request)
                continue
            case nil: continue
            }
            txnPlan.operations += 1
        }
    }

    private func decide(_ request: RangeRequest) {
        let wanted = request.revision
        guard wanted != Revision(0), txnPlan.rangeRefusal == nil else { return }
        let (newest, compacted) = store.assumeIsolated { ($0.revision, $0.compacted) }
        if wanted > newest { txnPlan.rangeRefusal = .futureRevision }
        // A store that was never compacted counts as compacted at -1, which only shows here, where
        // a negative revision is not simply the newest.
        if wanted < compacted ?? Revision(-1) { txnPlan.rangeRefusal = .compacted }
    }

    private func decide(_ request: PutRequest) throws(TxnStop) {
        txnPlan.changesKeys = true
        // First the key, then the lease: a Put that comes alone is looked at the other way round.
        if request.ignoreValue || request.ignoreLease {
            if try !hasKeys(KeyBounds(lower: request.key, upper: .single)) {
                throw .refused(.keyNotFound)
            }
        }
        if let refusal = leaseRefusal(request.lease) { throw .refused(refusal) }
    }

    private func decide(_ request: DeleteRangeRequest) throws(TxnStop) {
        if txnPlan.changesKeys { return }
        txnPlan.changesKeys = try hasKeys(KeyBounds(key: request.key, rangeEnd: request.rangeEnd))
    }

    private func hasKeys(_ bounds: KeyBounds) throws(TxnStop) -> Bool {
        try inStoreOfTxn { () throws(StoreError) in
            try store.enter(with: bounds) { (store, bounds) throws(StoreError) in
                var found = false
                try store.forEachVersion(in: bounds) { _ in
                    found = true
                    return false
                }
                return found
            }
        }
    }

    private func inStoreOfTxn<Output>(
        _ body: () throws(StoreError) -> Output
    ) throws(TxnStop) -> Output {
        do throws(StoreError) { return try body() } catch { throw .failed(error) }
    }

    // MARK: Executing

    /// - Parameter next: the place in the plan's path; moves on by as many as are executed.
    private func execute(
        _ txn: TxnRequest, _ header: HeaderFields, _ next: inout Int
    ) throws(StoreError) {
        let succeeds = txnPlan.path[next]
        let isOutermost = next == 0
        next += 1
        response.bytes.appendTxnBegin(header, succeeded: succeeds)
        let operations = succeeds ? txn.success : txn.failure
        for (number, op) in operations.enumerated() {
            switch op.operation {
            case .range(let request):
                // Behind a nested transaction all that follows moves once its length is known.
                let mayWait =
                    isOutermost && next == 1
                    && mayWait(request, before: operations[(number + 1)...])
                try execute(request, number, mayWait: mayWait)
            case .put(let request):
                let open = response.bytes.beginTxnResponse(.put)
                try execute(request, in: .txn)
                response.bytes.endTxnResponse(open)
            case .deleteRange(let request):
                let open = response.bytes.beginTxnResponse(.deleteRange)
                try execute(request, in: .txn)
                response.bytes.endTxnResponse(open)
            case .txn(let request):
                let open = nestedLengths.beginTxn(in: &response.bytes)
                try execute(request, .ofNestedTxn, &next)
                nestedLengths.endTxn(open, in: response.bytes)
            case nil: response.bytes.appendEmptyTxnResponse()
            }
        }
    }
}

extension HeaderFields {
    /// There is one, and nothing is in it (reference: semantics.md, General).
    fileprivate static var ofNestedTxn: Self {
        Self(cluster: ClusterID(0), member: .none, revision: Revision(0), term: .zero)
    }
}
