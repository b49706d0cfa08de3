// Whether all calls fit the one order in which the store says that it carried them out, and whether
// that order agrees with real time (etcd, API guarantees: strict serializability).
//
// 1. A write that was answered made just the changes of its revision, on the state before it.
// 2. A read saw the state of its revision, whole.
// 3. Each change was asked for: by one answered call, or by one of unknown outcome, which has its
//    effect once at most (`Makers`); or it is the end of a lease, which takes all its keys with it.
// 4. Nothing that was refused was carried out.
// 5. What was invoked after somebody had been told of a revision comes behind that revision. Only
//    serializable reads may see an older state (of which all else still holds).

/// Somebody was told at `moment` that `revision` exists.
public struct Sighting: Hashable, Sendable {
    public let moment: Moment
    public let revision: Int64
    public init(_ revision: Int64, at moment: Moment) {
        self.moment = moment
        self.revision = revision
    }
}

public struct SerializabilityCheck {
    private let history: ReplayedHistory
    private let operations: [KVOperation]
    private let sightings: [Sighting]
    private let foreign: [KeySpan]
    private var violations: [Violation] = []
    /// Who made each revision.
    private var makers: [Int64: Int] = [:]
    /// By operation: the newest revision that somebody had been told of before.
    private var known: [Sighting] = []

    /// - Parameters:
    ///   - history: complete, up to the end of the run.
    ///   - sightings: from others than the operations, such as watchers.
    ///   - foreign: keys that others write too; what happens to them needs no explanation.
    public init(
        _ history: ReplayedHistory, _ operations: [KVOperation], sightings: [Sighting] = [],
        foreign: [KeySpan] = []
    ) {
        self.history = history
        self.operations = operations
        self.sightings = sightings
        self.foreign = foreign
    }

    public static func violations(
        _ history: ReplayedHistory, _ operations: [KVOperation], sightings: [Sighting] = [],
        foreign: [KeySpan] = []
    ) -> [Violation] {
        var check = Self(history, operations, sightings: sightings, foreign: foreign)
        return check.run()
    }

    public mutating func run() -> [Violation] {
        violations = history.violations
        known = knownBefore()
        for index in operations.indices { checkAnswer(index) }
        explainTheRest()
        checkRealTime()
        checkCompactions()
        return violations
    }

    private mutating func report(_ promise: String, _ details: String) {
        violations.append(Violation(promise, details))
    }

    // MARK: Answers

    private mutating func checkAnswer(_ index: Int) {
        let operation = operations[index]
        guard let answer = operation.answer else { return }
        guard answer.revision <= history.last else {
            return report(
                "what was acknowledged stays",
                "\(operation), but the history ends at \(history.last)")
        }
        if case .range(let span, let revision, _) = operation.call {
            let wanted = history.pairs(span, at: revision == 0 ? answer.revision : revision)
            if answer.result != .step(.range(wanted)) {
                report("a read sees the state of its revision", "\(operation), not \(wanted)")
            }
            return
        }
        guard operation.call.isWrite else { return }
        // It either made the revision it names, or changed nothing when that was the newest.
        let made = history.effect(of: operation.call, after: answer.revision - 1)
        if !made.events.isEmpty, made.answer == answer.result,
            made.events == history.events(at: answer.revision)
        {
            let idle = history.effect(of: operation.call, after: answer.revision)
            if idle.events.isEmpty && idle.answer == answer.result {
                // A revocation does not say whether the lease had keys. If it had none, the
                // change is another's, and as the end of a lease needs no other explanation.
                return
            }
            if let other = makers[answer.revision] {
                report(
                    "a revision is one write",
                    "\(answer.revision) of both \(operations[other]) and \(operation)")
            }
            makers[answer.revision] = index
            return
        }
        let idle = history.effect(of: operation.call, after: answer.revision)
        if idle.events.isEmpty && idle.answer == answer.result { return }
        report(
            "a write does what it says on the state before it",
            "\(operation), but \(answer.revision) is \(history.events(at: answer.revision))")
    }

    // MARK: Changes

    /// What of a call can be recognised in a change.
    private struct Mark: Hashable {
        let key: String
        let value: String?
    }

    private static func marks(of call: KVCall) -> [Mark] {
        switch call {
        case .put(let key, let value, _): [Mark(key: key, value: value)]
        case .delete(let span): span.end.isEmpty ? [Mark(key: span.key, value: nil)] : []
        case .txn(_, let then, let otherwise):
            (then + otherwise).compactMap { step in
                switch step {
                case .put(let key, let value, _): Mark(key: key, value: value)
                case .delete(let span): Mark(key: span.key, value: nil)
                case .range: nil
                }
            }
        case .range, .revoke, .compact: []
        }
    }

    private mutating func explainTheRest() {
        let unexplained = history.changes.filter { change in
            makers[change.revision] == nil
                && !change.events.allSatisfy { event in
                    foreign.contains { $0.contains(event.pair.key) }
                }
                && !isEndOfLease(change.events, change.revision)
        }
        let fitting = callsFitting(unexplained)
        let matched = Makers(
            zip(unexplained, fitting).map { change, calls in
                calls.filter { isUnknown($0) && known[$0].revision < change.revision }
            })
        for (place, change) in unexplained.enumerated() {
            let (revision, events) = (change.revision, change.events)
            if let maker = matched.calls[place] {
                makers[revision] = maker
            } else if let late = fitting[place].first(where: {
                isUnknown($0) && matched.changes[$0] == nil
            }) {
                report(
                    "the order of writes is that of real time",
                    "\(operations[late]) made \(revision), as no other call can have; "
                        + "\(known[late].revision) was known at " + seconds(known[late].moment))
            } else if let refused = fitting[place].first(where: { !isUnknown($0) }) {
                report(
                    "what was refused has no effect",
                    "\(operations[refused]) made \(revision): \(events)")
            } else {
                explainless(revision, events)
            }
        }
    }

    /// For each change the calls without answer that would have made just that, had they been
    /// carried out there.
    private func callsFitting(_ changes: [Change]) -> [[Int]] {
        var candidates: [Mark: [Int]] = [:]
        // Those that no mark leads to: deletions of ranges, revocations.
        var unmarked: [Int] = []
        for (index, operation) in operations.enumerated() where operation.call.isWrite {
            if operation.answer != nil { continue }
            let marks = Self.marks(of: operation.call)
            if marks.isEmpty { unmarked.append(index) }
            for mark in Set(marks) { candidates[mark, default: []].append(index) }
        }
        return changes.map { change in
            let marked = change.events.first.map { event in
                candidates[
                    Mark(key: event.pair.key, value: event.isDelete ? nil : event.pair.value)]
                    ?? []
            }
            return ((marked ?? []) + unmarked).filter {
                history.effect(of: operations[$0].call, after: change.revision - 1).events
                    == change.events
            }
        }
    }

    private func isUnknown(_ index: Int) -> Bool {
        if case .unknown = operations[index].outcome { true } else { false }
    }

    private func isEndOfLease(_ events: [KeyEvent], _ revision: Int64) -> Bool {
        guard let first = events.first, first.isDelete,
            let lease = history.pair(first.pair.key, at: revision - 1)?.lease, lease != 0
        else { return false }
        return history.effect(of: .revoke(lease), after: revision - 1).events == events
    }

    private mutating func explainless(_ revision: Int64, _ events: [KeyEvent]) {
        let likely = operations.filter { operation in
            Self.marks(of: operation.call).contains { mark in
                events.contains {
                    $0.pair.key == mark.key && ($0.isDelete ? nil : $0.pair.value) == mark.value
                }
            }
        }
        report(
            "every change was asked for, and happens once",
            "\(revision): \(events)\n  calls like it: \(likely.prefix(4))")
    }

    // MARK: Real time

    /// What was known to somebody before each call began.
    private func knownBefore() -> [Sighting] {
        var told = sightings
        for operation in operations {
            guard let answer = operation.answer else { continue }
            told.append(Sighting(answer.revision, at: operation.returned))
        }
        told.sort { ($0.moment, $0.revision) < ($1.moment, $1.revision) }
        let inOrder = operations.indices.sorted {
            (operations[$0].invoked, $0) < (operations[$1].invoked, $1)
        }
        var result = Array(repeating: Sighting(0, at: 0), count: operations.count)
        var known = Sighting(0, at: 0)
        var next = 0
        for index in inOrder {
            while next < told.count, told[next].moment < operations[index].invoked {
                if told[next].revision > known.revision { known = told[next] }
                next += 1
            }
            result[index] = known
        }
        return result
    }

    private mutating func checkRealTime() {
        let madeBy = Dictionary(makers.map { ($1, $0) }, uniquingKeysWith: min)
        for (index, operation) in operations.enumerated() {
            let known = known[index]
            if let made = madeBy[index] {
                if made <= known.revision {
                    report(
                        "the order of writes is that of real time",
                        "\(operation) made \(made); \(known.revision) was known at "
                            + seconds(known.moment))
                }
            } else if let answer = operation.answer, answer.revision < known.revision {
                if case .range(_, _, isSerializable: true) = operation.call { continue }
                report(
                    "a read sees what was known before it",
                    "\(operation) is of \(answer.revision); \(known.revision) was known at "
                        + seconds(known.moment))
            }
        }
    }

    /// Who was told that a compaction was done reads nothing older, except from a member that
    /// lags and need not ask.
    private mutating func checkCompactions() {
        var done: [(moment: Moment, revision: Int64)] = []
        for operation in operations {
            if case .compact(let revision) = operation.call, operation.answer != nil {
                done.append((operation.returned, revision))
            }
        }
        for operation in operations where operation.answer != nil {
            guard case .range(_, let revision, isSerializable: false) = operation.call,
                revision > 0,
                let compacted = done.first(where: {
                    $0.moment < operation.invoked && $0.revision > revision
                })
            else { continue }
            report(
                "what is compacted is gone",
                "\(operation), compacted to \(compacted.revision) at "
                    + seconds(compacted.moment))
        }
    }
}
