// Who may call what: all methods there are, by nobody, a user without rights, root, and somebody
// with a token that is none.

import API
import Foundation
import Testing
import Transport

/// What a method asks of its caller, said once more: the product's own table is not looked at.
private enum Access: String {
    /// Whoever it is, and whatever the token.
    case open
    /// Whoever it is, without a bad token.
    case anybody
    /// Some user.
    case user
    /// Some user, who is refused further in when the request is of what is not theirs.
    case keys
    /// Root.
    case root
    /// As `keys`, and each message of the stream is looked at.
    case keysOfEachMessage
    /// Not served yet.
    case unserved
}

private let access: [String: Access] = {
    var access: [String: Access] = [:]
    func add(_ service: String, _ methods: [String: Access]) {
        for (name, rule) in methods { access["/\(service)/\(name)"] = rule }
    }
    add(
        "etcdserverpb.KV",
        [
            "Range": .keys, "RangeStream": .keys, "Put": .keys, "DeleteRange": .keys, "Txn": .keys,
            "Compact": .root,
        ])
    add("etcdserverpb.Watch", ["Watch": .keysOfEachMessage])
    add(
        "etcdserverpb.Lease",
        [
            "LeaseGrant": .user, "LeaseRevoke": .user, "LeaseKeepAlive": .keysOfEachMessage,
            "LeaseTimeToLive": .user, "LeaseLeases": .keys,
        ])
    add(
        "etcdserverpb.Cluster",
        [
            "MemberAdd": .root, "MemberRemove": .root, "MemberUpdate": .root,
            "MemberPromote": .root, "MemberList": .user,
        ])
    add(
        "etcdserverpb.Maintenance",
        [
            // Asks for alarms when it is empty.
            "Alarm": .user, "Status": .user, "Defragment": .root, "Hash": .root, "HashKV": .root,
            "Snapshot": .unserved, "MoveLeader": .root, "Downgrade": .root,
        ])
    add(
        "etcdserverpb.Auth",
        [
            "AuthEnable": .root, "AuthDisable": .root, "AuthStatus": .anybody,
            "Authenticate": .open, "UserAdd": .root, "UserGet": .keys, "UserList": .root,
            "UserDelete": .root, "UserChangePassword": .root, "UserGrantRole": .root,
            "UserRevokeRole": .root, "RoleAdd": .root, "RoleGet": .keys, "RoleList": .root,
            "RoleDelete": .root, "RoleGrantPermission": .root, "RoleRevokePermission": .root,
        ])
    add("v3lockpb.Lock", ["Lock": .keys, "Unlock": .keys])
    add(
        "v3electionpb.Election",
        [
            "Campaign": .keys, "Proclaim": .keys, "Leader": .keys, "Observe": .keys,
            "Resign": .keys,
        ])
    add("grpc.health.v1.Health", ["Check": .open, "Watch": .open, "List": .open])
    return access
}()

/// A line of reference/api-services.tsv.
private struct ServedMethod {
    let path: String
    let streamsRequests: Bool
    let streamsAnswers: Bool

    static let all: [ServedMethod] = {
        let file = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("NodeTests/Reference/api-services.tsv")
        let text = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").dropFirst(2).compactMap { line in
            let cells = line.split(separator: "\t", omittingEmptySubsequences: false)
            guard cells.count > 7 else { return nil }
            return ServedMethod(
                path: String(cells[3]), streamsRequests: cells[6] == "y",
                streamsAnswers: cells[7] == "y")
        }
    }()
}

extension EndToEnd {
    @Suite("Who may call what")
    struct AccessTests {
        private let member: MemberProcess
        private let client: TestClient
        private let tokens: [String: String]

        /// Alice may read and write key `mine`.
        init() async throws {
            member = try MemberProcess(arguments: ["--bcrypt-cost", "4"])
            client = try await TestClient(member)
            for call in [
                AuthCall.userAdd("root", "root"), .grantRole("root", to: "root"),
                .userAdd("alice", "alice"), .roleAdd("hers"), .grant(.both, "mine", role: "hers"),
                .grantRole("hers", to: "alice"), .put("other"), .leaseGrant(7), .leaseGrant(8),
                .put("mine", lease: 7), .put("other", lease: 8), .enable,
            ] { #expect(await client.ask(call).hasPrefix("at ")) }
            tokens = [
                "root": try await client.login("root", "root"),
                "alice": try await client.login("alice", "alice"), "forged": "AAAAAAAAAAAAAAAA.1",
            ]
        }

        @Test("The table has all methods, and no others")
        func isComplete() {
            #expect(ServedMethod.all.count > 40)
            #expect(Set(ServedMethod.all.map(\.path)) == Set(access.keys))
        }

        /// Empty but for names where different calls would wait for each other.
        private func request(_ path: String) -> [UInt8] {
            path.hasPrefix("/v3") ? encoded { $0.appendField(1, string: path) } : []
        }

        /// What an empty request is told for want of rights; nil when that is not what is wrong.
        private func refusal(_ method: ServedMethod, by user: String?) async -> String? {
            let token = user.flatMap { tokens[$0] }
            let metadata = token.map { [(name: "token", value: Array($0.utf8))] } ?? []
            do throws(Status) {
                if method.streamsAnswers {
                    try await client.firstAnswer(
                        method.path, request(method.path), metadata)
                } else {
                    _ = try await client.call(
                        method.path, request(method.path), metadata: metadata)
                }
                return nil
            } catch {
                return Self.refusals.contains(error.message) ? error.message : nil
            }
        }

        private static let refusals: Set<String> = [
            "etcdserver: user name is empty", "etcdserver: permission denied",
            "etcdserver: invalid auth token",
        ]

        @Test("Every method refuses those that the table does not let in, and no others")
        func everyMethod() async throws {
            let (noName, denied) = (
                "etcdserver: user name is empty", "etcdserver: permission denied"
            )
            // After this nobody is asked for anything.
            let last = "/etcdserverpb.Auth/AuthDisable"
            let methods =
                ServedMethod.all.filter { $0.path != last }
                + ServedMethod.all.filter { $0.path == last }
            for method in methods {
                let rule = try #require(access[method.path])
                for user in [nil, "alice", "forged", "root"] {
                    let expected: String? =
                        switch (rule, user) {
                        case (.unserved, _), (.open, _), (_, "root"): nil
                        case (_, "forged"): "etcdserver: invalid auth token"
                        case (.anybody, _): nil
                        case (_, nil): noName
                        case (.root, _): denied
                        default: nil
                        }
                    let refusal = await refusal(method, by: user)
                    // A user to be added has to have a name.
                    if method.path.hasSuffix("/UserAdd"), user == "root" { continue }
                    if rule == .keysOfEachMessage, user != "root" { continue }
                    // With what an empty request asks for, or for what is wrong with it.
                    if rule == .keys, user == "alice", refusal == denied { continue }
                    #expect(refusal == expected, "\(method.path) by \(user ?? "nobody")")
                }
            }
        }

        @Test("Alarms are changed by root alone; one's own user and role are for everybody")
        func exceptions() async throws {
            let denied = "permissionDenied: etcdserver: permission denied"
            func ask(_ call: AuthCall) async -> String {
                await client.ask(call, token: tokens["alice"])
            }
            for action: UInt64 in [1, 2] {
                let change = AuthCall("Maintenance/Alarm") { $0.appendField(1, uint64: action) }
                #expect(await ask(change) == denied)
                // Whatever stands before the action that counts.
                let hidden = AuthCall("Maintenance/Alarm") {
                    $0.appendPresent(1, uint64: 0)
                    $0.appendField(1, uint64: action)
                }
                #expect(await ask(hidden) == denied)
            }
            #expect(await ask(.userGet("alice")).hasPrefix("at "))
            #expect(await ask(.userGet("root")) == denied)
            #expect(await ask(.userGet("none")) == denied)
            #expect(await ask(.roleGet("hers")).hasPrefix("at "))
            #expect(await ask(.roleGet("root")) == denied)
        }

        @Test("A lease is for those who may write all keys on it; its keys for those who may read")
        func leases() async throws {
            let denied = "permissionDenied: etcdserver: permission denied"
            func ask(_ call: AuthCall) async -> String {
                await client.ask(call, token: tokens["alice"])
            }
            #expect(await ask(.leaseRevoke(8)) == denied)
            #expect(await ask(.put("mine", lease: 8)) == denied)
            #expect(await ask(.timeToLive(8, wantsKeys: true)) == denied)
            #expect(await ask(.timeToLive(8, wantsKeys: false)).hasPrefix("at "))
            #expect(await ask(.timeToLive(7, wantsKeys: true)).hasPrefix("at "))
            #expect(await ask(.leases) == denied)
            #expect(await ask(.leaseGrant(9)).hasPrefix("at "))
            #expect(await ask(.put("mine", lease: 9)).hasPrefix("at "))
            #expect(await ask(.leaseRevoke(9)).hasPrefix("at "))
            #expect(await ask(.leaseRevoke(7)).hasPrefix("at "))
            // The renewals are messages of one stream.
            let metadata = [(name: "token", value: Array((tokens["alice"] ?? "").utf8))]
            await #expect(throws: Status.permissionDenied) {
                try await client.firstAnswer(
                    "/etcdserverpb.Lease/LeaseKeepAlive",
                    encoded { $0.appendLeaseRequest(LeaseID(8)) }, metadata)
            }
        }

        @Test("What a transaction does needs what it would need alone, however deep it is")
        func transactions() async throws {
            let denied = "permissionDenied: etcdserver: permission denied"
            let root = tokens["root"]
            #expect(
                await client.ask(.grant(.write, "w", role: "hers"), token: root).hasPrefix("at "))
            func ask(_ call: AuthCall) async -> String {
                await client.ask(call, token: tokens["alice"])
            }
            #expect(await ask(.put("w")).hasPrefix("at "))
            #expect(await ask(.put("w", prevKV: true)) == denied)
            #expect(await ask(.txn(if: ["w"])) == denied)
            #expect(await ask(.txn(if: ["mine"])).hasPrefix("at "))
            let inside: [(AuthCall, Bool)] = [
                (.put("w"), true), (.put("w", prevKV: true), false), (.range("w"), false),
                (.delete("w"), true), (.delete("w", prevKV: true), false), (.put("other"), false),
                (.put("mine", lease: 8), false), (.range("mine"), true),
            ]
            for (call, isAllowed) in inside {
                // In the branch that is not taken, too.
                for txn: AuthCall in [
                    .txn(then: [call]), .txn(else: [call]), .txn(then: [.txn(else: [call])]),
                    .txn(else: [.txn(if: ["mine"], then: [.txn(then: [call])])]),
                ] {
                    let answer = await ask(txn)
                    #expect(isAllowed ? answer.hasPrefix("at ") : answer == denied, "\(txn)")
                }
            }
        }

        @Test("A watcher is for those who may read its range, and ends when they may not any more")
        func watches() async throws {
            let metadata = [(name: "token", value: Array((tokens["alice"] ?? "").utf8))]
            let feed = await WatchFeed(client, metadata: metadata)
            func watch(_ key: String, to end: String = "", id: Int64) -> [UInt8] {
                encoded {
                    $0.appendMessage(1) {
                        $0.appendField(1, string: key)
                        $0.appendField(2, string: end)
                        $0.appendField(7, int64: id)
                    }
                }
            }
            for (key, end) in [("other", ""), ("mine", "minf"), ("a", "\0")] {
                await feed.send(watch(key, to: end, id: 3))
                let answer = try await feed.next().description
                #expect(answer.contains("etcdserver: permission denied"), "\(answer)")
            }
            await feed.send(watch("mine", id: 4))
            let created = try await feed.next().description
            #expect(!created.contains("denied"), "\(created)")
            #expect(await client.ask(.put("mine"), token: tokens["alice"]).hasPrefix("at "))
            let event = try await feed.next().description
            #expect(event.contains("mine"), "\(event)")
            // What is put after that is not told to her.
            let root = tokens["root"]
            #expect(
                await client.ask(.revokeRole("hers", from: "alice"), token: root).hasPrefix("at "))
            #expect(await client.ask(.put("mine", "secret"), token: root).hasPrefix("at "))
            let last = try await feed.next().description
            #expect(last.contains("etcdserver: permission denied"), "\(last)")
            #expect(!last.contains("secret"))
        }

        @Test(
            "A user who is deleted or gets a new password is out at once; so is everybody's token")
        func logout() async throws {
            let root = tokens["root"]
            #expect(await client.ask(.range("mine"), token: tokens["alice"]).hasPrefix("at "))
            #expect(await client.ask(.changePassword("alice", "new"), token: root).hasPrefix("at "))
            let refusal = "unauthenticated: etcdserver: invalid auth token"
            #expect(await client.ask(.range("mine"), token: tokens["alice"]) == refusal)
            let again = try await client.login("alice", "new")
            #expect(await client.ask(.range("mine"), token: again).hasPrefix("at "))
            // Through the other field, as HTTP clients say it.
            let bearer = [(name: "authorization", value: Array("Bearer \(again)".utf8))]
            _ = try await client.call(
                "/etcdserverpb.KV/Range", Range(key: "mine").encoded, metadata: bearer)
            #expect(await client.ask(.userDelete("alice"), token: root).hasPrefix("at "))
            #expect(await client.ask(.range("mine"), token: again) == refusal)
            // Off and on again: everybody has to log in anew.
            #expect(await client.ask(.disable, token: root).hasPrefix("at "))
            #expect(await client.ask(.range("mine"), token: "nonsense").hasPrefix("at "))
            #expect(await client.ask(.enable).hasPrefix("at "))
            #expect(await client.ask(.range("mine"), token: root) == refusal)
        }

        @Test("Neither passwords nor tokens are in the log or on the disk")
        func secrets() async throws {
            let password = "a password like no other"
            #expect(
                await client.ask(.userAdd("carol", password), token: tokens["root"])
                    .hasPrefix("at "))
            let token = try await client.login("carol", password)
            #expect(
                await client.ask(.changePassword("carol", password + "2"), token: tokens["root"])
                    .hasPrefix("at "))
            _ = await client.ask(.range("x"), token: token + "x")
            _ = await client.ask(.authenticate("carol", password + "3"))
            member.end(by: SIGTERM)
            let log = member.log.lines.joined(separator: "\n")
            for secret in [password, token] { #expect(!log.contains(secret)) }
            for folder in [member.walDirectory, member.storeFile.deletingLastPathComponent()] {
                for file in try FileManager.default.contentsOfDirectory(
                    at: folder, includingPropertiesForKeys: nil)
                {
                    let bytes = try Data(contentsOf: file)
                    #expect(bytes.range(of: Data(password.utf8)) == nil, "\(file.path)")
                    // A token's letters are in the entry that made it; no token without its place.
                    #expect(bytes.range(of: Data(token.utf8)) == nil, "\(file.path)")
                }
            }
        }
    }
}

extension TestClient {
    /// The first answer of a streaming call is waited for.
    /// - Throws: the status that ended it before.
    func firstAnswer(
        _ path: String, _ request: [UInt8], _ metadata: [(name: String, value: [UInt8])]
    ) async throws(Status) {
        let end: Status? = await withCheckedContinuation { continuation in
            loop.post { [connection] in
                let first = FirstAnswer { continuation.resume(returning: $0) }
                first.call = connection.streaming(
                    GRPCClientMethod(path),
                    options: GRPCCallOptions(timeout: 1_000_000_000, metadata: metadata),
                    handler: first)
                first.call?.send(request)
                first.call?.halfClose()
            }
        }
        if let end { throw end }
    }
}

/// Waits for the first message of a stream, or its end, and leaves.
private final class FirstAnswer: GRPCClientStreamHandler {
    var call: GRPCClientCall?
    private var answer: ((Status?) -> Void)?

    init(_ answer: @escaping (Status?) -> Void) { self.answer = answer }

    func received(_: UnsafeRawBufferPointer) {
        tell(nil)
        call?.cancel()
    }
    func writable() {}
    func finished(_ end: GRPCCallEnd) { tell(end.status) }

    private func tell(_ status: Status?) {
        answer?(status)
        answer = nil
        call = nil
    }
}
