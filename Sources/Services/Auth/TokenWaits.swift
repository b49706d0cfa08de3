// Calls with tokens of entries that this member has not applied yet.

import API

/// Confined to the executor of the applied state.
struct TokenWaits {
    private struct Waiting {
        let index: LogIndex
        let again: @Sendable () -> Void
        let givenUp: @Sendable () -> Void
        var rounds = 0
    }

    private var waiting: [Waiting] = []
    /// Anybody can make up such a token.
    private static let limit = 1000
    /// Entries that a member may be behind the one that gave the token, beyond those it has heard of;
    /// also how far a leader lets its own applying fall behind (reference: semantics.md, Limits).
    private static let unheardLimit: UInt64 = 5000
    /// Sweeps, of half a second, that one may see.
    private static let patience = 4

    var isEmpty: Bool { waiting.isEmpty }

    /// - Parameter heard: the last entry of this member's log.
    /// - Returns: false when the token is none: its entry is applied already, or nowhere near; or
    ///   when too many wait.
    mutating func add(
        _ index: LogIndex, applied: LogIndex, heard: LogIndex,
        _ again: @escaping @Sendable () -> Void,
        _ givenUp: @escaping @Sendable () -> Void
    ) -> Bool {
        guard index > applied, waiting.count < Self.limit else { return false }
        guard index <= heard || index.rawValue - heard.rawValue <= Self.unheardLimit else {
            return false
        }
        waiting.append(Waiting(index: index, again: again, givenUp: givenUp))
        return true
    }

    /// Takes out whose entries are applied.
    mutating func take(through applied: LogIndex) -> [@Sendable () -> Void] {
        let ready = waiting.filter { $0.index <= applied }
        if !ready.isEmpty { waiting.removeAll { $0.index <= applied } }
        return ready.map(\.again)
    }

    /// Takes out who has waited too long.
    mutating func takeOutdated() -> [@Sendable () -> Void] {
        for place in waiting.indices { waiting[place].rounds += 1 }
        let outdated = waiting.filter { $0.rounds > Self.patience }
        waiting.removeAll { $0.rounds > Self.patience }
        return outdated.map(\.givenUp)
    }

    mutating func takeAll() -> [@Sendable () -> Void] {
        defer { waiting = [] }
        return waiting.map(\.givenUp)
    }
}
