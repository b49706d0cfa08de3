// What the clients of a run saw.

import API
import Checkers

final class Recorder {
    var count = 0
    private(set) var operations: [KVOperation] = []
    var registers: [String: [Operation<RegisterModel.Call, RegisterModel.Answer>]] = [:]
    var lists: [String: [Operation<ListModel.Call, ListModel.Answer>]] = [:]
    var elements: [Operation<SetElementModel.Call, SetElementModel.Answer>] = []
    var bank: [Operation<BankModel.Call, BankModel.Answer>] = []
    /// In the order of their grants.
    var leases: [LeaseLife] = []
    var locks: [LockHold] = []
    /// Of each guest: its calls, and what changed its rights.
    var rights: [Int: [RightsOperation]] = [:]
    /// Compactions by the moment at which they were asked for.
    var compactions: [Sighting] = []
    private var found: [Violation] = []
    /// How often what happened, for people.
    var tally: [String: Int] = [:]

    func add(_ operation: KVOperation) {
        count += 1
        operations.append(operation)
    }

    func report(_ promise: String, _ details: String) {
        found.append(Violation(promise, details))
    }

    /// What the client of a KV call knows at its end.
    func outcome(of call: KVCall, _ end: CallEnd, from member: Int) -> Outcome<KVAnswer> {
        switch end {
        case .neverSent: return .refused
        case .failed(let status): return isCertain(status, call) ? .refused : .unknown
        case .answered(let bytes):
            do { return .answered(try call.answer(bytes)) } catch {
                report("answers can be read", "\(call) at m\(member + 1): \(error)")
                return .unknown
            }
        }
    }

    /// Whether the server said that the call has no effect (reference: errors.tsv). No space may
    /// also be found out while the call is carried out.
    private func isCertain(_ status: Status, _ call: KVCall) -> Bool {
        call.isWrite ? isCertain(status) : true
    }

    /// The same of any call that changes something.
    func isCertain(_ status: Status) -> Bool {
        switch status.code {
        case .invalidArgument, .notFound, .alreadyExists, .failedPrecondition, .outOfRange,
            .permissionDenied, .unimplemented, .unauthenticated:
            true
        case .ok, .cancelled, .unknown, .deadlineExceeded, .resourceExhausted, .aborted,
            .internal, .unavailable, .dataLoss:
            false
        }
    }

    /// With what can be seen in what is kept anyway.
    func fullTally(_ watches: WatchClients) -> [String: Int] {
        var tally = tally
        for record in watches.records {
            tally["watch: begun", default: 0] += 1
            for (_, receipt) in record.receipts {
                switch receipt {
                case .created: continue
                case .events(let events, _, _): tally["watch: events", default: 0] += events.count
                case .progress: tally["watch: progress told", default: 0] += 1
                case .compacted: tally["watch: overtaken by a compaction", default: 0] += 1
                }
            }
        }
        for operation in operations {
            if case .unknown = operation.outcome {
                tally["calls: outcome unknown", default: 0] += 1
            }
        }
        for operation in rights.values.joined() {
            switch operation.outcome {
            case .answered(.denied): tally["rights: calls denied", default: 0] += 1
            case .answered(.allowed): tally["rights: calls allowed", default: 0] += 1
            case .answered(.done): tally["rights: changes", default: 0] += 1
            default: continue
            }
        }
        tally["leases: granted", default: 0] += leases.count
        tally["leases: seen to end", default: 0] += leases.count { !$0.seenGone.isEmpty }
        tally["locks: held", default: 0] += locks.count
        tally["compactions: asked for", default: 0] += compactions.count
        return tally
    }

    // MARK: Checks

    func violations(watches: WatchClients, leases check: LeaseCheck) -> [Violation] {
        let log = watches.log
        let history = ReplayedHistory(log.events)
        var violations = found + log.violations
        violations += SerializabilityCheck.violations(
            history, operations, sightings: log.sightings, foreign: [LockOwner.keys])
        for record in watches.records {
            violations += WatchCheck.violations(record, history, compactions: compactions)
        }
        violations += rightsViolations(watches)
        for lease in withEndsOf(history, log) { violations += check.violations(lease) }
        violations += LockCheck.violations(locks, history)
        violations += linearizabilityViolations()
        return violations
    }

    /// The leases, with what watchers saw of their ends.
    private func withEndsOf(_ history: ReplayedHistory, _ log: EventLog) -> [LeaseLife] {
        var place: [Int64: Int] = [:]
        for (index, lease) in leases.enumerated() { place[lease.id] = index }
        let seen = Dictionary(
            log.sightings.map { ($0.revision, $0.moment) }, uniquingKeysWith: min)
        var leases = leases
        for change in history.changes {
            for event in change.events where event.isDelete {
                guard let pair = history.pair(event.pair.key, at: change.revision - 1),
                    let index = place[pair.lease], let moment = seen[change.revision]
                else { continue }
                leases[index].seenGone.append((moment, "the deletion of \(pair)"))
            }
        }
        return leases
    }

    /// Whether guests were told of what they could not read when they were told.
    private func rightsViolations(_ watches: WatchClients) -> [Violation] {
        var asked: [String: Moment] = [:]
        for operation in operations {
            for (key, value) in operation.call.puts where key.hasPrefix("g/") {
                asked[value] = operation.invoked
            }
        }
        return watches.guestRecords.flatMap { number, record in
            RightsCheck.violations(record, rights[number] ?? [], asked: asked)
        }
    }

    private func linearizabilityViolations() -> [Violation] {
        var violations: [Violation] = []
        func add(_ verdict: Verdict, _ what: String) {
            guard case .impossible(let why) = verdict else { return }
            violations.append(Violation("calls are linearizable", "\(what): \(why)"))
        }
        for (key, history) in registers.sorted(by: { $0.key < $1.key }) {
            add(LinearizabilityChecker(RegisterModel()).check(history), key)
        }
        for (key, history) in lists.sorted(by: { $0.key < $1.key }) {
            add(LinearizabilityChecker(ListModel()).check(history), key)
        }
        for (element, verdict) in LinearizabilityChecker(SetElementModel())
            .check(elements, by: \.element)
        {
            add(verdict, "element \(element)")
        }
        let model = BankModel(accounts: Bank.accounts, each: Bank.each)
        add(LinearizabilityChecker(model).check(bank), "bank")
        for (number, history) in rights.sorted(by: { $0.key < $1.key }) {
            add(
                LinearizabilityChecker(RightsModel(initial: RightsManager.initial)).check(history),
                "rights of guest \(number)")
        }
        return violations
    }
}
