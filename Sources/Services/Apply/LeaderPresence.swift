// Whether there is a leader, for those who ask on other threads.

import Synchronization

/// Written on the executor of the applied state, read from any thread.
package final class LeaderPresence: Sendable {
    private let flag = Atomic<Bool>(false)

    package internal(set) var hasLeader: Bool {
        get { flag.load(ordering: .relaxed) }
        set { flag.store(newValue, ordering: .relaxed) }
    }
}
