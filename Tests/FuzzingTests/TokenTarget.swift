// The readers of tokens: whatever a client says of who it is, before anybody knows it.

@testable import API
@testable import Services

/// The first byte of an input chooses the reader, the rest is what it reads.
package final class TokenTarget: FuzzTarget {
    private let secret: JWTKeys
    /// Of ECDSA, known in public: nothing may be good that was not signed with the other half.
    private let publicHalf: JWTKeys
    private let arena = Arena()
    private static let now: UInt64 = 1_700_000_000

    package init() throws {
        secret = try JWTKeys(method: "HS256", privateKey: Array("seed".utf8), publicKey: nil)
        publicHalf = try JWTKeys(
            method: "ES256", privateKey: nil, publicKey: Array(Self.publicKey.utf8))
    }

    /// New ones at the end only: the corpus counts.
    private static let checks: [@Sendable (TokenTarget, UnsafeRawBufferPointer) throws -> Void] = [
        { try $0.checkSimple($1) }, { try $0.checkForged($1) }, { try $0.checkSigned($1) },
        { try $0.checkName($1) }, { try $0.checkBase64($1) }, { try $0.checkQuestion($1) },
        { try $0.checkForwarded($1) },
    ]

    package func run(_ input: UnsafeRawBufferPointer) throws {
        guard let first = input.first else { return }
        let check = Self.checks[Int(first) % Self.checks.count]
        try check(self, UnsafeRawBufferPointer(rebasing: input.dropFirst()))
    }

    private static func principal(_ keys: JWTKeys, _ token: [UInt8]) -> Principal? {
        token.withUnsafeBytes { keys.principal(of: $0, nowSeconds: now) }
    }

    // MARK: Tokens that members keep

    /// No two texts are the same token.
    private func checkSimple(_ text: UnsafeRawBufferPointer) throws {
        guard let token = SimpleToken(text) else { return }
        try demand(
            token.text.elementsEqual(text), "a token was read from another text than its own")
        try demand(
            SimpleToken(prefix: Array(text.prefix(16)), index: token.index) == token,
            "a token is not what its prefix and index make")
    }

    // MARK: Signed tokens

    /// Any bytes are nobody's token, unless they end in what only the secret gives.
    private func checkForged(_ token: UnsafeRawBufferPointer) throws {
        try demand(
            publicHalf.principal(of: token, nowSeconds: Self.now) == nil,
            "a token is taken without a key that could have signed it")
        guard let principal = secret.principal(of: token, nowSeconds: Self.now) else { return }
        let bytes = [UInt8](token)
        guard let dot = bytes.lastIndex(of: UInt8(ascii: ".")),
            let signature = Base64Text.decode(Array(bytes[(dot + 1)...]), isURL: true),
            signature == secret.hmac(Array(bytes[..<dot]), Array("seed".utf8))
        else { throw Finding("a token of \(principal.user) is taken that is not signed") }
        try demand(!principal.user.isEmpty, "a token is nobody's")
    }

    /// Header and claims of the fuzzer's choice, a line each, well signed.
    private func checkSigned(_ input: UnsafeRawBufferPointer) throws {
        let lines = input.split(
            separator: UInt8(ascii: "\n"), maxSplits: 1, omittingEmptySubsequences: false)
        guard lines.count == 2 else { return }
        let signed =
            Base64Text.encodeURL(Array(lines[0])) + [UInt8(ascii: ".")]
            + Base64Text.encodeURL(Array(lines[1]))
        guard let signature = secret.hmac(signed, Array("seed".utf8)) else { return }
        let token = signed + [UInt8(ascii: ".")] + Base64Text.encodeURL(signature)
        guard let principal = Self.principal(secret, token) else { return }
        try demand(
            Array(lines[0]).contains(Array("HS256".utf8)) || lines[0].contains(UInt8(ascii: "\\")),
            "another algorithm than that of the key")
        try demand(!principal.user.isEmpty && !principal.isMember, "a token is nobody's")
        try demand(
            principal.isBoundToRevision, "a signed token outlives a change of users and roles")
        try demand(
            Self.principal(secret, token) == principal, "a token is another's the second time")
        try checkRound(principal.user, principal.revision)
    }

    /// Whoever has a name that JSON can say gets a token that says it.
    private func checkName(_ name: UnsafeRawBufferPointer) throws {
        guard !name.isEmpty, let text = String(validating: name, as: UTF8.self) else { return }
        try checkRound(AuthName(text), UInt64(name.count))
    }

    private func checkRound(_ user: AuthName, _ revision: UInt64) throws {
        guard let token = secret.sign(user, revision: revision, nowSeconds: Self.now) else {
            throw Finding("no token for \(user)")
        }
        // A name may be longer than tokens are.
        guard token.count <= JWTText.longest else { return }
        let principal = Self.principal(secret, token)
        try demand(
            principal?.user == user && principal?.revision == revision,
            "the token of \(user) says another name or revision")
        let later = token.withUnsafeBytes {
            secret.principal(of: $0, nowSeconds: Self.now + 300)
        }
        try demand(later == nil, "a token does not end")
    }

    private func checkBase64(_ text: UnsafeRawBufferPointer) throws {
        let bytes = [UInt8](text)
        try demand(
            Base64Text.decode(Base64Text.encodeURL(bytes), isURL: true) == bytes
                && Base64Text.decode(Base64Text.encode(bytes)) == bytes,
            "Base64 changes what it carries")
        // Not so the other alphabet, of hashes in the log, which etcd does not read strictly.
        if let decoded = Base64Text.decode(bytes, isURL: true) {
            try demand(
                Base64Text.encodeURL(decoded) == bytes, "two texts of Base64 are the same bytes")
        }
    }

    // MARK: Who asks

    /// Who may ask for alarms is decided before the request is decoded: both readers agree.
    private func checkQuestion(_ bytes: UnsafeRawBufferPointer) throws {
        arena.reset()
        defer { arena.reset() }
        guard let request = try? AlarmRequest.decode(bytes, in: arena) else { return }
        try demand(
            !AlarmRequest.isQuestion(bytes) || request.action == .get,
            "what changes an alarm passes as a question")
    }

    /// What a member says of a client's caller never makes the member itself of it.
    private func checkForwarded(_ bytes: UnsafeRawBufferPointer) throws {
        guard let caller = try? Principal(asking: bytes) else { return }
        try demand(!caller.isMember, "a message from elsewhere is the member's own")
        let again = bytes.asking(caller)
        try demand(
            caller.user.isEmpty
                || (try? again.withUnsafeBytes { try Principal(asking: $0) })?.user == caller.user,
            "the caller changes on the way")
    }

    /// Made by OpenSSL; its other half was thrown away.
    private static let publicKey = """
        -----BEGIN PUBLIC KEY-----
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEU7+5zTkLhE8gCtcxislE96imObaB
        EWf+6lWY0gusQj0p6NZ5mSBxRF2XCWVj6z1gJYnlu8Cd0VELkTWEPlITHA==
        -----END PUBLIC KEY-----
        """
}
