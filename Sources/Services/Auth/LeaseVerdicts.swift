// What was found when all keys of a large lease were compared with somebody's rights: a lease is
// renewed far more often than its keys change.

import API

/// The last verdicts, while users and roles stay as they are. Confined to the executor of the applied
/// state.
struct LeaseVerdicts {
    struct Question: Hashable {
        let lease: LeaseID
        let user: AuthName
        let writes: Bool
    }

    private struct Verdict {
        /// Of the keys (`AttachedKeys.version`).
        let version: UInt64
        let refusal: Status?
    }

    /// Keys beyond which a verdict is kept: fewer are compared as quickly.
    static let fromCount = 64
    private static let limit = 4096
    private var verdicts: [Question: Verdict] = [:]

    enum Known {
        case allowed
        case refused(Status)
    }

    /// - Returns: nil when it is not known.
    func verdict(on question: Question, version: UInt64) -> Known? {
        guard let verdict = verdicts[question], verdict.version == version else { return nil }
        return verdict.refusal.map(Known.refused) ?? .allowed
    }

    mutating func keep(_ refusal: Status?, on question: Question, version: UInt64) {
        if verdicts.count >= Self.limit { verdicts = [:] }
        verdicts[question] = Verdict(version: version, refusal: refusal)
    }

    /// Users or roles have changed, or the state is another.
    mutating func forget() { verdicts = [:] }
}
