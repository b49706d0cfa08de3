// Whether a history of calls could have come from one copy of the data that serves one call at a
// time, each at a moment between its invocation and its return.
//
// Deciding it is NP-complete (Gibbons and Korach, 1997); histories of real systems are easy if the
// search is lazy. This is the "just-in-time" search of Lowe ("Testing for linearizability", 2017):
// walk through the invocations and returns in order of time and keep every configuration that is
// still possible: a state, and which calls under way have had their effect already. Nothing needs
// to happen before some call returns; then that call must have had its effect, perhaps after some
// of those under way. When no configuration is left, the history is impossible, and the call whose
// return emptied the set is where to look.
//
// Three things keep the set small:
// - A call that only looks and is under way is taken as soon as its answer fits: later it would do
//   no more.
// - An unknown outcome stays under way for ever. Of two configurations that differ only in which
//   unknown calls they have used, one that has used fewer can do all that the other can: the other
//   goes. So a hundred lost writes cost little until one of them is seen. Those that leave a mark
//   which nobody sees any more are forgotten.
// - Calls to keys that have nothing to do with each other are checked apart (the locality theorem
//   of Herlihy and Wing).

/// What one copy of the data does, one call at a time.
public protocol SequentialModel {
    associatedtype State: Hashable
    associatedtype Call
    associatedtype Answer

    /// What there is before the first call.
    var initial: State { get }

    /// The state after `call`.
    /// - Parameter answer: what the client was told; nil when it was told nothing.
    /// - Returns: nil when the call could not have had this answer, or, without an answer, when it
    ///   would have no effect.
    func state(after call: Call, on state: State, answer: Answer?) -> State?

    /// Whether a call with this answer leaves every state as it is.
    func onlyLooks(_ call: Call, _ answer: Answer) -> Bool

    /// What a call of unknown outcome leaves for others to see, if it is of no consequence unless
    /// one of them sees just that. Nil: it may be of consequence to any.
    func mark(of call: Call) -> Mark?

    /// The marks that have to be there for this call and answer. Nil: it may depend on any.
    func marks(seenBy call: Call, _ answer: Answer?) -> [Mark]?

    associatedtype Mark: Hashable = Never
}

extension SequentialModel where Mark == Never {
    public func mark(of call: Call) -> Mark? { nil }
    public func marks(seenBy call: Call, _ answer: Answer?) -> [Mark]? { nil }
}

/// What the search came to.
public enum Verdict: Hashable, Sendable {
    case linearizable
    /// With the call that fits nowhere, and what was possible before it.
    case impossible(String)
    /// The search was given up after so many steps.
    case undecided(steps: Int)
}

/// The search, for one model.
public struct LinearizabilityChecker<Model: SequentialModel> {
    public typealias History = [Operation<Model.Call, Model.Answer>]

    private let model: Model
    private let maxSteps: Int

    /// - Parameter maxSteps: applications of the model after which the search is given up.
    public init(_ model: Model, maxSteps: Int = 5_000_000) {
        self.model = model
        self.maxSteps = maxSteps
    }

    /// Checks one history, of which the operations may come in any order.
    // Callers are in other modules: a search that knows its model only when it runs takes thrice
    // as long.
    @_specialize(where Model == RegisterModel)
    @_specialize(where Model == ListModel)
    @_specialize(where Model == SetElementModel)
    @_specialize(where Model == BankModel)
    @_specialize(where Model == RightsModel)
    public func check(_ history: History) -> Verdict {
        var search = LinearizationSearch(model, history, maxSteps: maxSteps)
        return search.run()
    }

    /// Checks the calls to each part of the data apart from the others.
    /// - Returns: of each part that is not linearizable its verdict, in the order of the parts.
    public func check<Part: Hashable & Comparable>(
        _ history: History, by part: (Model.Call) -> Part
    ) -> [(part: Part, verdict: Verdict)] {
        Dictionary(grouping: history) { part($0.call) }
            .sorted { $0.key < $1.key }
            .map { ($0.key, check($0.value)) }
            .filter { $0.1 != .linearizable }
    }
}

/// One search through one history.
private struct LinearizationSearch<Model: SequentialModel> {
    /// Calls of a kind, as a set of slots: those with an answer that are under way have small
    /// numbers that are used again.
    private typealias Slots = UInt64
    private static var maxSlots: Int { Slots.bitWidth }

    private struct Situation: Hashable {
        var state: Model.State
        /// Answered calls under way that have had their effect.
        var done: Slots
    }

    /// A situation, and which unknown calls it took, in ascending order.
    private struct Configuration {
        var situation: Situation
        var used: [Int32]
    }

    private struct Event {
        let moment: Moment
        let isReturn: Bool
        let operation: Int
    }

    private let model: Model
    /// By invocation, so that later calls have larger numbers.
    private let history: [Operation<Model.Call, Model.Answer>]
    private let maxSteps: Int
    private var steps = 0
    /// Which answered call is under way in each slot.
    private var underWay: [Int?] = []
    private var slotOf: [Int: Int] = [:]
    private var unknown: [Int32] = []
    /// Until when each mark is seen; and until when somebody may depend on any.
    private var lastSeen: [Model.Mark: Moment] = [:]
    private var lastDependsOnAny: Moment = 0
    private var possible: [Configuration]

    init(
        _ model: Model, _ history: [Operation<Model.Call, Model.Answer>], maxSteps: Int
    ) {
        self.model = model
        self.history = history.sorted { $0.invoked < $1.invoked }
        self.maxSteps = maxSteps
        possible = [
            Configuration(situation: Situation(state: model.initial, done: 0), used: [])
        ]
        for operation in history { noteMarks(seenBy: operation) }
    }

    private mutating func noteMarks(seenBy operation: Operation<Model.Call, Model.Answer>) {
        let end: Moment
        switch operation.outcome {
        case .refused: return
        case .unknown: end = .max
        case .answered: end = operation.returned
        }
        guard let marks = model.marks(seenBy: operation.call, operation.answer) else {
            lastDependsOnAny = max(lastDependsOnAny, end)
            return
        }
        for mark in marks { lastSeen[mark] = max(lastSeen[mark] ?? 0, end) }
    }

    /// Until when it matters whether an unknown call was carried out.
    private func lastUse(of operation: Int) -> Moment {
        guard let mark = model.mark(of: history[operation].call) else { return .max }
        return max(lastSeen[mark] ?? 0, lastDependsOnAny)
    }

    mutating func run() -> Verdict {
        for event in events() {
            if !event.isReturn {
                guard begin(event.operation) else { return .undecided(steps: steps) }
                continue
            }
            forgetUseless(at: event.moment)
            let before = possible
            guard end(event.operation) else { return .undecided(steps: steps) }
            if possible.isEmpty { return .impossible(complaint(event.operation, before)) }
        }
        return .linearizable
    }

    /// At one moment invocations come before returns: calls that touch are concurrent.
    private func events() -> [Event] {
        var events: [Event] = []
        for (index, operation) in history.enumerated() {
            switch operation.outcome {
            case .refused: continue
            case .unknown: break
            case .answered:
                events.append(
                    Event(moment: operation.returned, isReturn: true, operation: index))
            }
            events.append(Event(moment: operation.invoked, isReturn: false, operation: index))
        }
        return events.sorted {
            ($0.moment, $0.isReturn ? 1 : 0, $0.operation)
                < ($1.moment, $1.isReturn ? 1 : 0, $1.operation)
        }
    }

    /// False when too many calls are under way.
    private mutating func begin(_ operation: Int) -> Bool {
        if case .unknown = history[operation].outcome {
            if lastUse(of: operation) >= history[operation].invoked {
                unknown.append(Int32(operation))
            }
            return true
        }
        let free = underWay.firstIndex { $0 == nil } ?? underWay.count
        guard free < Self.maxSlots else { return false }
        if free == underWay.count { underWay.append(nil) }
        underWay[free] = operation
        slotOf[operation] = free
        return true
    }

    /// Keeps the configurations in which `operation` has had its effect. False when it took too
    /// long to find them.
    private mutating func end(_ operation: Int) -> Bool {
        guard let slot = slotOf.removeValue(forKey: operation) else {
            preconditionFailure("a return without an invocation")
        }
        let bit: Slots = 1 << Slots(slot)
        var seen = Antichains()
        var found = Antichains()
        // By how many unknown calls they took, so that those that took fewer come first.
        var waiting: [[Configuration]] = []
        func add(_ configuration: Configuration, to waiting: inout [[Configuration]]) {
            while waiting.count <= configuration.used.count { waiting.append([]) }
            waiting[configuration.used.count].append(configuration)
        }
        for configuration in possible { add(settled(configuration), to: &waiting) }
        var level = 0
        while level < waiting.count {
            guard let next = waiting[level].popLast() else {
                level += 1
                continue
            }
            guard seen.insert(next.situation, next.used) else { continue }
            if next.situation.done & bit != 0 {
                var past = next
                past.situation.done &= ~bit
                _ = found.insert(past.situation, past.used)
                continue
            }
            guard steps < maxSteps else { return false }
            for follower in followers(of: next) { add(settled(follower), to: &waiting) }
        }
        underWay[slot] = nil
        possible = found.all.map { Configuration(situation: $0.0, used: $0.1) }
        forgetUsedByAll()
        return true
    }

    /// Takes what only looks and fits now.
    private mutating func settled(_ configuration: Configuration) -> Configuration {
        var settled = configuration
        let state = configuration.situation.state
        for (slot, operation) in underWay.enumerated() {
            guard let operation, settled.situation.done & 1 << Slots(slot) == 0,
                let answer = history[operation].answer
            else { continue }
            let call = history[operation].call
            guard model.onlyLooks(call, answer) else { continue }
            steps += 1
            if model.state(after: call, on: state, answer: answer) == state {
                settled.situation.done |= 1 << Slots(slot)
            }
        }
        return settled
    }

    private mutating func followers(of configuration: Configuration) -> [Configuration] {
        var followers: [Configuration] = []
        let state = configuration.situation.state
        for (slot, operation) in underWay.enumerated() {
            guard let operation, configuration.situation.done & 1 << Slots(slot) == 0 else {
                continue
            }
            steps += 1
            let (call, answer) = (history[operation].call, history[operation].answer)
            guard let next = model.state(after: call, on: state, answer: answer) else { continue }
            var follower = configuration
            follower.situation.state = next
            follower.situation.done |= 1 << Slots(slot)
            followers.append(follower)
        }
        var place = configuration.used[...]
        for operation in unknown {
            if place.first == operation {
                place.removeFirst()
                continue
            }
            steps += 1
            let call = history[Int(operation)].call
            guard let next = model.state(after: call, on: state, answer: nil), next != state else {
                continue
            }
            var follower = configuration
            follower.situation.state = next
            follower.used.insert(operation, at: place.startIndex)
            followers.append(follower)
        }
        return followers
    }

    /// Unknown calls whose marks nobody sees any more.
    private mutating func forgetUseless(at now: Moment) {
        let useless = Set(unknown.filter { lastUse(of: Int($0)) < now })
        if !useless.isEmpty { forget(useless) }
    }

    private mutating func forget(_ calls: Set<Int32>) {
        unknown.removeAll { calls.contains($0) }
        for index in possible.indices {
            possible[index].used.removeAll { calls.contains($0) }
        }
    }

    /// What all configurations have used needs not be remembered.
    private mutating func forgetUsedByAll() {
        guard let first = possible.first, !first.used.isEmpty else { return }
        let common = possible.dropFirst().reduce(into: Set(first.used)) {
            $0.formIntersection($1.used)
        }
        if !common.isEmpty { forget(common) }
    }

    private func complaint(_ operation: Int, _ before: [Configuration]) -> String {
        var lines = ["no place for \(history[operation])"]
        lines += before.prefix(5).map { "  it was \($0.situation.state)" }
        if before.count > 5 { lines.append("  or one of \(before.count - 5) other states") }
        lines += underWay.compactMap { $0 }.filter { $0 != operation }
            .map { "  under way: \(history[$0])" }
        lines += unknown.suffix(8).map { "  perhaps: \(history[Int($0)])" }
        return lines.joined(separator: "\n")
    }

    /// For each situation the sets of used unknown calls of which none contains another.
    private struct Antichains {
        private var sets: [Situation: [[Int32]]] = [:]
        private var order: [Situation] = []

        /// False when one that can do no less is there.
        mutating func insert(_ situation: Situation, _ used: [Int32]) -> Bool {
            guard let known = sets[situation] else {
                sets[situation] = [used]
                order.append(situation)
                return true
            }
            if known.contains(where: { Self.isSubset($0, used) }) { return false }
            sets[situation] = known.filter { !Self.isSubset(used, $0) } + [used]
            return true
        }

        var all: [(Situation, [Int32])] {
            order.flatMap { situation in (sets[situation] ?? []).map { (situation, $0) } }
        }

        /// Of two ascending arrays.
        private static func isSubset(_ small: [Int32], _ large: [Int32]) -> Bool {
            guard small.count <= large.count else { return false }
            var place = 0
            for element in small {
                while place < large.count, large[place] < element { place += 1 }
                guard place < large.count, large[place] == element else { return false }
                place += 1
            }
            return true
        }
    }
}
