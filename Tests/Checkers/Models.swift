// Small data types as one copy of them behaves, for the linearizability checker. They know nothing
// of revisions: what they say is independent of what the store says of its own order.

/// A value that is read, written, and swapped for another if it is as expected.
public struct RegisterModel: SequentialModel {
    public enum Call: Hashable, Sendable {
        case read
        /// Nil: deleted.
        case write(Int?)
        case swap(expected: Int?, new: Int?)
    }
    public enum Answer: Hashable, Sendable {
        case value(Int?)
        case written
        /// Or not swapped, since there was another value: that is `value`.
        case swapped
    }

    public let initial: Int?
    public init(initial: Int? = nil) { self.initial = initial }

    public func state(after call: Call, on state: Int?, answer: Answer?) -> Int?? {
        switch (call, answer) {
        case (.read, .value(let value)): value == state ? .some(state) : nil
        case (.write(let value), .written), (.write(let value), nil): .some(value)
        case (.swap(let expected, let new), .swapped), (.swap(let expected, let new), nil):
            expected == state ? .some(new) : nil
        case (.swap(let expected, _), .value(let found)):
            expected != state && found == state ? .some(state) : nil
        default: nil
        }
    }

    public func onlyLooks(_ call: Call, _ answer: Answer) -> Bool {
        if case .value = answer { true } else { false }
    }

    public func mark(of call: Call) -> Int?? {
        switch call {
        case .read: nil
        case .write(let value), .swap(_, let value): .some(value)
        }
    }

    public func marks(seenBy call: Call, _ answer: Answer?) -> [Int?]? {
        switch (call, answer) {
        case (_, .value(let value)): [value]
        case (.swap(let expected, _), _): [expected]
        case (.write, _), (.read, _): []
        }
    }
}

/// A list that grows at its end, by a compare-and-swap of the whole.
public struct ListModel: SequentialModel {
    public enum Call: Hashable, Sendable {
        case read
        /// Appends, if the list still has this many elements, of which this is the last.
        case append(Int, afterCount: Int, afterLast: Int?)
    }
    public enum Answer: Hashable, Sendable {
        /// Of an append: that it did not take place, since this is the list.
        case list([Int])
        case appended
    }

    public init() {}
    public var initial: [Int] { [] }

    public func state(after call: Call, on state: [Int], answer: Answer?) -> [Int]? {
        switch (call, answer) {
        case (.read, .list(let list)): list == state ? state : nil
        case (.append(let element, let count, let last), .appended),
            (.append(let element, let count, let last), nil):
            state.count == count && state.last == last ? state + [element] : nil
        case (.append(_, let count, let last), .list(let list)):
            list == state && !(state.count == count && state.last == last) ? state : nil
        default: nil
        }
    }

    public func onlyLooks(_ call: Call, _ answer: Answer) -> Bool {
        if case .list = answer { true } else { false }
    }

    public func mark(of call: Call) -> Int? {
        if case .append(let element, _, _) = call { element } else { nil }
    }

    public func marks(seenBy call: Call, _ answer: Answer?) -> [Int]? {
        switch (call, answer) {
        case (_, .list(let list)): list
        case (.append(_, _, let last), _): last.map { [$0] } ?? []
        case (.read, _): []
        }
    }
}

/// One possible element of a set: it is in or not. A read of the whole set is a read of each
/// element; that all of them were read at one moment is for the check of revisions to see.
public struct SetElementModel: SequentialModel {
    public struct Call: Hashable, Sendable {
        public enum Kind: Hashable, Sendable { case add, remove, look }
        public let kind: Kind
        public let element: Int
        public init(_ kind: Kind, _ element: Int) {
            self.kind = kind
            self.element = element
        }
    }
    public enum Answer: Hashable, Sendable {
        case done
        case isThere(Bool)
    }

    public init() {}
    public var initial: Bool { false }

    public func state(after call: Call, on state: Bool, answer: Answer?) -> Bool? {
        switch (call.kind, answer) {
        case (.add, .done), (.add, nil): true
        case (.remove, .done), (.remove, nil): false
        case (.look, .isThere(let isThere)): isThere == state ? state : nil
        default: nil
        }
    }

    public func onlyLooks(_ call: Call, _ answer: Answer) -> Bool { call.kind == .look }
}

/// Accounts, and transfers between two of them that go through if both still hold what the client
/// has read. Money is neither made nor lost.
public struct BankModel: SequentialModel {
    public enum Call: Hashable, Sendable {
        case readAll
        /// - Parameter held: what the client has read of the two.
        case transfer(from: Int, to: Int, held: [Int], amount: Int)
    }
    public enum Answer: Hashable, Sendable {
        case balances([Int])
        case transferred(Bool)
    }

    public let initial: [Int]
    public init(accounts: Int, each: Int) {
        initial = Array(repeating: each, count: accounts)
    }

    public func state(after call: Call, on state: [Int], answer: Answer?) -> [Int]? {
        switch (call, answer) {
        case (.readAll, .balances(let balances)): return balances == state ? state : nil
        case (.transfer(let from, let to, let held, let amount), _):
            let fits = [state[from], state[to]] == held
            switch answer {
            case .transferred(false): return fits ? nil : state
            case .balances: return nil
            case .transferred(true), nil:
                guard fits else { return nil }
                var after = state
                after[from] -= amount
                after[to] += amount
                return after
            }
        default: return nil
        }
    }

    public func onlyLooks(_ call: Call, _ answer: Answer) -> Bool {
        call == .readAll || answer == .transferred(false)
    }
}
