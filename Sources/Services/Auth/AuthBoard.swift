// What every call asks before it is let in, for those who ask on other threads.

import API
import Synchronization

/// Users, rights and tokens. Changed on the executor of the applied state, read from any thread.
package final class AuthBoard: Sendable {
    private let signedTokens: JWTKeys?
    let tokens: SimpleTokens
    private let enabled = Atomic<Bool>(false)
    /// Of `shown`: who asks for this alone takes no lock.
    private let shownRevision = Atomic<UInt64>(0)
    private let shown: Locked<AuthView>

    package init(_ view: AuthView, _ settings: AuthSettings) {
        signedTokens = settings.signedTokens
        tokens = SimpleTokens(ttlNanoseconds: settings.tokenNanoseconds)
        shown = Locked(view)
        shownRevision.store(view.revision, ordering: .relaxed)
        enabled.store(view.isEnabled, ordering: .relaxed)
    }

    /// Costs nothing: most members have no users.
    var isEnabled: Bool { enabled.load(ordering: .relaxed) }
    /// That of `view`, on the executor of the applied state; elsewhere it may be a moment older.
    var revision: UInt64 { shownRevision.load(ordering: .relaxed) }
    package var view: AuthView { shown.withLock { $0 } }

    /// As what a member proposes of its own.
    func rootHeader(_ id: RequestID) -> ProposalHeader {
        guard isEnabled else { return ProposalHeader(id: id) }
        return ProposalHeader(id: id, username: .root, authRevision: view.revision)
    }

    func show(_ view: AuthView) {
        shown.withLock { $0 = view }
        shownRevision.store(view.revision, ordering: .relaxed)
        enabled.store(view.isEnabled, ordering: .relaxed)
    }

    /// `caller` as it would be recognized now.
    func renewed(_ caller: Principal) -> Principal {
        isEnabled ? caller.renewed(at: view.revision) : caller
    }

    /// What is known of a token.
    enum Recognition {
        case known(Principal)
        case unknown
        /// It may be known once the entry of this place is applied.
        case notYet(LogIndex)
    }

    func recognize(
        _ token: UnsafeRawBufferPointer, now: MonotonicTime, _ clock: any WallClock
    ) -> Recognition {
        if let keys = signedTokens {
            return keys.principal(
                of: token, nowSeconds: clock.nanosecondsSinceEpoch / 1_000_000_000
            ).map(Recognition.known) ?? .unknown
        }
        guard let token = SimpleToken(token) else { return .unknown }
        let revision = revision
        let known = tokens.principal(of: token, now: now, at: revision) { user in
            view.principal(named: user)
        }
        return known.map(Recognition.known) ?? .notYet(token.index)
    }
}
