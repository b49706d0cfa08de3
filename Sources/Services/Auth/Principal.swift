// Who asks for something. Every request that enters the log or reads the applied state carries one,
// and clients' come from one place, the Doorkeeper.

import API

/// A user, nobody, or the member itself.
///
/// A copy costs one count of references: requests hand it on often.
package struct Principal: Hashable, Sendable {
    /// Nil for nobody and the member.
    private let identity: Identity?
    /// Of auth, when the user was recognized; 0 for nobody, and while auth is off.
    let revision: UInt64
    /// The revision is that of a signed token, which is void once users or roles have changed.
    let isBoundToRevision: Bool
    /// The member's own doing: nothing is asked.
    let isMember: Bool

    private final class Identity: Sendable {
        let user: AuthName
        let keys: UserKeys?

        init(_ user: AuthName, _ keys: UserKeys?) {
            self.user = user
            self.keys = keys
        }
    }

    /// Empty for nobody.
    var user: AuthName { identity?.user ?? .none }
    var hasUser: Bool { identity != nil }
    /// The user's at `revision`, when they were looked up already. They follow from the two, and
    /// do not make another principal.
    var keys: UserKeys? { identity?.keys }

    package init(user: AuthName, revision: UInt64, isBoundToRevision: Bool = false) {
        self.init(user, revision, isBoundToRevision: isBoundToRevision, keys: nil)
    }

    /// - Parameter keys: the user's at this revision.
    init(
        _ user: AuthName, _ revision: UInt64, isBoundToRevision: Bool = false,
        keys: UserKeys?
    ) {
        identity = user.isEmpty ? nil : Identity(user, keys)
        self.revision = revision
        self.isBoundToRevision = isBoundToRevision
        isMember = false
    }

    private init(isMember: Bool) {
        identity = nil
        revision = 0
        isBoundToRevision = false
        self.isMember = isMember
    }

    /// Nobody; and everybody while auth is off.
    static let nobody = Principal(isMember: false)
    /// The member itself, such as its compactions.
    static let member = Principal(isMember: true)

    /// The same user at a later moment: a token that members keep is as good as its user is now.
    func renewed(at revision: UInt64) -> Principal {
        if isMember || !hasUser || isBoundToRevision || self.revision == revision {
            return self
        }
        return Principal(user: user, revision: revision)
    }
}

extension Principal {
    /// What members learn of this caller from an entry with `header`, which it has made.
    func asLogged(_ header: ProposalHeader) -> Principal {
        isMember || isBoundToRevision ? Principal(header) : self
    }

    package static func == (a: Self, b: Self) -> Bool {
        a.revision == b.revision && a.isBoundToRevision == b.isBoundToRevision
            && a.isMember == b.isMember && a.user == b.user
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(user)
        hasher.combine(revision)
    }
}
