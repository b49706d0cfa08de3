// Whether a lock has one holder at a time, and whether later holders have larger tokens.
//
// A holder's token is the creation revision of its key: what it fences with. Who was told that it
// has the lock, was, at the revision of that answer, the one whose key was the oldest. In time, two
// holders may not overlap as long as the first has neither asked for its release nor outlived its
// lease.

/// Somebody was told that it has the lock.
public struct LockHold: Hashable, Sendable {
    public let owner: Int
    /// Its key in the store.
    public let key: String
    /// All keys that want this lock begin so.
    public let prefix: String
    /// The header's revision of the answer.
    public let revision: Int64
    public let granted: Moment
    /// Until when it certainly held: the release was asked for, or the lease may have ended.
    public var heldUntil: Moment

    public init(
        owner: Int, key: String, prefix: String, revision: Int64, granted: Moment,
        heldUntil: Moment
    ) {
        self.owner = owner
        self.key = key
        self.prefix = prefix
        self.revision = revision
        self.granted = granted
        self.heldUntil = heldUntil
    }
}

public enum LockCheck {
    public static func violations(_ holds: [LockHold], _ history: ReplayedHistory) -> [Violation] {
        holds.compactMap { checkOwnership($0, history) }
            + Dictionary(grouping: holds, by: \.prefix).sorted { $0.key < $1.key }
            .flatMap { checkExclusion($0.value, history) }
    }

    private static func checkOwnership(_ hold: LockHold, _ history: ReplayedHistory) -> Violation? {
        let keys = history.pairs(.prefix(hold.prefix), at: hold.revision)
        let oldest = keys.min { $0.created < $1.created }
        // Its lease may have ended, or others may have come, by the time of the answer's header;
        // but as long as its key is there it must be the oldest.
        guard keys.contains(where: { $0.key == hold.key }), oldest?.key != hold.key else {
            return nil
        }
        return Violation(
            "who has the lock has the oldest key", "\(hold) with \(keys) at \(hold.revision)")
    }

    private static func checkExclusion(
        _ holds: [LockHold], _ history: ReplayedHistory
    ) -> [Violation] {
        var violations: [Violation] = []
        let inOrder = holds.sorted { ($0.granted, $0.owner) < ($1.granted, $1.owner) }
        for (index, hold) in inOrder.enumerated() {
            for earlier in inOrder[..<index] where earlier.key != hold.key {
                if hold.granted < earlier.heldUntil {
                    violations.append(
                        Violation("a lock has one holder", "\(hold) while \(earlier)"))
                }
                if let old = token(earlier, history), let new = token(hold, history), new < old,
                    hold.granted > earlier.granted
                {
                    violations.append(
                        Violation(
                            "later holders have larger tokens",
                            "\(hold) with \(new) after \(earlier) with \(old)"))
                }
            }
        }
        return violations
    }

    private static func token(_ hold: LockHold, _ history: ReplayedHistory) -> Int64? {
        history.pair(hold.key, at: hold.revision)?.created
    }
}
