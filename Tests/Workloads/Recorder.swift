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
    /// Compactions by the moment at which they were asked for.
    var compactions: [Sighting] = []
    private var found: [Violation] = []

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
        guard call.isWrite else { return true }
        return switch status.code {
        case .invalidArgument, .notFound, .alreadyExists, .failedPrecondition, .outOfRange,
            .permissionDenied, .unimplemented, .unauthenticated:
            true
        case .ok, .cancelled, .unknown, .deadlineExceeded, .resourceExhausted, .aborted,
            .internal, .unavailable, .dataLoss:
            false
        }
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
        return violations
    }
}
