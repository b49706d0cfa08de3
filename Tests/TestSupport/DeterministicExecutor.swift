// One thread, virtual time, a fixed order: an ActorExecutor for tests of actors in isolation.
//
// Nothing runs by itself. A test posts or enters work, then says how far the world goes on:
// `runUntilIdle` for everything that is due now, `advance` for time. Jobs of actors, posted
// closures and turn ends run exactly as on an event loop: one turn takes what is queued, then the
// gathering, then the transmitting part of the turn's end.

import API

/// Unchecked: confined to the thread of the test that made it; nothing else ever enters it.
public final class DeterministicExecutor: ActorExecutor, @unchecked Sendable {
    private enum Work {
        case job(UnownedJob)
        case closure(() -> Void)
    }

    private final class Timer: TimerHandle, @unchecked Sendable {
        let due: UInt64
        let order: Int
        var work: (() -> Void)?
        init(due: UInt64, order: Int, work: @escaping () -> Void) {
            self.due = due
            self.order = order
            self.work = work
        }
        func cancel() { work = nil }
    }

    private var queue: [Work] = []
    private var slices: [() -> Void] = []
    private var gathers: [() -> Void] = []
    private var transmits: [() -> Void] = []
    private var timers: [Timer] = []
    private var timersMade = 0
    private var depth = 0
    private var time: UInt64 = 1_000_000_000
    /// Whether slices of long work wait for `runSlice`, so that a test can act in between.
    public var holdsSlices = false {
        didSet { if !holdsSlices { runUntilIdle() } }
    }
    /// Turns that had something to do.
    public private(set) var turns = 0

    public init() {}

    // MARK: What the test does

    /// Runs `work` as part of a turn of its own, turn end included, and what follows at once.
    public func turn<Result>(_ work: () throws -> Result) rethrows -> Result {
        depth += 1
        defer {
            endTurn()
            depth -= 1
            runUntilIdle()
        }
        return try work()
    }

    /// Turn after turn until nothing is queued. Time stands still.
    public func runUntilIdle() {
        while true {
            if !queue.isEmpty || !gathers.isEmpty || !transmits.isEmpty {
                runTurn()
            } else if holdsSlices || depth > 0 || slices.isEmpty {
                return
            } else {
                queue.append(.closure(slices.removeFirst()))
            }
        }
    }

    private func runTurn() {
        depth += 1
        turns += 1
        let now = queue
        queue = []
        for work in now { run(work) }
        endTurn()
        depth -= 1
    }

    /// Runs one slice of long work in a turn of its own, and what follows. False if none waits.
    @discardableResult
    public func runSlice() -> Bool {
        guard !slices.isEmpty else { return false }
        turn(slices.removeFirst())
        return true
    }

    /// Lets time pass, and all timers fire that fall due, each at its moment.
    public func advance(byNanoseconds nanoseconds: UInt64) {
        let end = time + nanoseconds
        runUntilIdle()
        while let next = timers.min(by: { ($0.due, $0.order) < ($1.due, $1.order) }),
            next.due <= end
        {
            time = max(time, next.due)
            timers.removeAll { $0 === next }
            turn { next.work?() }
        }
        time = end
    }

    public func advance(byMilliseconds milliseconds: UInt64) {
        advance(byNanoseconds: milliseconds * 1_000_000)
    }

    /// The process dies: nothing that waits is ever run, and nothing is held by it.
    public func die() {
        queue = []
        slices = []
        gathers = []
        transmits = []
        for timer in timers { timer.cancel() }
        timers = []
    }

    private func run(_ work: Work) {
        switch work {
        case .job(let job): job.runSynchronously(on: asUnownedSerialExecutor())
        case .closure(let closure): closure()
        }
    }

    private func endTurn() {
        while !gathers.isEmpty || !transmits.isEmpty {
            if gathers.isEmpty {
                transmits.removeFirst()()
            } else {
                gathers.removeFirst()()
            }
        }
    }

    // MARK: ActorExecutor

    public var isCurrent: Bool { depth > 0 }

    public func checkIsolated() {
        precondition(isCurrent, "an actor of this executor was entered from outside")
    }

    public func enqueue(_ job: consuming ExecutorJob) { queue.append(.job(UnownedJob(job))) }

    public func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        UnownedSerialExecutor(ordinary: self)
    }

    public func asUnownedTaskExecutor() -> UnownedTaskExecutor {
        UnownedTaskExecutor(ordinary: self)
    }

    public func post(_ work: @escaping @Sendable () -> Void) { queue.append(.closure(work)) }

    public func postSlice(_ work: @escaping @Sendable () -> Void) {
        precondition(isCurrent, "postSlice from outside")
        slices.append(work)
    }

    public func atTurnEnd(_ phase: TurnPhase, _ work: @escaping () -> Void) {
        precondition(isCurrent, "atTurnEnd from outside")
        switch phase {
        case .gather: gathers.append(work)
        case .transmit: transmits.append(work)
        }
    }

    public var now: MonotonicTime { MonotonicTime(nanoseconds: time) }

    @discardableResult
    public func schedule(afterNanoseconds nanoseconds: UInt64, _ work: @escaping () -> Void)
        -> any TimerHandle
    {
        precondition(isCurrent, "schedule from outside")
        timersMade += 1
        let timer = Timer(due: time + nanoseconds, order: timersMade, work: work)
        timers.append(timer)
        return timer
    }
}
