// Users, roles and what they may do: a member says what a real etcd says.

import API
import Foundation
import Testing

extension EndToEnd {
    @Suite("Users and roles beside etcd 3.5", .enabled(if: Rival.isExpected, Rival.absence))
    struct AuthDifferentialTests {
        @Test("Users and roles are made, changed and asked for, before auth is on and after")
        func administration() async throws {
            let pair = try await AuthPair()
            let odd = "\u{1}\u{7f}é/ \"'"
            let calls: [AuthCall] = [
                .status, .enable, .disable, .userList, .roleList, .authenticate("root", "root"),
                .userAdd(""), .userAdd("", "x"), .userAdd("a", "a"), .userAdd("a", "a"),
                .userAdd("b"), .userAdd(odd, odd), .userAddWithoutPassword("cert"),
                .userAddWithoutPassword("cert"), .userGet("a"), .userGet("none"), .userGet(""),
                .roleAdd(""), .roleAdd("r"), .roleAdd("r"), .roleAdd(odd), .roleGet("r"),
                .roleGet("none"), .roleGet(""), .roleGet("root"), .grantRole("r", to: "a"),
                .grantRole("r", to: "a"), .grantRole("none", to: "a"), .grantRole("r", to: "none"),
                .grantRole("root", to: "a"), .grantRole("", to: "a"), .grantRole(odd, to: odd),
                .userGet("a"), .userGet(odd), .status,
            ]
            for call in calls { await pair.same(call) }
            await permissions(pair)
            let changes: [AuthCall] = [
                .revokeRole("none", from: "a"), .revokeRole("r", from: "none"),
                .revokeRole("r", from: "b"), .revokeRole("root", from: "a"), .userGet("a"),
                .changePassword("none", "x"), .changePassword("b", "b"), .changePassword("b", ""),
                .changePassword("cert", "x"), .userDelete("none"), .userDelete(""),
                .roleDelete("none"), .roleDelete(""), .roleDelete("root"), .status,
                // Not without user and role root.
                .enable, .userAdd("root", "root"), .enable, .grantRole("root", to: "root"),
                .roleDelete("r"), .userGet("a"), .userList, .roleList, .status, .enable, .enable,
                .authenticate("root", "wrong"), .authenticate("root", ""),
                .authenticate("none", "x"), .authenticate("", ""), .authenticate("b", ""),
                .authenticate("b", "b"), .authenticate("cert", "x"), .authenticate(odd, odd),
                .authenticate("root", "root"),
            ]
            for call in changes { await pair.same(call) }
            try await pair.login("root", "root")
            for call in calls + changes where !call.path.hasSuffix("AuthDisable") {
                await pair.same(call, as: "root")
                // What they change makes tokens no worse, but those of the user.
                if await pair.same(.userList, as: "root").hasPrefix("unauthenticated") {
                    try await pair.login("root", "root")
                }
            }
            let guarded: [AuthCall] = [
                .userDelete("root"), .revokeRole("root", from: "root"), .roleDelete("root"),
                .roleAdd("root"), .roleDelete("root"), .changePassword("root", "new"), .userList,
            ]
            for call in guarded { await pair.same(call, as: "root") }
            await pair.same(.authenticate("root", "root"))
            try await pair.login("root", "new")
            await pair.same(.disable, as: "root")
            for call: AuthCall in [.status, .userList, .enable] { await pair.same(call) }
            await pair.same(.userList, as: "root")
        }

        /// Every shape of a permission, granted, changed, asked for and taken.
        private func permissions(_ pair: AuthPair) async {
            // A key each: etcd 3.5.1 mixes those of one key up.
            let shapes: [(String, String)] = [
                ("k", ""), ("l", "m"), ("n", "\0"), ("\0", "\0"), ("a", "b"), ("k\0", ""),
                ("o", "o\0"),
            ]
            for role in ["r", "none", "root", ""] {
                for (key, end) in shapes {
                    for right: UInt64 in [0, 2, 1, 1] {
                        await pair.same(.grant(right, key, to: end, role: role))
                    }
                }
                await pair.same(.roleGet(role))
                for (key, end) in shapes.prefix(6) + [("x", "")] {
                    await pair.same(.revoke(key, to: end, role: role))
                }
                await pair.same(.roleGet(role))
            }
            await pair.same(.status)
        }

        @Test("Who is nobody, a user without rights, or root, hears the same")
        func methods() async throws {
            let pair = try await AuthPair()
            await pair.same(.put("seen", "x"))
            await pair.same(.leaseGrant(7))
            try await pair.enable("alice")
            let lock: (inout ByteBuffer) -> Void = { $0.appendField(1, string: "l") }
            // What 3.5.1 asks nobody for, and 3.7 does, is in the table of AccessTests.
            let calls: [AuthCall] = [
                .range("seen"), .range("seen", isSerializable: true), .put("a"),
                .put("a", lease: 99), .delete("a"), .delete("a", to: "b"), .txn(if: ["a"]),
                .txn(then: [.put("a")]), .txn(else: [.range("a")]), .authenticate("alice", "x"),
                .authenticate("alice", "alice"), .userList, .roleList, .userAdd("x", "x"),
                .userDelete("x"), .roleAdd("x"), .roleDelete("x"), .userGet("alice"),
                .userGet("root"), .userGet("none"), .roleGet("root"), .roleGet("none"),
                .grantRole("x", to: "x"), .revokeRole("x", from: "x"),
                .grant(.read, "x", role: "x"), .revoke("x", role: "x"), .enable,
                AuthCall("Cluster/MemberRemove"), AuthCall("Cluster/MemberUpdate"),
                AuthCall("/v3lockpb.Lock/Unlock", "l", lock),
                AuthCall("/v3electionpb.Election/Leader", "l", lock),
            ]
            for user in [nil, "alice", "root"] {
                for call in calls { await pair.same(call, as: user) }
            }
            for path in ["/v3lockpb.Lock/Lock", "/v3electionpb.Election/Campaign"] {
                for user in [nil, "alice"] { await pair.same(AuthCall(path, "l", lock), as: user) }
            }
            await pair.same(.disable, as: "alice")
            await pair.same(.disable, as: "root")
            for call in calls.prefix(9) { await pair.same(call) }
        }

        @Test("Permissions are granted only for ranges that are some (etcd 3.5.1 takes any)")
        func strictRanges() async throws {
            let pair = try await AuthPair()
            let invalid = "invalidArgument: etcdserver: invalid auth management"
            #expect(await pair.ours(.roleAdd("r")).hasPrefix("at "))
            for (key, end) in [("k", "k"), ("l", "k"), ("", ""), ("", "\0"), ("", "z")] {
                #expect(await pair.ours(.grant(.read, key, to: end, role: "r")) == invalid)
            }
            #expect(
                await pair.ours(.grant(nil, "", role: "r"))
                    == "invalidArgument: etcdserver: permission not given")
        }
    }
}
