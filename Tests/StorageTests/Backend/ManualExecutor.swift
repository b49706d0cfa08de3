// An executor that does nothing until a test says so, in virtual time, on the test's own thread.

import API

/// `@unchecked Sendable` is sound: each test uses its executors on one thread only.
final class ManualExecutor: ActorExecutor, @unchecked Sendable {
    private var posted: [@Sendable () -> Void] = []
    private var timers: [Timer] = []
    private(set) var now = MonotonicTime(nanoseconds: 0)

    final class Timer: TimerHandle, @unchecked Sendable {
        let due: MonotonicTime
        var work: (() -> Void)?
        init(due: MonotonicTime, work: @escaping () -> Void) {
            self.due = due
            self.work = work
        }
        func cancel() { work = nil }
    }

    /// Work that waits for `run`.
    var backlog: Int { posted.count }
    var isCurrent: Bool { true }
    func checkIsolated() {}

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let executor = asUnownedSerialExecutor()
        posted.append { job.runSynchronously(on: executor) }
    }

    func post(_ work: @escaping @Sendable () -> Void) { posted.append(work) }

    func atTurnEnd(_ phase: TurnPhase, _ work: @escaping () -> Void) {
        preconditionFailure("the store gathers nothing")
    }

    func schedule(
        afterNanoseconds nanoseconds: UInt64, _ work: @escaping () -> Void
    ) -> any TimerHandle {
        let timer = Timer(due: now.advanced(byNanoseconds: nanoseconds), work: work)
        timers.append(timer)
        return timer
    }

    /// Runs what was posted, and what that posts, until nothing is left.
    func run() {
        while !posted.isEmpty { posted.removeFirst()() }
    }

    /// Runs the oldest of what was posted.
    func runOne() {
        if !posted.isEmpty { posted.removeFirst()() }
    }

    /// Forgets all it should have done.
    func die() {
        posted = []
        timers = []
    }

    /// Lets time pass, fires what falls due and runs what it posts.
    func advance(milliseconds: UInt64) {
        now = now.advanced(byNanoseconds: milliseconds * 1_000_000)
        let due = timers.filter { $0.due <= now }
        timers.removeAll { $0.due <= now }
        for timer in due { timer.work?() }
        run()
    }
}
