// An executor of a simulated host: turns as those of an event loop, run when the kernel says so.
//
// What blocks in the kernel of a real machine (a sync) takes virtual time: this executor does not
// run until it is over, and what the turn said to other executors reaches them only then.

import API

/// `@unchecked Sendable`: the world has one thread.
final class SimTimer: TimerHandle, @unchecked Sendable {
    private var work: (() -> Void)?
    var isSet: Bool { work != nil }

    init(_ work: @escaping () -> Void) { self.work = work }

    func cancel() { work = nil }

    func fire() {
        let work = work
        self.work = nil
        work?()
    }
}

/// `@unchecked Sendable`: the world has one thread.
final class SimExecutor: ActorExecutor, @unchecked Sendable {
    private enum Work {
        case job(UnownedJob)
        case closure(() -> Void)
        case timer(SimTimer)
    }

    /// At the end of a turn: a bare closure in an array would be packed into another.
    private struct LastWork {
        let run: () -> Void
    }

    let host: SimHost
    let number: Int
    private let kernel: SimKernel
    private var queue: [Work] = []
    private var spare: [Work] = []
    private var slices: [() -> Void] = []
    private var gathers: [LastWork] = []
    private var transmits: [LastWork] = []
    /// Empty, with room.
    private var lastSpare: [LastWork] = []
    private var isQueued = false
    private var isDead = false
    /// How long a turn in which something is done blocks its thread, where turns do.
    var turnTime: (() -> UInt64)?
    /// Until when its thread is blocked, in the world's time.
    private(set) var busyUntil: UInt64 = 0

    init(_ number: Int, on host: SimHost) {
        self.number = number
        self.host = host
        kernel = host.kernel
        host.add(self)
    }

    // MARK: What the kernel does

    func runTurn() {
        isQueued = false
        guard canRun else { return }
        let outer = kernel.current
        kernel.current = self
        var isOver = true
        if host.mayEndInTurn { isOver = TurnThread.run(turn) } else { turn() }
        kernel.current = outer
        guard isOver else { return }
        if busyUntil > kernel.time {
            kernel.at(busyUntil, .wake(self))
        } else {
            checkRunnable()
        }
    }

    private func turn() {
        // What it says to others reaches them when the time is over.
        if let turnTime { block(turnTime()) }
        swap(&queue, &spare)
        for work in spare where !isDead { run(work) }
        spare.removeAll(keepingCapacity: true)
        if !slices.isEmpty, !isDead, queue.isEmpty { slices.removeFirst()() }
        endTurn()
    }

    /// Runs `body` as a turn of this executor, at once: where the world reaches in.
    func enter<Result>(_ body: () throws -> Result) rethrows -> Result {
        if kernel.current === self { return try body() }
        let outer = kernel.current
        kernel.current = self
        defer {
            endTurn()
            kernel.current = outer
            if busyUntil > kernel.time { kernel.at(busyUntil, .wake(self)) }
        }
        return try body()
    }

    private func endTurn() {
        while !gathers.isEmpty || !transmits.isEmpty {
            if isDead {
                gathers = []
                transmits = []
            } else if gathers.isEmpty {
                let now = take(&transmits)
                for place in now.indices {
                    now[place].run()
                    if !gathers.isEmpty {
                        transmits.insert(contentsOf: now[(place + 1)...], at: 0)
                        break
                    }
                }
                giveBack(now)
            } else {
                let now = take(&gathers)
                for work in now { work.run() }
                giveBack(now)
            }
        }
    }

    private func take(_ works: inout [LastWork]) -> [LastWork] {
        let taken = works
        works = lastSpare
        lastSpare = []
        return taken
    }

    private func giveBack(_ works: consuming [LastWork]) {
        works.removeAll(keepingCapacity: true)
        lastSpare = works
    }

    private func run(_ work: Work) {
        switch work {
        case .job(let job): job.runSynchronously(on: asUnownedSerialExecutor())
        case .closure(let closure): closure()
        case .timer(let timer): timer.fire()
        }
    }

    /// The thread is blocked for so long from now on.
    func block(_ nanoseconds: UInt64) {
        busyUntil = max(busyUntil, kernel.time) + nanoseconds
    }

    func die() {
        isDead = true
        queue = []
        slices = []
        gathers = []
        transmits = []
    }

    private var canRun: Bool { !isDead && !host.isPaused && busyUntil <= kernel.time }

    func checkRunnable() {
        guard !isQueued, canRun, !queue.isEmpty || !slices.isEmpty else { return }
        isQueued = true
        kernel.becameRunnable(self)
    }

    /// As `post`, for what is not Sendable: the world has one thread.
    func add(_ work: @escaping () -> Void) { add(.closure(work)) }

    private func add(_ work: Work) {
        guard !isDead else { return }
        if let sender = kernel.current, sender !== self, sender.busyUntil > kernel.time {
            return kernel.at(sender.busyUntil) { [self] in
                guard !isDead else { return }
                queue.append(work)
                checkRunnable()
            }
        }
        queue.append(work)
        if kernel.current !== self { checkRunnable() }
    }

    // MARK: ActorExecutor

    var isCurrent: Bool { kernel.current === self }

    func checkIsolated() {
        precondition(isCurrent, "an actor of \(host.name) was entered from outside")
    }

    func enqueue(_ job: consuming ExecutorJob) { add(.job(UnownedJob(job))) }

    func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        UnownedSerialExecutor(ordinary: self)
    }

    func asUnownedTaskExecutor() -> UnownedTaskExecutor { UnownedTaskExecutor(ordinary: self) }

    func post(_ work: @escaping @Sendable () -> Void) { add(.closure(work)) }

    func postSlice(_ work: @escaping @Sendable () -> Void) {
        precondition(isCurrent, "postSlice from outside")
        if !isDead { slices.append(work) }
    }

    func atTurnEnd(_ phase: TurnPhase, _ work: @escaping () -> Void) {
        precondition(isCurrent, "atTurnEnd from outside")
        guard !isDead else { return }
        switch phase {
        case .gather: gathers.append(LastWork(run: work))
        case .transmit: transmits.append(LastWork(run: work))
        }
    }

    var now: MonotonicTime { MonotonicTime(nanoseconds: host.now) }

    @discardableResult
    func schedule(afterNanoseconds nanoseconds: UInt64, _ work: @escaping () -> Void)
        -> any TimerHandle
    {
        precondition(isCurrent, "schedule from outside")
        let timer = SimTimer(work)
        if !isDead { kernel.at(kernel.time + host.worldDelay(nanoseconds), .timer(timer, self)) }
        return timer
    }

    /// The time of `timer` has come: its work waits for a turn as all else does.
    func fire(_ timer: SimTimer) {
        guard !isDead, timer.isSet else { return }
        queue.append(.timer(timer))
        checkRunnable()
    }
}
