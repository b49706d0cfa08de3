// Flag -auth-token: `simple`, or `jwt,sign-method=ALG[,priv-key=FILE][,pub-key=FILE][,ttl=DURATION]`
// (reference: flags.tsv; semantics.md, Auth).

import Services

/// Why the flag's value is refused.
struct AuthTokenFlagError: Error {
    let description: String
}

enum AuthTokenFlag {
    /// - Returns: nil for tokens that members keep.
    static func keys(_ text: String) throws(AuthTokenFlagError) -> JWTKeys? {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        switch parts.first {
        case "simple", "", nil: return nil
        case "jwt": break
        default: throw AuthTokenFlagError(description: "auth: invalid auth options")
        }
        throw AuthTokenFlagError(description: "auth: invalid auth options")
    }
}
