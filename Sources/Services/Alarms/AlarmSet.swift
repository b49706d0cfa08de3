// Alarms that are active: a member is out of space, or its data differ from the others'.

import API

/// Kinds of alarm; raw values as on the wire (etcdserverpb.AlarmType).
public enum AlarmKind: Int32, Hashable, Comparable, Sendable {
    case noSpace = 1
    case corrupt = 2

    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    public var name: String {
        switch self {
        case .noSpace: "NOSPACE"
        case .corrupt: "CORRUPT"
        }
    }
}

/// One active alarm of one member.
public struct Alarm: Hashable, Sendable {
    public let member: MemberID
    public let kind: AlarmKind

    public init(member: MemberID, kind: AlarmKind) {
        self.member = member
        self.kind = kind
    }

    /// As Status lists it.
    public var text: String { "memberID:\(member.rawValue) alarm:\(kind.name)" }
}

/// The active alarms: applied state, changed only by committed entries.
public struct AlarmSet: Equatable, Sendable {
    private var active: Set<Alarm>

    public init(_ active: Set<Alarm> = []) { self.active = active }

    /// All, or those of one kind, ascending by kind and member.
    public func list(_ kind: AlarmKind? = nil) -> [Alarm] {
        active.filter { kind == nil || $0.kind == kind }
            .sorted { ($0.kind, $0.member) < ($1.kind, $1.member) }
    }

    /// Whether any member has an alarm of this kind.
    public func contains(_ kind: AlarmKind) -> Bool {
        !active.isEmpty && active.contains { $0.kind == kind }
    }

    /// - Returns: false when it was active already.
    public mutating func activate(_ alarm: Alarm) -> Bool { active.insert(alarm).inserted }

    /// - Returns: false when it was not active. Member and kind must match exactly.
    public mutating func deactivate(_ alarm: Alarm) -> Bool { active.remove(alarm) != nil }
}
