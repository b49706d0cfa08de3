// Transactions by the words of semantics.md, too simple to be wrong: all keys of all revisions in
// dictionaries, every range a filter, every rule a loop.

import API

/// A pair as the model keeps it.
struct ModelPair: Equatable {
    var key: [UInt8]
    var value: [UInt8]
    var created: Int64
    var modified: Int64
    var version: Int64
    var lease: Int64
}

typealias ModelKeys = [[UInt8]: ModelPair]

extension ModelKeys {
    /// Those in a range, in order (Range: "range_end empty: the single key", and so on).
    func of(_ key: UnsafeRawBufferPointer, to end: UnsafeRawBufferPointer) -> [ModelPair] {
        values.filter { pair in
            if end.isEmpty { return pair.key.elementsEqual(key) }
            return !pair.key.lexicographicallyPrecedes(key)
                && (end.elementsEqual([0]) || pair.key.lexicographicallyPrecedes(end))
        }.sorted { $0.key.lexicographicallyPrecedes($1.key) }
    }

    mutating func put(_ key: [UInt8], _ value: [UInt8], lease: Int64, at revision: Int64) {
        let old = self[key]
        self[key] = ModelPair(
            key: key, value: value, created: old?.created ?? revision, modified: revision,
            version: (old?.version ?? 0) + 1, lease: lease)
    }
}

/// What a member answers.
indirect enum TxnOutcome: Equatable {
    case put(revision: Int64, previous: ModelPair?)
    case range(revision: Int64, pairs: [ModelPair], count: Int64, more: Bool)
    case deleteRange(revision: Int64, deleted: Int64, pairs: [ModelPair])
    case txn(revision: Int64, succeeded: Bool, [TxnOutcome])
    case refused(Status)
}

struct TxnModel {
    /// The keys at each revision; the store begins at 1.
    private(set) var states: [ModelKeys] = [[:], [:]]
    var compacted: Int64 = -1
    var leases: Set<Int64> = []

    var revision: Int64 { Int64(states.count - 1) }
    var keys: ModelKeys { states[states.count - 1] }
    var pairs: [ModelPair] { keys.values.sorted { $0.key.lexicographicallyPrecedes($1.key) } }

    mutating func commit(_ keys: ModelKeys) { states.append(keys) }

    /// Applies a transaction that may come in, or refuses it.
    mutating func apply(_ txn: TxnRequest) -> TxnOutcome {
        if let refusal = putRefusal(of: txn) ?? rangeRefusal(of: txn) { return .refused(refusal) }
        var run = TxnRun(before: self)
        let outcome = run.execute(txn, isNested: false)
        if run.isChanged { commit(run.keys) }
        return outcome
    }

    // MARK: Before it is executed

    func holds(_ txn: TxnRequest) -> Bool {
        txn.compare.allSatisfy { compare in
            let pairs = keys.of(compare.key, to: compare.rangeEnd)
            if pairs.isEmpty { return compare.target != .value && holds(compare, for: nil) }
            return pairs.allSatisfy { holds(compare, for: $0) }
        }
    }

    private func holds(_ compare: Compare, for pair: ModelPair?) -> Bool {
        let given: (number: Int64, bytes: [UInt8]) =
            switch (compare.target, compare.operand) {
            case (.version, .version(let number)): (number, [])
            case (.create, .createRevision(let revision)): (revision.rawValue, [])
            case (.mod, .modRevision(let revision)): (revision.rawValue, [])
            case (.lease, .lease(let lease)): (lease.rawValue, [])
            case (.value, .value(let bytes)): (0, [UInt8](bytes))
            default: (0, [])
            }
        let stored: Int64 =
            switch compare.target {
            case .version: pair?.version ?? 0
            case .create: pair?.created ?? 0
            case .mod: pair?.modified ?? 0
            case .lease: pair?.lease ?? 0
            case .value, nil: 0
            }
        let value = compare.target == .value ? pair?.value ?? [] : []
        let isLess = stored < given.number || value.lexicographicallyPrecedes(given.bytes)
        let isEqual = stored == given.number && value == given.bytes
        return switch compare.result {
        case .equal: isEqual
        case .notEqual: !isEqual
        case .less: isLess
        case .greater: !isLess && !isEqual
        case nil: true
        }
    }

    /// The operations of the chosen path, nested ones in their places.
    private func path(of txn: TxnRequest) -> [RequestOp.Operation] {
        (holds(txn) ? txn.success : txn.failure).flatMap { op -> [RequestOp.Operation] in
            switch op.operation {
            case .txn(let txn): path(of: txn)
            case let operation?: [operation]
            case nil: []
            }
        }
    }

    private func putRefusal(of txn: TxnRequest) -> Status? {
        for case .put(let put) in path(of: txn) {
            let isKept = put.ignoreValue || put.ignoreLease
            if isKept, keys[[UInt8](put.key)] == nil { return .keyNotFound }
            if put.lease != .none, !leases.contains(put.lease.rawValue) { return .leaseNotFound }
        }
        return nil
    }

    private func rangeRefusal(of txn: TxnRequest) -> Status? {
        for case .range(let range) in path(of: txn) where range.revision != Revision(0) {
            if range.revision.rawValue > revision { return .futureRevision }
            if range.revision.rawValue < compacted { return .compacted }
        }
        return nil
    }
}

/// A transaction that is being executed.
private struct TxnRun {
    let before: TxnModel
    var keys: ModelKeys
    var isChanged = false

    init(before: TxnModel) {
        self.before = before
        keys = before.keys
    }

    /// The newest revision, as those see it that are part of it.
    private var revision: Int64 { before.revision + (isChanged ? 1 : 0) }

    mutating func execute(_ txn: TxnRequest, isNested: Bool) -> TxnOutcome {
        let succeeded = before.holds(txn)
        var outcomes: [TxnOutcome] = []
        for op in succeeded ? txn.success : txn.failure {
            switch op.operation {
            case .put(let put): outcomes.append(execute(put))
            case .range(let range): outcomes.append(execute(range))
            case .deleteRange(let delete): outcomes.append(execute(delete))
            case .txn(let txn): outcomes.append(execute(txn, isNested: true))
            case nil: break
            }
        }
        return .txn(revision: isNested ? 0 : revision, succeeded: succeeded, outcomes)
    }

    private mutating func execute(_ put: PutRequest) -> TxnOutcome {
        let key = [UInt8](put.key)
        let previous = keys[key]
        // What is kept of a key that was deleted on the way is of before.
        let kept = previous ?? before.keys[key]
        isChanged = true
        keys.put(
            key, put.ignoreValue ? kept?.value ?? [] : [UInt8](put.value),
            lease: put.ignoreLease ? kept?.lease ?? 0 : put.lease.rawValue, at: revision)
        return .put(revision: revision, previous: put.prevKV ? previous : nil)
    }

    private mutating func execute(_ delete: DeleteRangeRequest) -> TxnOutcome {
        let gone = keys.of(delete.key, to: delete.rangeEnd)
        for pair in gone { keys[pair.key] = nil }
        isChanged = isChanged || !gone.isEmpty
        return .deleteRange(
            revision: revision, deleted: Int64(gone.count), pairs: delete.prevKV ? gone : [])
    }

    private func execute(_ range: RangeRequest) -> TxnOutcome {
        let at = range.revision.rawValue
        let all = (at > 0 ? before.states[Int(at)] : keys).of(range.key, to: range.rangeEnd)
        let count = Int64(all.count)
        if range.countOnly {
            return .range(revision: revision, pairs: [], count: count, more: false)
        }
        let bounds = [
            range.minModRevision, range.maxModRevision, range.minCreateRevision,
            range.maxCreateRevision,
        ].map(\.rawValue)
        var pairs = all.filter { pair in
            (bounds[0] == 0 || pair.modified >= bounds[0])
                && (bounds[1] == 0 || pair.modified <= bounds[1])
                && (bounds[2] == 0 || pair.created >= bounds[2])
                && (bounds[3] == 0 || pair.created <= bounds[3])
        }
        let limit = range.limit > 0 ? Int(range.limit) : Int.max
        let isUnfiltered = bounds.allSatisfy { $0 == 0 }
        if range.sortOrder == SortOrder.none, isUnfiltered, limit < .max {
            pairs = Array(pairs.prefix(limit + 1))
        }
        pairs = sorted(pairs, range)
        let more = pairs.count > limit
        pairs = Array(pairs.prefix(limit))
        if range.keysOnly {
            for place in pairs.indices {
                pairs[place].value = []
                if range.sortTarget != .value { pairs[place].lease = 0 }
            }
        }
        return .range(revision: revision, pairs: pairs, count: count, more: more)
    }

    /// Of pairs that tie the smaller key comes first.
    private func sorted(_ pairs: [ModelPair], _ range: RangeRequest) -> [ModelPair] {
        let isDown = range.sortOrder == .descend
        func by<Rank: Comparable>(_ rank: (ModelPair) -> Rank) -> [ModelPair] {
            pairs.sorted { a, b in
                if rank(a) == rank(b) { return a.key.lexicographicallyPrecedes(b.key) }
                return isDown ? rank(a) > rank(b) : rank(a) < rank(b)
            }
        }
        return switch range.sortTarget {
        case .version: by(\.version)
        case .create: by(\.created)
        case .mod: by(\.modified)
        case .value: by { Lexicographic(bytes: $0.value) }
        case .key, nil: by { Lexicographic(bytes: $0.key) }
        }
    }
}

private struct Lexicographic: Comparable {
    let bytes: [UInt8]
    static func < (a: Self, b: Self) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }
}
