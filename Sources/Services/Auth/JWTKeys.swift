import API

/// placeholder
public final class JWTKeys: Sendable {
    var canSign: Bool { false }
    func principal(of token: UnsafeRawBufferPointer, nowSeconds: UInt64) -> Principal? { nil }
    func sign(_ user: AuthName, revision: UInt64, nowSeconds: UInt64) -> [UInt8]? { nil }
}
