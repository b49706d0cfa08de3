// Who may do what, said once more and simply: keys are the letters a to f, and every range is looked
// at letter by letter.

/// A range of keys. As in requests, an empty end is the one key and a zero byte no end.
struct ModelRange: Hashable, Sendable {
    let key: String
    let end: String

    /// Between each letter and the next there are two places: the letter itself, and all keys that
    /// begin with it. The last place is all behind the letters.
    var places: Swift.Range<Int> {
        let start = Self.place(key)
        switch end {
        case "": return start..<start + 1
        case "\0": return start..<Self.count
        default: return start..<max(start, Self.place(end))
        }
    }

    private static let letters = Array("abcdef")
    static let count = 2 * letters.count + 1

    private static func place(_ key: String) -> Int {
        // Only an end is no letter of these: the one behind them.
        let letter = key.first.flatMap { letters.firstIndex(of: $0) } ?? letters.count
        return 2 * letter + (key.count > 1 ? 1 : 0)
    }
}

/// What users may do.
struct PermissionModel: Sendable {
    /// 0 reading, 1 writing, 2 both.
    var roles: [String: [ModelRange: UInt64]] = [:]
    var users: [String: Set<String>] = [:]

    func may(_ user: String, _ needs: [(range: ModelRange, writes: Bool)]) -> Bool {
        if user == "root" { return true }
        return needs.allSatisfy { need in
            let permitted = Set(
                (users[user] ?? []).sorted().flatMap { role in
                    (roles[role] ?? [:]).filter { $0.value == 2 || ($0.value == 1) == need.writes }
                        .flatMap { $0.key.places }
                })
            return need.range.places.allSatisfy(permitted.contains)
        }
    }
}
