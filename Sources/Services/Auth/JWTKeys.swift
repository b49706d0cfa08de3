// Signed tokens (reference: semantics.md, Auth): who holds one has logged in somewhere that has the
// private key. Nothing about them is kept; what ends them is their time, or a change of users and
// roles.

import API
import COpenSSL

/// The keys of -auth-token=jwt: checks tokens, and makes them where there is a private key.
public final class JWTKeys: Sendable {
    private let algorithm: JWTAlgorithm
    private let key: Key
    private let ttlSeconds: UInt64
    private let seen = Locked(SeenTokens())

    private enum Key: Sendable {
        case secret([UInt8])
        case pair(signs: SigningKey?, verifies: SigningKey)
    }

    /// Why there are no keys. The texts are etcd's.
    public enum Failure: Error, Hashable, Sendable, CustomStringConvertible {
        case unknownMethod
        case missingKey
        case mismatch
        /// What was given for a private or a public key is none, or not for the method.
        case unfit(String)

        public var description: String {
            switch self {
            // Which of the options is wrong, etcd tells its log alone.
            case .unknownMethod: "auth: invalid auth options"
            case .missingKey: "auth: missing key data"
            case .mismatch: "auth: public and private keys don't match"
            case .unfit(let words): words
            }
        }
    }

    /// - Parameters:
    ///   - privateKey: PEM; the secret itself for HS256 and its like. Nil: tokens are checked and
    ///     not made.
    ///   - publicKey: PEM; nil is that of `privateKey`.
    public init(
        method: String, privateKey: [UInt8]?, publicKey: [UInt8]?, ttlSeconds: UInt64 = 300
    ) throws(Failure) {
        guard let algorithm = JWTAlgorithm(name: method) else { throw .unknownMethod }
        self.algorithm = algorithm
        self.ttlSeconds = ttlSeconds
        if case .hmac = algorithm.family {
            guard let privateKey, !privateKey.isEmpty else { throw .missingKey }
            key = .secret(privateKey)
            return
        }
        let signs = try Self.key(privateKey, algorithm, "private", SigningKey.privateKey)
        let verifies = try Self.key(publicKey, algorithm, "public", SigningKey.publicKey)
        if let signs, let verifies, !signs.matches(verifies) { throw .mismatch }
        guard let any = verifies ?? signs else { throw .missingKey }
        key = .pair(signs: signs, verifies: any)
    }

    private static func key(
        _ pem: [UInt8]?, _ algorithm: JWTAlgorithm, _ half: String,
        _ read: ([UInt8]) -> SigningKey?
    ) throws(Failure) -> SigningKey? {
        guard let pem, !pem.isEmpty else { return nil }
        guard let key = read(pem) else {
            throw .unfit("invalid key: Key must be a PEM encoded PKCS1 or PKCS8 key")
        }
        guard key.isOfKind(of: algorithm) else {
            throw .unfit("key is not a valid \(algorithm.keyKind) \(half) key")
        }
        // etcd starts with it, and fails to sign.
        guard key.fits(algorithm) else { throw .unfit("key is of the wrong curve") }
        return key
    }

    /// Whether tokens can be made here.
    var canSign: Bool {
        switch key {
        case .secret: true
        case .pair(let signs, _): signs != nil
        }
    }

    // MARK: Making

    /// Takes about a millisecond with RSA. Nil when there is no key for it.
    func sign(_ user: AuthName, revision: UInt64, nowSeconds: UInt64) -> [UInt8]? {
        let signed = JWTText.signedPart(
            algorithm: algorithm.name,
            JWTText.Claims(
                user: user, revision: revision, expires: nowSeconds + ttlSeconds, notBefore: nil))
        let signature: [UInt8]? =
            switch key {
            case .secret(let secret): hmac(signed, secret)
            case .pair(let signs, _): signs?.sign(signed, algorithm)
            }
        return signature.map { signed + [UInt8(ascii: ".")] + Base64Text.encodeURL($0) }
    }

    // MARK: Checking

    /// Whose token it is; nil when it is not good. From any thread.
    func principal(of token: UnsafeRawBufferPointer, nowSeconds: UInt64) -> Principal? {
        guard let claims = seen.withLock({ $0[token] }) ?? verify(token) else { return nil }
        if let expires = claims.expires, expires <= nowSeconds { return nil }
        if let start = claims.notBefore, start > nowSeconds { return nil }
        return Principal(
            user: claims.user, revision: claims.revision, isBoundToRevision: true)
    }

    /// Checks the signature, by the algorithm of the keys: what the token says of it must be the
    /// same, so that nobody can choose another, or none.
    private func verify(_ token: UnsafeRawBufferPointer) -> JWTText.Claims? {
        guard let text = JWTText(token), text.algorithm == algorithm.name else { return nil }
        switch key {
        case .secret(let secret):
            guard let expected = hmac(text.signed, secret),
                expected.count == text.signature.count,
                CRYPTO_memcmp(expected, text.signature, expected.count) == 0
            else { return nil }
        case .pair(_, let verifies):
            guard verifies.verify(text.signed, text.signature, algorithm) else { return nil }
        }
        seen.withLock { $0[token] = text.claims }
        return text.claims
    }

    func hmac(_ message: [UInt8], _ secret: [UInt8]) -> [UInt8]? {
        var code = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var length: UInt32 = 0
        guard
            HMAC(
                algorithm.digest, secret, Int32(clamping: secret.count), message, message.count,
                &code, &length) != nil
        else { return nil }
        return Array(code.prefix(Int(length)))
    }
}

/// Tokens whose signatures were found good: a client sends the same with every call.
private struct SeenTokens {
    private struct Entry {
        let token: [UInt8]
        let claims: JWTText.Claims
    }

    private var entries: [Int: Entry] = [:]
    /// 20 MiB at the most that a token can be, a few with usual ones.
    private static let limit = 1300

    /// Looked up without a copy of the token.
    subscript(token: UnsafeRawBufferPointer) -> JWTText.Claims? {
        get {
            guard let entry = entries[Self.hash(token)], entry.token.elementsEqual(token) else {
                return nil
            }
            return entry.claims
        }
        set {
            // All at once, and those in use come back with their next call.
            if entries.count >= Self.limit { entries.removeAll(keepingCapacity: true) }
            entries[Self.hash(token)] = newValue.map { Entry(token: [UInt8](token), claims: $0) }
        }
    }

    private static func hash(_ token: UnsafeRawBufferPointer) -> Int {
        var hasher = Hasher()
        hasher.combine(bytes: token)
        return hasher.finalize()
    }
}
