// Signed tokens are not served yet: the flag that asks for them is refused
// (Node/Configuration/AuthTokenFlag), so nobody ever has such keys.

import API

/// The keys of signed tokens, which there are none of.
public final class JWTKeys: Sendable {
    var canSign: Bool { false }
    func principal(of token: UnsafeRawBufferPointer, nowSeconds: UInt64) -> Principal? { nil }
    func sign(_ user: AuthName, revision: UInt64, nowSeconds: UInt64) -> [UInt8]? { nil }
}
