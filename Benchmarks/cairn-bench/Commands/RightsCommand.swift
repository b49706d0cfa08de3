// What a request pays for the question whether its user may: the picture of users and rights that
// all threads read, asked as the services ask it.

import API
import ArgumentParser
import Foundation
import Services

struct RightsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rights",
        abstract: "Weighs the check of a user's permission, without a server.")

    @Option(help: "Users there are.")
    var users = 100

    @Option(help: "Roles there are; each user has all of them.")
    var roles = 100

    @Option(help: "Ranges of keys that a role permits.")
    var ranges = 10

    @Option(help: "Checks of each kind.")
    var checks = 2_000_000

    func run() throws {
        guard users > 0, roles > 0, ranges > 0, checks > 0 else {
            throw ValidationError("all counts must be at least 1")
        }
        let board = AuthBoard(AuthView(state()), AuthSettings())
        // The user's ranges are merged when they are first asked for.
        let begin = monotonicNanoseconds()
        _ = refusal(board, user: AuthName("u0"), key(role: 0, range: 0))
        let first = monotonicNanoseconds() - begin
        let allowed = nanoseconds(board, key)
        let refused = nanoseconds(board) { role, range in Array("none\(role)/\(range)/k".utf8) }
        print(
            "users \(users), roles of a user \(roles), ranges of a role \(ranges): "
                + "permitted \(Int(allowed)) ns, refused \(Int(refused)) ns; "
                + "the first check of a user, which merges the ranges, \(first / 1000) us")
    }

    private func state() -> AuthState {
        let names = (0..<roles).map { AuthName("r\($0)") }
        return AuthState(
            isEnabled: true, revision: 2,
            users: (0..<users).map { AuthUser(name: AuthName("u\($0)"), roles: names) },
            roles: names.indices.map { role in
                AuthRole(
                    name: names[role],
                    permissions: (0..<ranges).map { range in
                        // Ranges that do not touch: none are merged.
                        let prefix = Array("role\(role)/\(range)/".utf8)
                        return Permission(
                            kind: 2, key: prefix,
                            rangeEnd: prefix.dropLast() + [UInt8(ascii: "/") + 1])
                    })
            })
    }

    private func key(role: Int, range: Int) -> [UInt8] { Array("role\(role)/\(range)/key".utf8) }

    /// As a Range or a Put asks: the view of this moment, the user's access, the key.
    @inline(never)
    private func refusal(_ board: AuthBoard, user: AuthName, _ key: [UInt8]) -> Status? {
        let access = board.view.keyAccess(of: Principal(user: user, revision: 2))
        return key.withUnsafeBytes { access.refusalToWrite($0) }
    }

    private func nanoseconds(_ board: AuthBoard, _ key: (Int, Int) -> [UInt8]) -> Double {
        let names = (0..<users).map { AuthName("u\($0)") }
        let keys = (0..<4096).map { number in
            let mixed = number &* 7919
            return key(mixed % roles, mixed / roles % ranges)
        }
        // All users' ranges are merged beforehand.
        for name in names { _ = refusal(board, user: name, keys[0]) }
        var refusals = 0
        let begin = monotonicNanoseconds()
        for number in 0..<checks {
            let user = names[number &* 31 % users]
            if refusal(board, user: user, keys[number & 4095]) != nil { refusals += 1 }
        }
        let spent = monotonicNanoseconds() - begin
        precondition(refusals == 0 || refusals == checks, "some checks went wrong")
        return Double(spent) / Double(checks)
    }
}
