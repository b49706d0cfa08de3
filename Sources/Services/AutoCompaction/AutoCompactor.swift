// Compacts by itself, by the operator's policy, while this member leads.

import API
import Storage

/// What the automatic compaction says of itself. Times in nanoseconds.
public enum AutoCompactionEvent: Hashable, Sendable {
    case starting(Revision)
    case completed(Revision, took: UInt64)
    case failed(Revision, Status, retryAfter: UInt64)
}

/// Proposes compactions. Runs where the applied state runs.
package actor AutoCompactor: ExecutorActor {
    package nonisolated let executor: any ActorExecutor
    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        executor.asUnownedSerialExecutor()
    }
    package typealias Compact =
        @Sendable (Revision, _ done: @escaping @Sendable (Status?) -> Void) -> Void

    private let policy: CompactionPolicy
    private let applier: Applier
    private let compact: Compact
    private let observe: @Sendable (AutoCompactionEvent) -> Void
    private var schedule: CompactionSchedule
    private var timer: (any TimerHandle)?
    private var isStopped = false

    /// - Parameters:
    ///   - compact: proposes a compaction and tells, on `executor`, what came of it.
    ///   - observe: called on `executor`.
    package init(
        _ policy: CompactionPolicy, of applier: Applier, on executor: any ActorExecutor,
        compact: @escaping Compact, observe: @escaping @Sendable (AutoCompactionEvent) -> Void
    ) {
        self.policy = policy
        self.applier = applier
        self.executor = executor
        self.compact = compact
        self.observe = observe
        schedule = CompactionSchedule(policy, now: MonotonicTime(nanoseconds: 0))
    }

    /// Begins to look at the clock.
    package func start() {
        schedule = CompactionSchedule(policy, now: executor.now)
        next()
    }

    package func stop() {
        isStopped = true
        timer?.cancel()
        timer = nil
    }

    private func next() {
        guard !isStopped else { return }
        schedule.sample(revision)
        timer = executor.schedule(afterNanoseconds: policy.interval) { [weak self] in
            self?.assumeIsolated { $0.look() }
        }
    }

    private var revision: Revision {
        applier.enter { applier in applier.store.enter { $0.revision } }
    }

    private func look() {
        timer = nil
        let leads = applier.enter { $0.leader == $0.identity.member }
        guard leads, let due = schedule.due(at: revision, now: executor.now) else { return next() }
        observe(.starting(due))
        let began = executor.now
        compact(due) { [weak self] failure in
            self?.assumeIsolated { $0.finished(due, since: began, failure) }
        }
    }

    private func finished(_ revision: Revision, since began: MonotonicTime, _ failure: Status?) {
        if let failure, failure != .compacted {
            observe(.failed(revision, failure, retryAfter: policy.interval))
        } else {
            schedule.succeeded(revision, now: executor.now)
            observe(.completed(revision, took: executor.now.nanoseconds(since: began)))
        }
        next()
    }
}
