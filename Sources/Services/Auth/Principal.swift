// Who asks for something. Every request that enters the log or reads the applied state carries one,
// and clients' come from one place, the Doorkeeper.

import API

/// A user, nobody, or the member itself.
package struct Principal: Hashable, Sendable {
    /// Empty for nobody.
    let user: AuthName
    /// Of auth, when the user was recognized; 0 for nobody, and while auth is off.
    let revision: UInt64
    /// The revision is that of a signed token, which is void once users or roles have changed.
    let isBoundToRevision: Bool
    /// The member's own doing: nothing is asked.
    let isMember: Bool
    /// The user's at `revision`, when they were looked up already. They follow from the two, and
    /// do not make another principal.
    let keys: UserKeys?

    package init(user: AuthName, revision: UInt64, isBoundToRevision: Bool = false) {
        self.init(user, revision, isBoundToRevision: isBoundToRevision, keys: nil)
    }

    /// - Parameter keys: the user's at this revision.
    init(
        _ user: AuthName, _ revision: UInt64, isBoundToRevision: Bool = false,
        keys: UserKeys?
    ) {
        self.user = user
        self.revision = revision
        self.isBoundToRevision = isBoundToRevision
        self.keys = keys
        isMember = false
    }

    private init(isMember: Bool) {
        user = .none
        revision = 0
        isBoundToRevision = false
        keys = nil
        self.isMember = isMember
    }

    /// Nobody; and everybody while auth is off.
    static let nobody = Principal(isMember: false)
    /// The member itself, such as its compactions.
    static let member = Principal(isMember: true)

    /// The same user at a later moment: a token that members keep is as good as its user is now.
    func renewed(at revision: UInt64) -> Principal {
        if isMember || user.isEmpty || isBoundToRevision || self.revision == revision {
            return self
        }
        return Principal(user: user, revision: revision)
    }
}

extension Principal {
    package static func == (a: Self, b: Self) -> Bool {
        a.revision == b.revision && a.isBoundToRevision == b.isBoundToRevision
            && a.isMember == b.isMember && a.user == b.user
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(user)
        hasher.combine(revision)
    }
}
