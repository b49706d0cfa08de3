// What the operator decided about logging in.

import API

/// Flags --auth-token, --auth-token-ttl, --bcrypt-cost.
public struct AuthSettings: Sendable {
    /// Nil: tokens that members keep.
    public var signedTokens: JWTKeys?
    /// How long a token that members keep is good for without being used.
    public var tokenNanoseconds: UInt64 = 300_000_000_000
    /// The logarithm of the rounds; 4 to 31.
    public var bcryptCost = 10
    public static let bcryptCosts = 4...31

    public init() {}
}
