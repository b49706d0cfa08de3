// An executor of a simulated host: turns as those of an event loop, run when the kernel says so.
//
// What blocks in the kernel of a real machine (a sync) takes virtual time: this executor does not
// run until it is over, and what the turn said to other executors reaches them only then.

import API

/// `@unchecked Sendable`: the world has one thread.
final class SimExecutor: ActorExecutor, @unchecked Sendable {
    private enum Work {
        case job(UnownedJob)
        case closure(() -> Void)
    }

    private final class Timer: TimerHandle, @unchecked Sendable {
        var work: (() -> Void)?
        init(_ work: @escaping () -> Void) { self.work = work }
        func cancel() { work = nil }
    }

    let host: SimHost
    let number: Int
    private let kernel: SimKernel
    private var queue: [Work] = []
    private var spare: [Work] = []
    private var slices: [() -> Void] = []
    private var gathers: [() -> Void] = []
    private var transmits: [() -> Void] = []
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
            kernel.at(busyUntil) { [self] in checkRunnable() }
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
            if busyUntil > kernel.time { kernel.at(busyUntil) { [self] in checkRunnable() } }
        }
        return try body()
    }

    private func endTurn() {
        while !gathers.isEmpty || !transmits.isEmpty {
            if isDead {
                gathers = []
                transmits = []
            } else if gathers.isEmpty {
                let now = transmits
                transmits = []
                for (place, work) in now.enumerated() {
                    work()
                    if !gathers.isEmpty {
                        transmits.insert(contentsOf: now[(place + 1)...], at: 0)
                        break
                    }
                }
            } else {
                let now = gathers
                gathers = []
                for work in now { work() }
            }
        }
    }

    private func run(_ work: Work) {
        switch work {
        case .job(let job): job.runSynchronously(on: asUnownedSerialExecutor())
        case .closure(let closure): closure()
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
        case .gather: gathers.append(work)
        case .transmit: transmits.append(work)
        }
    }

    var now: MonotonicTime { MonotonicTime(nanoseconds: host.now) }

    @discardableResult
    func schedule(afterNanoseconds nanoseconds: UInt64, _ work: @escaping () -> Void)
        -> any TimerHandle
    {
        precondition(isCurrent, "schedule from outside")
        let timer = Timer(work)
        guard !isDead else { return timer }
        kernel.after(host.worldDelay(nanoseconds)) { [self] in
            guard !isDead, timer.work != nil else { return }
            queue.append(
                .closure {
                    let work = timer.work
                    timer.work = nil
                    work?()
                })
            checkRunnable()
        }
        return timer
    }
}
