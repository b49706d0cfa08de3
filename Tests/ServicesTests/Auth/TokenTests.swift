// Tokens, kept and signed: what passes, and all that must not.

import API
import Foundation
import TestSupport
import Testing

@testable import Services

@Suite("Tokens that members keep")
struct SimpleTokenTests {
    private static func read(_ text: String) -> SimpleToken? {
        Array(text.utf8).withUnsafeBytes { SimpleToken($0) }
    }

    @Test("have one form only: 16 letters, a dot, the number of an entry")
    func form() throws {
        let text = "bQkUyPwRXqhdWcmL.172"
        let token = try #require(Self.read(text))
        #expect(token.text == Array(text.utf8))
        #expect(token.index == LogIndex(172))
        for bad in [
            "", ".", "bQkUyPwRXqhdWcmL", "bQkUyPwRXqhdWcmL.", "bQkUyPwRXqhdWcmL.0172",
            "bQkUyPwRXqhdWcmL.+172", "bQkUyPwRXqhdWcmL.172 ", "bQkUyPwRXqhdWcm1.172",
            "bQkUyPwRXqhdWcm.172", "bQkUyPwRXqhdWcmLx.172", "bQkUyPwRXqhdWcmL.18446744073709551616",
            "bQkUyPwRXqhdWcmL.1.2", "[QkUyPwRXqhdWcmL.172", String(repeating: "a", count: 100_000),
        ] { #expect(Self.read(bad) == nil, "\(bad.prefix(40))") }
        #expect(Self.read("bQkUyPwRXqhdWcmL.18446744073709551615") != nil)
        let prefix = SimpleToken.makePrefix(SeededRandom(seed: 1))
        #expect(SimpleToken(prefix: prefix, index: LogIndex(7)) != nil)
        #expect(SimpleToken(prefix: Array(prefix.dropLast()), index: LogIndex(7)) == nil)
    }

    private func user(_ tokens: SimpleTokens, _ token: SimpleToken, at time: UInt64) -> AuthName? {
        tokens.principal(of: token, now: MonotonicTime(nanoseconds: time), at: 1) {
            Principal(user: $0, revision: 1)
        }?.user
    }

    @Test("whose they are is looked up once for each revision of users and roles")
    func recognized() throws {
        let tokens = SimpleTokens(ttlNanoseconds: 1000)
        let token = try #require(Self.read("bQkUyPwRXqhdWcmL.172"))
        let now = MonotonicTime(nanoseconds: 1)
        tokens.assign(token, to: AuthName("alice"), now: now)
        var asked: [UInt64] = []
        for revision: UInt64 in [7, 7, 8, 8, 8] {
            let alice = tokens.principal(of: token, now: now, at: revision) { user in
                asked.append(revision)
                return Principal(user: user, revision: revision)
            }
            #expect(alice == Principal(user: AuthName("alice"), revision: revision))
        }
        #expect(asked == [7, 8])
    }

    @Test("live as long as they are used, and no longer")
    func expiry() throws {
        let tokens = SimpleTokens(ttlNanoseconds: 100)
        let token = try #require(Self.read("bQkUyPwRXqhdWcmL.172"))
        let other = try #require(Self.read("bQkUyPwRXqhdWcmL.173"))
        tokens.assign(token, to: AuthName("alice"), now: MonotonicTime(nanoseconds: 0))
        #expect(user(tokens, other, at: 1) == nil)
        for time: UInt64 in [90, 180, 270] {
            #expect(
                user(tokens, token, at: time) == AuthName("alice"))
        }
        #expect(user(tokens, token, at: 370) == nil)
        tokens.assign(other, to: AuthName("bob"), now: MonotonicTime(nanoseconds: 500))
        #expect(tokens.count == 1, "what has ended is let go")
        tokens.forget([AuthName("bob")])
        #expect(user(tokens, other, at: 501) == nil)
    }

    @Test("are bounded in number: the oldest go")
    func bound() throws {
        let tokens = SimpleTokens(ttlNanoseconds: 1000, limit: 10)
        for number in 1...25 {
            let token = try #require(Self.read("bQkUyPwRXqhdWcmL.\(number)"))
            tokens.assign(token, to: AuthName("a"), now: MonotonicTime(nanoseconds: 0))
        }
        #expect(tokens.count == 10)
        let newest = try #require(Self.read("bQkUyPwRXqhdWcmL.25"))
        #expect(user(tokens, newest, at: 1) != nil)
    }
}

/// Keys that OpenSSL's program has made.
enum TestKeys {
    static func make(_ arguments: String...) throws -> (privateKey: [UInt8], publicKey: [UInt8]) {
        let privateKey = try openssl(["genpkey"] + arguments, input: [])
        return (privateKey, try openssl(["pkey", "-pubout"], input: privateKey))
    }

    private static func openssl(_ arguments: [String], input: [UInt8]) throws -> [UInt8] {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
        process.arguments = arguments
        let (stdin, stdout) = (Pipe(), Pipe())
        process.standardInput = stdin
        process.standardOutput = stdout
        process.standardError = FileHandle.nullDevice
        try process.run()
        stdin.fileHandleForWriting.write(Data(input))
        try stdin.fileHandleForWriting.close()
        let output = stdout.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
        return [UInt8](output)
    }

    static let rsa = Result { try make("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048") }
    static let p256 = Result {
        try make("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    }
    static let p384 = Result {
        try make("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384")
    }
    static let p521 = Result {
        try make("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521")
    }
    static let ed25519 = Result { try make("-algorithm", "ED25519") }

    static func keys(for method: String) throws -> (privateKey: [UInt8], publicKey: [UInt8]?) {
        switch method {
        case "ES256": return try p256.get()
        case "ES384": return try p384.get()
        case "ES512": return try p521.get()
        case "EdDSA": return try ed25519.get()
        case _ where method.hasPrefix("HS"): return (Array("a secret of some length".utf8), nil)
        default: return try rsa.get()
        }
    }
}

@Suite("Signed tokens")
struct JWTTests {
    static let methods = [
        "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256",
        "ES384", "ES512", "EdDSA",
    ]
    static let now: UInt64 = 1_700_000_000

    private static func keys(_ method: String) throws -> JWTKeys {
        let pair = try TestKeys.keys(for: method)
        return try JWTKeys(
            method: method, privateKey: pair.privateKey, publicKey: pair.publicKey, ttlSeconds: 60)
    }

    private static func check(_ keys: JWTKeys, _ token: [UInt8], now: UInt64 = now) -> Principal? {
        token.withUnsafeBytes { keys.principal(of: $0, nowSeconds: now) }
    }

    /// A token with a header and claims of one's choice, signed as an HS256 token.
    private static func forged(_ header: String, _ claims: String, key: [UInt8]?) throws -> [UInt8]
    {
        let signed =
            Base64Text.encodeURL(Array(header.utf8)) + [UInt8(ascii: ".")]
            + Base64Text.encodeURL(Array(claims.utf8))
        guard let key else { return signed + [UInt8(ascii: ".")] }
        return try signed + [UInt8(ascii: ".")]
            + Base64Text.encodeURL(Self.hmacSHA256(signed, key))
    }

    private static func hmacSHA256(_ message: [UInt8], _ key: [UInt8]) throws -> [UInt8] {
        let keys = try JWTKeys(method: "HS256", privateKey: key, publicKey: nil)
        return try #require(keys.hmac(message, key))
    }

    @Test("say who it is, until they end", arguments: methods)
    func round(_ method: String) throws {
        let keys = try Self.keys(method)
        let name = AuthName("alice \"é\" <&>")
        let token = try #require(keys.sign(name, revision: 12, nowSeconds: Self.now))
        let principal = try #require(Self.check(keys, token))
        #expect(principal.user == name)
        #expect(principal.revision == 12)
        #expect(principal.isBoundToRevision)
        #expect(Self.check(keys, token, now: Self.now + 59) != nil)
        #expect(Self.check(keys, token, now: Self.now + 60) == nil, "expired")
        // Also when its signature was found good before.
        #expect(Self.check(keys, token, now: Self.now + 1) != nil)
    }

    @Test("are refused when a bit of them is another", arguments: methods)
    func tampered(_ method: String) throws {
        let keys = try Self.keys(method)
        let token = try #require(
            keys.sign(AuthName("alice"), revision: 1, nowSeconds: Self.now))
        for place in stride(from: 0, to: token.count, by: 3) {
            var other = token
            other[place] ^= 1
            #expect(Self.check(keys, other) == nil, "byte \(place)")
        }
        #expect(Self.check(keys, Array(token.dropLast())) == nil)
        #expect(Self.check(keys, token + [UInt8(ascii: "A")]) == nil)
    }

    @Test("can be checked with the public key alone, which makes none")
    func verifyOnly() throws {
        let pair = try TestKeys.rsa.get()
        let signing = try Self.keys("RS256")
        let checking = try JWTKeys(method: "RS256", privateKey: nil, publicKey: pair.publicKey)
        #expect(!checking.canSign)
        #expect(checking.sign(AuthName("a"), revision: 1, nowSeconds: Self.now) == nil)
        let token = try #require(signing.sign(AuthName("a"), revision: 1, nowSeconds: Self.now))
        #expect(Self.check(checking, token)?.user == AuthName("a"))
        #expect(try !Self.keysAreEqual(signing, token))
    }

    /// Whether keys of another way of signing take the token.
    private static func keysAreEqual(_: JWTKeys, _ token: [UInt8]) throws -> Bool {
        try check(keys("RS384"), token) != nil
    }

    @Test("cannot choose how they are checked: neither `none` nor the public key as a secret")
    func confusion() throws {
        let claims = #"{"username":"root","revision":1,"exp":9999999999}"#
        let pair = try TestKeys.rsa.get()
        let rsa = try Self.keys("RS256")
        let none = try Self.forged(#"{"alg":"none","typ":"JWT"}"#, claims, key: nil)
        let asSecret = try Self.forged(
            #"{"alg":"HS256","typ":"JWT"}"#, claims, key: pair.publicKey)
        let lying = try Self.forged(#"{"alg":"RS256","typ":"JWT"}"#, claims, key: pair.publicKey)
        let twice = try Self.forged(
            #"{"alg":"RS256","alg":"HS256"}"#, claims, key: pair.publicKey)
        for token in [none, asSecret, lying, twice] { #expect(Self.check(rsa, token) == nil) }

        let secret = try Self.keys("HS256")
        for header in [
            #"{"alg":"none"}"#, #"{"alg":"None"}"#, #"{"alg":"hs256"}"#, #"{"alg":"HS512"}"#,
            #"{"alg":"RS256"}"#, #"{"typ":"JWT"}"#, #"{"alg":null}"#, #"{"alg":["HS256"]}"#,
            #"{"alg":"HS256","crit":["exp"]}"#, "[]", "", "{",
        ] {
            let key = try TestKeys.keys(for: "HS256").privateKey
            #expect(
                try Self.check(secret, Self.forged(header, claims, key: key)) == nil, "\(header)")
        }
    }

    @Test("are refused with claims that say nothing or nonsense, well signed as they are")
    func claims() throws {
        let key = try TestKeys.keys(for: "HS256").privateKey
        let keys = try Self.keys("HS256")
        func check(_ claims: String) throws -> Principal? {
            try Self.check(keys, Self.forged(#"{"alg":"HS256"}"#, claims, key: key))
        }
        #expect(try check(#"{"username":"a","revision":3}"#)?.revision == 3)
        #expect(try check(#"{"username":"a","revision":3.0e0,"exp":1.8e9}"#)?.revision == 3)
        for bad in [
            "{}", "null", #"{"username":"a"}"#, #"{"revision":1}"#,
            #"{"username":"","revision":1}"#, #"{"username":7,"revision":1}"#,
            #"{"username":"a","revision":"1"}"#, #"{"username":"a","revision":-1}"#,
            #"{"username":"a","revision":1e40}"#, #"{"username":"a","revision":1,"exp":"never"}"#,
            #"{"username":"a","revision":1,"exp":-5}"#, #"{"username":"a","revision":1,"exp":0}"#,
            #"{"username":"a","revision":1,"exp":1699999999}"#,
            #"{"username":"a","revision":1,"nbf":1700000001}"#,
            #"{"username":"a","username":"root","revision":1}"#,
        ] { #expect(try check(bad) == nil, "\(bad)") }
    }

    @Test("that are huge, or no tokens at all, are refused at once")
    func huge() throws {
        let keys = try Self.keys("HS256")
        for bad in [
            [], Array(".".utf8), Array("..".utf8), Array("a.b.c".utf8), Array("....".utf8),
            [UInt8](repeating: UInt8(ascii: "."), count: 1 << 20),
            [UInt8](repeating: UInt8(ascii: "A"), count: 1 << 20), [0, 255, 46, 46],
        ] { #expect(Self.check(keys, bad) == nil) }
    }

    @Test("need keys that fit")
    func unfit() throws {
        let rsa = try TestKeys.rsa.get()
        let curve = try TestKeys.p256.get()
        func failure(
            _ method: String, _ privateKey: [UInt8]?, _ publicKey: [UInt8]?
        ) -> JWTKeys.Failure? {
            do throws(JWTKeys.Failure) {
                _ = try JWTKeys(method: method, privateKey: privateKey, publicKey: publicKey)
                return nil
            } catch { return error }
        }
        #expect(failure("RS256", nil, nil) == .missingKey)
        #expect(failure("HS256", nil, rsa.publicKey) == .missingKey)
        #expect(failure("HS256", [], nil) == .missingKey)
        #expect(failure("none", rsa.privateKey, nil) == .unknownMethod)
        #expect(failure("HS257", rsa.privateKey, nil) == .unknownMethod)
        #expect(
            failure("RS256", curve.privateKey, nil)?.description
                == "key is not a valid RSA private key")
        #expect(
            failure("EdDSA", nil, rsa.publicKey)?.description
                == "key is not a valid Ed25519 public key")
        #expect(
            failure("ES384", curve.privateKey, nil)?.description == "key is of the wrong curve")
        #expect(
            failure("RS256", Array("no key".utf8), nil)?.description
                == "invalid key: Key must be a PEM encoded PKCS1 or PKCS8 key")
        let other = try TestKeys.make("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
        #expect(failure("RS256", rsa.privateKey, other.publicKey) == .mismatch)
        #expect(failure("RS256", rsa.privateKey, rsa.publicKey) == nil)
    }
}
