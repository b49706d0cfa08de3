// A member and a real etcd with the same users, who ask both the same.

import API
import Foundation
import Testing

/// Two servers with empty stores. Used from one task at a time.
final class AuthPair {
    let ours: MemberProcess
    let theirs: MemberProcess
    private let ourClient: TestClient
    private let theirClient: TestClient
    /// Of users who have logged in: what each server gave.
    private var tokens: [String: (ours: String, theirs: String)] = [:]

    init(_ arguments: [String] = []) async throws {
        // Hashes that take no time.
        let arguments = ["--bcrypt-cost", "4"] + arguments
        ours = try MemberProcess(arguments: arguments)
        theirs = try Rival.start(arguments: arguments)
        ourClient = try await TestClient(ours)
        theirClient = try await TestClient(theirs)
    }

    /// What both say; without the token that an answer may have, which is another for each.
    func answers(_ call: AuthCall, as user: String? = nil) async -> (ours: String, theirs: String) {
        let token = user.flatMap { tokens[$0] }
        let ours = await ourClient.ask(call, token: token?.ours)
        let theirs = await theirClient.ask(call, token: token?.theirs)
        let isLogin = call.path.hasSuffix("/Authenticate")
        return (Self.comparable(ours, isLogin), Self.comparable(theirs, isLogin))
    }

    private static func comparable(_ answer: String, _ isLogin: Bool) -> String {
        let answer =
            isLogin ? answer.replacing(#/2: "[A-Za-z]{16}\.\d+"/#, with: "a token") : answer
        return OlderWords.now[answer] ?? answer
    }

    /// Asks both and expects the same.
    /// - Returns: what both said.
    @discardableResult
    func same(
        _ call: AuthCall, as user: String? = nil, _ location: SourceLocation = #_sourceLocation
    ) async -> String {
        let answers = await answers(call, as: user)
        #expect(
            answers.ours == answers.theirs, "\(call) by \(user ?? "nobody")",
            sourceLocation: location)
        return answers.ours
    }

    /// Asks Cairn alone.
    func ours(_ call: AuthCall, as user: String? = nil) async -> String {
        await ourClient.ask(call, token: user.flatMap { tokens[$0] }?.ours)
    }

    /// Tokens of `user` for both, or the lack of them.
    func login(_ user: String, _ password: String) async throws {
        tokens[user] = try await (
            ourClient.login(user, password), theirClient.login(user, password)
        )
    }

    /// Turns auth on, with root, and others whose passwords are their names.
    func enable(_ users: String...) async throws {
        await same(.userAdd("root", "root"))
        await same(.grantRole("root", to: "root"))
        for user in users { await same(.userAdd(user, user)) }
        await same(.enable)
        for user in ["root"] + users { try await login(user, user) }
    }
}

/// Errors that etcd 3.5.1 has other words or codes for than 3.7 (reference: errors.tsv).
enum OlderWords {
    static let now = [
        "unknown: auth: revision in header is old":
            "invalidArgument: etcdserver: revision of auth store is old"
    ]
}
