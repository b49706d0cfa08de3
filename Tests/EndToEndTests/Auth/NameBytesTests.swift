// Names of users and roles, and passwords, of any bytes, beside a real etcd.

import API
import Foundation
import Testing

extension EndToEnd {
    @Suite("Names of any bytes")
    struct NameBytesTests {
        private static let names = [
            "a\0b", "a", "\0", "root\0", "ä ö\u{1F511}", "with space", "a/b", "-", "\u{7f}",
            String(repeating: "n", count: 400), "\u{feff}", "e\u{301}", "\u{e9}",
        ]

        /// What a server says to them.
        private func answers(of client: TestClient) async throws -> [String] {
            var answers: [String] = []
            func ask(_ call: AuthCall, token: String? = nil) async {
                let answer = await client.ask(call, token: token)
                answers.append("\(call.path): \(answer)")
            }
            for name in Self.names {
                await ask(.userAdd(name, "password of \(name.unicodeScalars.first!.value)"))
                await ask(.userAdd(name, "again"))
                await ask(.roleAdd(name))
                await ask(.grant(.both, name, role: name))
                await ask(.grantRole(name, to: name))
                await ask(.userGet(name))
                await ask(.roleGet(name))
            }
            await ask(.userList)
            await ask(.roleList)
            await ask(.revokeRole("a\0b", from: "a"))
            await ask(.userDelete("a\0"))
            await ask(.userAdd("root", "root"))
            await ask(.grantRole("root", to: "root"))
            await ask(.enable)
            for name in Self.names {
                let token = try await client.login(
                    name, "password of \(name.unicodeScalars.first!.value)")
                await ask(.put(name), token: token)
                await ask(.put("other"), token: token)
                await ask(.authenticate(name + "\0", "again"))
            }
            return answers
        }

        @Test(
            "are told apart as etcd tells them",
            .enabled(if: Rival.isExpected, Rival.absence))
        func names() async throws {
            let member = try MemberProcess(arguments: ["--bcrypt-cost", "4"])
            let rival = try Rival.start(arguments: ["--bcrypt-cost", "4"])
            let ours = try await answers(of: try await TestClient(member))
            let theirs = try await answers(of: try await TestClient(rival))
            for (own, other) in zip(ours, theirs) { #expect(own == other) }
            #expect(ours.count == theirs.count && ours.contains { $0.contains("denied") })
            // Found again after a start: in the log, and then in the store.
            for signal in [SIGKILL, SIGTERM] {
                member.end(by: signal)
                try member.start()
                let client = try await TestClient(member)
                let token = try await client.login("a\0b", "password of 97")
                #expect(await client.ask(.put("a\0b"), token: token).hasPrefix("at "))
                #expect(await client.ask(.put("a"), token: token).contains("denied"))
            }
        }

        @Test("are UTF-8, and passwords what bcrypt takes whole: others are refused with a reason")
        func refused() async throws {
            let member = try MemberProcess(arguments: ["--bcrypt-cost", "4"])
            let client = try await TestClient(member)
            func add(_ name: [UInt8], _ password: [UInt8]) async -> String {
                await client.ask(
                    AuthCall("Auth/UserAdd") {
                        $0.appendField(1, bytes: name)
                        $0.appendField(2, bytes: password)
                    })
            }
            let x = UInt8(ascii: "x")
            for (name, password) in [([x, 0xff], [x]), ([x], [0xc3])] as [([UInt8], [UInt8])] {
                let answer = await add(name, password)
                #expect(answer.hasPrefix("internal: ") && answer.contains("UTF-8"), "\(answer)")
            }
            // etcd takes it; crypt(5) would stop at the zero byte, and take any other for it.
            #expect(
                await add([x], [x, 0, x])
                    == "invalidArgument: etcdserver: a password with a NUL byte is not supported")
            #expect(
                await add([x], Array(repeating: x, count: 73))
                    == "unknown: bcrypt: password length exceeds 72 bytes")
            #expect(await add([x], Array(repeating: x, count: 72)).hasPrefix("at "))
        }
    }
}
