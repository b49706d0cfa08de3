// What a user may do with some keys, which others give and take: the rights that a role has, and
// whether the user has the role. A call of the user goes through just when both are so.

/// What may be done with keys.
public enum Right: UInt64, Hashable, Sendable, CaseIterable {
    case read, write, both

    public func includes(_ other: Right) -> Bool { self == .both || self == other }
}

/// One user with one role for one range of keys.
public struct RightsModel: SequentialModel {
    public struct State: Hashable, Sendable {
        public var hasRole: Bool
        public var right: Right?

        public init(hasRole: Bool, right: Right?) {
            self.hasRole = hasRole
            self.right = right
        }

        public func allows(_ wanted: Right) -> Bool {
            hasRole && right?.includes(wanted) ?? false
        }
    }
    public enum Call: Hashable, Sendable {
        /// Gives the role to the user, or takes it away.
        case setRole(Bool)
        /// Gives the role this right in place of the one it had; nil takes it away.
        case setRight(Right?)
        /// The user's own call, which needs this right.
        case use(Right)
    }
    public enum Answer: Hashable, Sendable {
        case done
        /// What was to be taken away was not there.
        case wasNot
        case allowed
        case denied
    }

    public let initial: State
    public init(initial: State) { self.initial = initial }

    public func state(after call: Call, on state: State, answer: Answer?) -> State? {
        switch (call, answer) {
        case (.setRole(true), .done), (.setRole(true), nil):
            State(hasRole: true, right: state.right)
        case (.setRole(false), .done), (.setRole(false), nil):
            state.hasRole ? State(hasRole: false, right: state.right) : nil
        case (.setRole(false), .wasNot): state.hasRole ? nil : state
        case (.setRight(let right?), .done), (.setRight(let right?), nil):
            State(hasRole: state.hasRole, right: right)
        case (.setRight(nil), .done), (.setRight(nil), nil):
            state.right == nil ? nil : State(hasRole: state.hasRole, right: nil)
        case (.setRight(nil), .wasNot): state.right == nil ? state : nil
        case (.use(let right), .allowed): state.allows(right) ? state : nil
        case (.use(let right), .denied): state.allows(right) ? nil : state
        case (.use, nil): state
        default: nil
        }
    }

    public func onlyLooks(_ call: Call, _ answer: Answer) -> Bool { answer != .done }
}

public typealias RightsOperation = Operation<RightsModel.Call, RightsModel.Answer>
