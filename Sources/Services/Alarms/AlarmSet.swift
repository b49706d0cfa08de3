// Alarms that are active: a member is out of space, or its data differ from the others'.

import API

/// The active alarms: applied state, changed only by committed entries.
public struct AlarmSet: Equatable, Sendable {
    private var active: Set<AlarmFields>

    public init(_ active: Set<AlarmFields> = []) { self.active = active }

    /// Those of one kind, or all if `kind` is `.none`; ascending by kind and member.
    public func list(_ kind: AlarmType) -> [AlarmFields] {
        active.filter { kind == .none || $0.alarm == kind }
            .sorted { ($0.alarm.rawValue, $0.member) < ($1.alarm.rawValue, $1.member) }
    }

    /// Whether any member has an alarm of this kind. Asked for every write.
    public func contains(_ kind: AlarmType) -> Bool {
        !active.isEmpty && active.contains { $0.alarm == kind }
    }

    public func contains(_ alarm: AlarmFields) -> Bool { active.contains(alarm) }

    /// - Returns: false when it was active already.
    public mutating func activate(_ alarm: AlarmFields) -> Bool { active.insert(alarm).inserted }

    /// - Returns: false when it was not active. Member and kind must match exactly.
    public mutating func deactivate(_ alarm: AlarmFields) -> Bool { active.remove(alarm) != nil }
}

extension AlarmFields {
    /// As Status lists it.
    public var text: String {
        switch alarm {
        case .none: "memberID:\(member.rawValue)"
        case .noSpace: "memberID:\(member.rawValue) alarm:NOSPACE"
        case .corrupt: "memberID:\(member.rawValue) alarm:CORRUPT"
        }
    }
}
