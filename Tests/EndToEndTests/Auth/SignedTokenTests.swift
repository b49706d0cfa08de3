// Flag -auth-token=jwt: tokens that a member and a real etcd with the same keys take from each
// other, and what is refused at the start.

import API
import Foundation
import Testing

extension EndToEnd {
    @Suite("Signed tokens beside etcd 3.5", .enabled(if: Rival.isExpected, Rival.absence))
    struct SignedTokenTests {
        /// Files of keys.
        private let folder: TemporaryDirectory

        init() throws {
            folder = try TemporaryDirectory()
            for (name, options) in [
                ("RS", ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"]),
                ("ES256", ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
                ("ES384", ["EC", "-pkeyopt", "ec_paramgen_curve:P-384"]),
                ("ES512", ["EC", "-pkeyopt", "ec_paramgen_curve:P-521"]), ("EdDSA", ["ED25519"]),
            ] {
                let (key, publicKey) = (file("\(name).key"), file("\(name).pub"))
                try openSSL(["genpkey", "-out", key, "-algorithm"] + options)
                try openSSL(["pkey", "-in", key, "-pubout", "-out", publicKey])
            }
            // With zero bytes and a line's end: all of the file counts.
            try Data([0, 1, 2, 255, 0x0A]).write(to: folder.url.appendingPathComponent("secret"))
        }

        private func file(_ name: String) -> String { "\(folder.path)/\(name)" }

        private func openSSL(_ arguments: [String]) throws {
            let result = try run("/usr/bin/openssl", arguments)
            try #require(result.status == 0, "\(result.errors)")
        }

        private func options(_ method: String, ttl: String = "1h") -> [String] {
            let keys: String
            if method.hasPrefix("HS") {
                keys = "priv-key=\(file("secret"))"
            } else {
                let name = ["RS", "PS"].contains(method.prefix(2)) ? "RS" : method
                keys = "priv-key=\(file("\(name).key")),pub-key=\(file("\(name).pub"))"
            }
            return ["--auth-token", "jwt,sign-method=\(method),\(keys),ttl=\(ttl)"]
        }

        /// Users root and alice, who may read and write keys with `a`.
        private func setUp(_ client: TestClient) async throws {
            for call in [
                AuthCall.userAdd("root", "r"), .grantRole("root", to: "root"),
                .userAdd("alice", "a"), .roleAdd("as"), .grant(.both, "a", to: "b", role: "as"),
                .grantRole("as", to: "alice"), .enable,
            ] { _ = try await client.call(call.path, call.request) }
        }

        @Test(
            "What one has signed the other takes",
            arguments: [
                "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
                "ES256", "ES384", "ES512",
            ])
        func interchange(_ method: String) async throws {
            let member = try MemberProcess(arguments: options(method))
            let rival = try Rival.start(arguments: options(method))
            let (ours, theirs) = (try await TestClient(member), try await TestClient(rival))
            for client in [ours, theirs] { try await setUp(client) }
            for signer in [ours, theirs] {
                let token = try await signer.login("alice", "a")
                #expect(token.split(separator: ".").count == 3)
                for checker in [ours, theirs] {
                    #expect(await checker.ask(.range("a1"), token: token).hasPrefix("at "))
                    #expect(
                        await checker.ask(.range("b1"), token: token)
                            == "permissionDenied: etcdserver: permission denied")
                }
            }
            // A change of users makes it void, everywhere.
            let token = try await theirs.login("alice", "a")
            for client in [ours, theirs] {
                let root = try await client.login("root", "r")
                #expect(await client.ask(.roleAdd("new"), token: root).hasPrefix("at "))
                let refusal = await client.ask(.range("a1"), token: token)
                #expect(
                    refusal
                        == (client === ours
                            ? "invalidArgument: etcdserver: revision of auth store is old"
                            // As 3.5.1 puts it.
                            : "unknown: auth: revision in header is old"))
            }
        }

        @Test("EdDSA, which etcd has since 3.6; a public key alone checks and does not sign")
        func verifyOnly() async throws {
            let signer = try MemberProcess(arguments: options("EdDSA"))
            let checker = try MemberProcess(
                arguments: [
                    "--auth-token", "jwt,pub-key=\(file("EdDSA.pub")),sign-method=EdDSA",
                ])
            let (signs, checks) = (try await TestClient(signer), try await TestClient(checker))
            for client in [signs, checks] { try await setUp(client) }
            let token = try await signs.login("alice", "a")
            #expect(await checks.ask(.put("a1"), token: token).hasPrefix("at "))
            #expect(
                await checks.ask(.authenticate("alice", "a"))
                    == "unknown: auth: token signing attempted with verify-only key")
        }

        @Test("A token ends after its ttl; forged ones and those of other keys are refused")
        func ends() async throws {
            let member = try MemberProcess(arguments: options("HS256", ttl: "1s"))
            let client = try await TestClient(member)
            try await setUp(client)
            let token = try await client.login("alice", "a")
            let refusal = "unauthenticated: etcdserver: invalid auth token"
            // Until it has ended, and then never again.
            while await client.ask(.range("a1"), token: token) != refusal {}
            #expect(await client.ask(.range("a1"), token: token) == refusal)
            for bad in ["", "a.b.c", String(repeating: "x", count: 7000), token + "A"] {
                #expect(await client.ask(.range("a1"), token: bad) == refusal)
            }
            let log = member.log.lines.joined(separator: "\n")
            #expect(!log.contains(token), "a token in the log")
        }

        @Test("etcdctl logs in with --user")
        func etcdctl() async throws {
            let member = try MemberProcess(arguments: options("ES256"))
            try await setUp(try await TestClient(member))
            func etcdctl(_ arguments: String...) throws -> ProgramResult {
                try run(
                    "/usr/bin/etcdctl",
                    ["--endpoints", member.endpoint, "--user", "alice:a"] + arguments,
                    environment: ["ETCDCTL_API": "3"])
            }
            #expect(try etcdctl("put", "a1", "x").output == "OK\n")
            #expect(try etcdctl("get", "a1").output == "a1\nx\n")
            #expect(try etcdctl("get", "b").errors.contains("etcdserver: permission denied"))
        }

        @Test("Options that cannot be are refused in etcd's words")
        func refusals() throws {
            let other = file("other.key")
            try openSSL([
                "genpkey", "-out", other, "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048",
            ])
            let (secret, key) = (file("secret"), file("RS.key"))
            for options in [
                "bogus", "jwt", "jwt,foo", "jwt,a=b=c", "jwt,sign-method=RS999",
                "jwt,sign-method=HS256,sign-method=HS256", "jwt,sign-method=HS256",
                "jwt,sign-method=HS256,priv-key=/nowhere", "jwt,sign-method=RS256",
                "jwt,sign-method=HS256,priv-key=\(secret),ttl=soon", "simple,x",
                "jwt,sign-method=ES256,priv-key=\(key)",
                "jwt,sign-method=RS256,pub-key=\(file("ES256.pub"))",
            ] {
                let ours = try MemberProcess(arguments: ["--auth-token", options], starts: false)
                let theirs = try Rival.start(
                    arguments: ["--auth-token", options], starts: false)
                let refusals = try [ours, theirs].map { server in
                    let end = try server.startExpectingRefusal()
                    #expect(end.status != 0)
                    return end.log.map { $0.text("error") }.last { !$0.isEmpty } ?? "none"
                }
                // golang-jwt has changed "Key" to "key" since.
                #expect(refusals[0].lowercased() == refusals[1].lowercased(), "\(options)")
            }
            // Which etcd 3.5.1 takes, and 3.7 does not.
            let pair = "jwt,sign-method=RS256,priv-key=\(other),pub-key=\(file("RS.pub"))"
            let member = try MemberProcess(arguments: ["--auth-token", pair], starts: false)
            #expect(
                try member.startExpectingRefusal().log.last?.text("error")
                    == "auth: public and private keys don't match")
        }
    }
}
