// What every call asks first, for those who ask on other threads: whether there is a leader, and
// whether this member may serve at all.

import Synchronization

/// Written on the executor of the applied state, read from any thread.
package final class MemberPresence: Sendable {
    private let leaderFlag = Atomic<Bool>(false)
    private let learnerFlag = Atomic<Bool>(false)

    package internal(set) var hasLeader: Bool {
        get { leaderFlag.load(ordering: .relaxed) }
        set { leaderFlag.store(newValue, ordering: .relaxed) }
    }

    /// A learner serves next to nothing: it may lag behind.
    package internal(set) var isLearner: Bool {
        get { learnerFlag.load(ordering: .relaxed) }
        set { learnerFlag.store(newValue, ordering: .relaxed) }
    }
}
