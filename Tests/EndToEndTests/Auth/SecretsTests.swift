// What must be told to nobody: passwords, tokens and the keys that sign them. Looked for in all that
// a member says and keeps.

import API
import Foundation
import Testing

extension EndToEnd {
    @Suite("Secrets")
    struct SecretsTests {
        /// The file of the key that signs tokens.
        private let folder: TemporaryDirectory
        private static let signingKey = "signs-tokens-and-is-like-no-other-5c1f"

        init() throws {
            folder = try TemporaryDirectory()
            try Data(Self.signingKey.utf8).write(
                to: folder.url.appendingPathComponent("secret"))
        }

        @Test(
            "are in no log, metric, error, or file of a member", arguments: ["simple", "jwt"])
        func nowhere(_ kind: String) async throws {
            let method = "jwt,sign-method=HS256,priv-key=\(folder.path)/secret"
            let member = try MemberProcess(
                arguments: [
                    "--bcrypt-cost", "4", "--log-level", "debug", "--auth-token",
                    kind == "jwt" ? method : "simple",
                ])
            let client = try await TestClient(member)
            let root = "password-of-root-like-no-other-91b7"
            let carol = "password-of-carol-like-no-other-c44e"
            let wrong = "password-of-nobody-like-no-other-07ad"
            var heard: [String] = []
            func ask(_ call: AuthCall, token: String? = nil) async {
                heard.append(await client.ask(call, token: token))
            }
            await ask(.userAdd("root", root))
            await ask(.grantRole("root", to: "root"))
            await ask(.enable)
            var rootToken = try await client.login("root", root)
            await ask(.userAdd("carol", carol), token: rootToken)
            await ask(.userAdd("carol", carol), token: rootToken)
            rootToken = try await client.login("root", root)
            let token = try await client.login("carol", carol)
            let tokens = [rootToken, token]
            // All that is refused, with secrets in it.
            await ask(.authenticate("carol", wrong))
            await ask(.authenticate("nobody", wrong))
            await ask(.changePassword("nobody", carol), token: rootToken)
            await ask(.changePassword("carol", carol + "\0" + wrong), token: rootToken)
            await ask(.changePassword("carol", wrong + String(repeating: "x", count: 72)))
            await ask(.changePassword("carol", carol), token: token)
            await ask(.range("a"), token: token + "x")
            await ask(.range("a"), token: "Bearer " + token)
            await ask(.put("a"), token: token)
            // What is no message, with a password in it.
            let garbage = AuthCall("Auth/UserAdd") {
                $0.appendField(1, string: carol)
                $0.appendField(2, bytes: Array(carol.utf8) + [0xff])
            }
            await ask(garbage, token: rootToken)
            let metrics = try run(
                "/usr/bin/curl", ["-sS", "http://\(member.endpoint)/metrics"])
            let variables = try run(
                "/usr/bin/curl", ["-sS", "http://\(member.endpoint)/debug/vars"])
            #expect(metrics.output.contains("cairn_auth_password_hashes_total"))
            #expect(variables.output.contains("\"raft.status\": {"))
            await ask(.changePassword("carol", carol + "2"), token: rootToken)
            member.end(by: SIGTERM)

            let secrets = [root, carol, wrong, Self.signingKey] + tokens
            let told = [
                "log": member.log.lines.joined(separator: "\n"), "metrics": metrics.output,
                "variables": variables.output, "answers": heard.joined(separator: "\n"),
            ]
            #expect(told["log"]?.isEmpty == false && heard.count > 10)
            for (place, text) in told.sorted(by: { $0.key < $1.key }) {
                for secret in secrets { #expect(!text.contains(secret), "\(place)") }
            }
            for file in try files(below: member.dataDirectory) {
                let bytes = try Data(contentsOf: file)
                for secret in secrets {
                    #expect(bytes.range(of: Data(secret.utf8)) == nil, "\(file.path)")
                }
            }
        }

        private func files(below folder: URL) throws -> [URL] {
            let paths = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
            let files = paths.map { folder.appendingPathComponent($0) }.filter {
                var isFolder: ObjCBool = false
                let exists = FileManager.default.fileExists(
                    atPath: $0.path, isDirectory: &isFolder)
                return exists && !isFolder.boolValue
            }
            try #require(files.contains { $0.pathExtension == "wal" })
            try #require(files.contains { $0.lastPathComponent == "cairn.mdb" })
            return files
        }
    }
}
