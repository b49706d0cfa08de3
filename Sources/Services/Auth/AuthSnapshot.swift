// Users and roles of one moment, to compare members with each other.

import API

/// What a member knows of users and roles: a value that shares its memory with theirs.
package struct AuthSnapshot: Sendable, CustomStringConvertible {
    private let state: AuthState

    init(_ state: AuthState) { self.state = state }

    /// Of users and roles.
    package var revision: UInt64 { state.revision }

    /// Whether the other says the same.
    /// - Parameter inFull: of every user and role, and not only of how often they were changed.
    package func isSame(as other: Self, inFull: Bool) -> Bool {
        guard state.isEnabled == other.state.isEnabled, revision == other.revision else {
            return false
        }
        return !inFull || state.users == other.state.users && state.roles == other.state.roles
    }

    package var description: String {
        "\(state.users.count) users and \(state.roles.count) roles of revision \(revision), "
            + (state.isEnabled ? "auth on" : "auth off")
    }
}
