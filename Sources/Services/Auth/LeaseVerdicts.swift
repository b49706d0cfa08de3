// What was found when all keys of a large lease were compared with somebody's rights: a lease is
// renewed far more often than its keys change, and when they do, few do.

import API

/// The last verdicts, while users and roles stay as they are. Confined to the executor of the applied
/// state.
struct LeaseVerdicts {
    struct Question: Hashable {
        let lease: LeaseID
        let user: AuthName
        let writes: Bool
    }

    enum Verdict {
        /// Of all keys that were attached up to a version (`AttachedKeys.version`): those that are
        /// gone since make no difference.
        case permitted(through: UInt64)
        /// For the sake of one key, as long as the lease has it.
        case refused([UInt8], Status)
    }

    /// Keys beyond which a verdict is kept: fewer are compared as quickly.
    static let fromCount = 64
    private static let limit = 4096
    private var verdicts: [Question: Verdict] = [:]

    subscript(question: Question) -> Verdict? { verdicts[question] }

    mutating func keep(_ verdict: Verdict, on question: Question) {
        if verdicts.count >= Self.limit { verdicts = [:] }
        verdicts[question] = verdict
    }

    /// Users or roles have changed, or the state is another.
    mutating func forget() { verdicts = [:] }

    // MARK: Questions that take long

    /// Who waits for what another finds out.
    private var waiting: [Question: [@Sendable () -> Void]] = [:]
    private var waitingCount = 0
    private static let waitingLimit = 10_000

    /// - Returns: whether nobody is at it yet.
    mutating func begin(_ question: Question) -> Bool {
        guard waiting[question] == nil else { return false }
        waiting[question] = []
        return true
    }

    /// - Returns: false when too many wait.
    mutating func wait(for question: Question, _ then: @escaping @Sendable () -> Void) -> Bool {
        guard waitingCount < Self.waitingLimit else { return false }
        waiting[question]?.append(then)
        waitingCount += 1
        return true
    }

    /// - Returns: who has waited.
    mutating func end(_ question: Question) -> [@Sendable () -> Void] {
        let waiters = waiting.removeValue(forKey: question) ?? []
        waitingCount -= waiters.count
        return waiters
    }
}
