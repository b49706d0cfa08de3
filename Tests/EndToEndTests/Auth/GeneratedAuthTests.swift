// Users, roles, ranges and operations by chance: a member, a real etcd and a model agree on who may
// do what.

import API
import TestSupport
import Testing

/// What comes next, from a seed.
private struct AuthGenerator {
    private let random: SeededRandom
    var model = PermissionModel()
    static let users = ["u0", "u1", "u2", "u3"]
    static let roles = ["r0", "r1", "r2"]
    private static let letters = ["a", "b", "c", "d", "e", "f"]

    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    func below(_ limit: Int) -> Int { Int(random.next() % UInt64(limit)) }
    func pick<Element>(_ all: [Element]) -> Element { all[below(all.count)] }

    func range() -> ModelRange {
        let key = pick(Self.letters)
        let behind = Self.letters.filter { $0 > key } + ["g"]
        return ModelRange(key: key, end: pick(["", "", "\0", key + "\0"] + behind))
    }

    /// A change by root, which the model learns.
    mutating func change() -> AuthCall {
        let (role, user) = (pick(Self.roles), pick(Self.users))
        // One range for each key of a role: etcd 3.5.1 mixes those of one key up.
        let chosen = range()
        let range = model.roles[role]?.keys.first { $0.key == chosen.key } ?? chosen
        switch below(8) {
        case 0...3:
            let right = pick(AuthCall.Right.allCases)
            model.roles[role]?[range] = right.rawValue
            return .grant(right, range.key, to: range.end, role: role)
        case 4:
            let known = (model.roles[role] ?? [:]).keys
                .sorted { ($0.key, $0.end) < ($1.key, $1.end) }
            let gone = known.isEmpty ? range : pick(known)
            model.roles[role]?[gone] = nil
            return .revoke(gone.key, to: gone.end, role: role)
        case 5, 6:
            if model.roles[role] != nil { model.users[user]?.insert(role) }
            return .grantRole(role, to: user)
        default:
            model.users[user]?.remove(role)
            return .revokeRole(role, from: user)
        }
    }

    /// A call, and what it needs.
    func operation() -> (call: AuthCall, needs: [(range: ModelRange, writes: Bool)]) {
        guard below(3) == 0 else { return simple() }
        let compares = (0..<below(3)).map { _ in pick(Self.letters) }
        let success = (0..<below(3)).map { _ in simple(isInside: true) }
        let failure = (0..<below(3)).map { _ in simple(isInside: true) }
        var needs = compares.map { (range: ModelRange(key: $0, end: ""), writes: false) }
        needs += (success + failure).flatMap(\.needs)
        return (.txn(if: compares, then: success.map(\.call), else: failure.map(\.call)), needs)
    }

    /// - Parameter isInside: of a transaction. Of a put in one, etcd 3.5.1 shows the pair before to
    ///   whoever may write.
    private func simple(
        isInside: Bool = false
    ) -> (call: AuthCall, needs: [(range: ModelRange, writes: Bool)]) {
        let (range, kind) = (range(), below(4))
        let prevKV = below(2) == 0 && !(isInside && kind == 0)
        let one = ModelRange(key: range.key, end: "")
        switch kind {
        case 0:
            return (
                .put(range.key, prevKV: prevKV),
                [(one, true)] + (prevKV ? [(range: one, writes: false)] : [])
            )
        case 1:
            return (
                .delete(range.key, to: range.end, prevKV: prevKV),
                [(range, true)] + (prevKV ? [(range: range, writes: false)] : [])
            )
        default:
            return (
                .range(range.key, to: range.end, isSerializable: below(2) == 0), [(range, false)]
            )
        }
    }
}

extension EndToEnd {
    @Suite("Generated rights beside etcd 3.5", .enabled(if: Rival.isExpected, Rival.absence))
    struct GeneratedAuthTests {
        @Test("Each is refused what the model says, and nothing else", arguments: UInt64(1)...4)
        func generated(_ seed: UInt64) async throws {
            var generator = AuthGenerator(seed: seed)
            let pair = try await AuthPair()
            for user in AuthGenerator.users {
                generator.model.users[user] = []
                await pair.same(.userAdd(user, user))
            }
            for role in AuthGenerator.roles {
                generator.model.roles[role] = [:]
                await pair.same(.roleAdd(role))
            }
            try await pair.enable()
            for user in AuthGenerator.users { try await pair.login(user, user) }
            var (allowed, refused) = (0, 0)
            for step in 0..<400 {
                if step < 12 || generator.below(6) == 0 {
                    await pair.same(generator.change(), as: "root")
                    continue
                }
                let user = generator.below(12) == 0 ? "root" : generator.pick(AuthGenerator.users)
                let (call, needs) = generator.operation()
                let answer = await pair.same(call, as: user)
                // Which is seen before who asks for it.
                if answer.contains("duplicate key") { continue }
                let isAllowed = generator.model.may(user, needs)
                #expect(
                    (answer == "permissionDenied: etcdserver: permission denied") == !isAllowed,
                    "seed \(seed), step \(step): \(call) by \(user): \(answer)")
                if isAllowed { allowed += 1 } else { refused += 1 }
            }
            // Both are looked at.
            #expect(allowed > 40 && refused > 40, "\(allowed) allowed, \(refused) refused")
        }
    }
}
