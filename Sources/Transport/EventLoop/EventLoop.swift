// A thread with a libuv loop that actors live on.
//
// One turn of the loop: timers, then everything that was posted and what the turn gathered
// (`atTurnEnd`), then one poll for input, whose callbacks gather again. Sockets and actors thus
// share a thread without a queue between them: a callback of libuv enters an actor with
// `assumeIsolated`, at the price of a function call, because this class tells the runtime that
// its thread is the actors' executor.
//
// An actor that blocks in the kernel (a disk sync) takes a loop of its own and blocks only that.

import API
import CLibuv
import DequeModule
import Glibc
import Synchronization

/// A libuv loop on a thread of its own; the executor of actors and tasks.
///
/// Runs from `init` until `stop`, which must be called: the thread keeps the loop alive.
///
/// `@unchecked Sendable`: `inbox`, `threadID` and `thread` are safe from any thread by themselves;
/// all other state belongs to the loop's thread once that has started.
public final class EventLoop: ActorExecutor, @unchecked Sendable {
    public let name: String

    let uv = UnsafeMutablePointer<uv_loop_t>.allocate(capacity: 1)
    private let wake = LoopWake()
    private let beforePoll = UnsafeMutablePointer<uv_prepare_t>.allocate(capacity: 1)
    /// While it is active, libuv polls without waiting.
    private let pollAgain = UnsafeMutablePointer<uv_idle_t>.allocate(capacity: 1)

    private let inbox = Inbox()
    private let threadID = Atomic<UInt>(0)
    /// Set once, at the end of `init`.
    private var thread: LoopThread?

    private var batch: [Inbox.Item] = []
    private var turnEnd = TurnEnd()
    /// Slices of long work, one for each of the coming turns.
    private var slices: Deque<@Sendable () -> Void> = []
    private var rests = SliceRests()
    private var turnTime: MonotonicTime?
    private var freeTimers: [TimerSlot] = []
    private var busyWait: BusyWait
    private let looksForWork: Bool
    private var stopping = false
    private var turnsSinceStop = 0
    private var readStorage: UnsafeMutableRawBufferPointer?

    /// Work that posts itself again may not keep the loop from its sockets for longer.
    private static let roundsPerTurn = 16
    /// What is left at `stop` may take so many turns; then it is dropped.
    private static let turnsToStop = 1000
    private static let freeTimersKept = 1024

    /// Starts the thread.
    /// - Parameters:
    ///   - name: of the thread; the system shows its first 15 bytes.
    ///   - busyWaitNanoseconds: How long the thread may look for posted work before it sleeps,
    ///     while such work comes at shorter intervals than this. 0: never.
    ///   - yieldsToOthers: its work is long, and other threads go first wherever they want to.
    /// - Throws: when the system is out of descriptors or threads.
    public init(
        name: String, busyWaitNanoseconds: UInt64 = 0, yieldsToOthers: Bool = false
    ) throws(TransportError) {
        self.name = name
        busyWait = BusyWait(window: busyWaitNanoseconds)
        looksForWork = busyWaitNanoseconds > 0
        ignoreBrokenPipes
        try check(uv_loop_init(uv), "start event loop \(name)")
        let context = Unmanaged.passUnretained(self).toOpaque()
        do {
            try wake.start(on: uv)
        } catch {
            uv_loop_close(uv)
            throw error
        }
        uv_prepare_init(uv, beforePoll)
        beforePoll.pointee.data = context
        uv_prepare_start(beforePoll) { handle in
            guard let data = handle?.pointee.data else { return }
            Unmanaged<EventLoop>.fromOpaque(data).takeUnretainedValue().finishTurn()
        }
        uv_idle_init(uv, pollAgain)
        do {
            thread = try LoopThread(name: name, yieldsToOthers: yieldsToOthers) { self.run() }
        } catch {
            closeOwnHandles()
            uv_run(uv, UV_RUN_DEFAULT)
            uv_loop_close(uv)
            throw error
        }
    }

    deinit {
        uv.deallocate()
        beforePoll.deallocate()
        pollAgain.deallocate()
        readStorage?.deallocate()
    }

    /// The loop whose thread this is, if any.
    public static var current: EventLoop? { ThreadLocalLoop.loop }

    /// Runs what has been posted, aborts the streams and listeners that are open, cancels timers,
    /// and waits until the thread has ended. Work that keeps posting more is cut off. What is
    /// posted afterwards is dropped, and a task that would go on here never does: stop a loop
    /// after everything that uses it. Not from the loop's own thread. Harmless when repeated.
    public func stop() {
        precondition(!isCurrent, "a loop cannot wait for its own end")
        post { self.stopping = true }
        thread?.join()
    }

    private func run() {
        threadID.store(currentThreadID(), ordering: .relaxed)
        ThreadLocalLoop.set(self)
        uv_run(uv, UV_RUN_DEFAULT)
        let code = uv_loop_close(uv)
        precondition(code == 0, "a handle was left open")
        ThreadLocalLoop.set(nil)
        threadID.store(0, ordering: .relaxed)
    }

    // MARK: Executor

    public func enqueue(_ job: consuming ExecutorJob) {
        add(.job(UnownedJob(job)))
    }

    /// Whether the caller runs on this loop's thread.
    public var isCurrent: Bool { threadID.load(ordering: .relaxed) == currentThreadID() }

    /// Asked by the runtime when a plain callback, outside of any task, enters an actor.
    public func checkIsolated() {
        precondition(isCurrent, "not on event loop \(name)")
    }

    public func isIsolatingCurrentContext() -> Bool? { isCurrent }

    public func isSameExclusiveExecutionContext(other: EventLoop) -> Bool { self === other }

    public func post(_ work: @escaping @Sendable () -> Void) {
        add(.work(work))
    }

    public func postSlice(_ work: @escaping @Sendable () -> Void) {
        assert(isCurrent, "only from the loop itself")
        slices.append(work)
    }

    private func add(_ item: Inbox.Item) {
        guard case .wakeNeeded = inbox.add(item) else { return }
        wake.send()
    }

    // MARK: Turns

    public func atTurnEnd(_ phase: TurnPhase, _ work: @escaping () -> Void) {
        assert(isCurrent, "only from the loop itself")
        turnEnd.add(phase, work)
    }

    public var now: MonotonicTime {
        assert(isCurrent, "only from the loop itself")
        if let turnTime { return turnTime }
        let time = MonotonicTime(nanoseconds: uv_hrtime())
        turnTime = time
        return time
    }

    public var exactNow: MonotonicTime {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return MonotonicTime(
            nanoseconds: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
    }

    /// All that can be done without more input; then libuv polls.
    private func finishTurn() {
        var hasMore = runRounds()
        if !slices.isEmpty {
            if restsUntilInput() { hasMore = true } else { hasMore = runSlice() }
        }
        if stopping { hasMore = !stopOnceQuiet() }
        turnTime = nil
        if hasMore {
            uv_idle_start(pollAgain) { _ in }
        } else {
            uv_idle_stop(pollAgain)
        }
    }

    /// Runs one slice, and what came of it. True if there is more to do.
    private func runSlice() -> Bool {
        guard let slice = slices.popFirst() else { return false }
        let begin = uv_hrtime()
        slice()
        let end = uv_hrtime()
        rests.sliceRan(from: begin, to: end)
        let hasMore = runRounds()
        // Who does not rest lets threads go first that were woken meanwhile, those that the next
        // input waits for among them: the system takes milliseconds to see that by itself.
        if rests.rest(at: end) == 0 { sched_yield() }
        return hasMore
    }

    /// Sleeps before the next slice, if it is to. True when there may be input.
    private func restsUntilInput() -> Bool {
        let rest = rests.rest(at: uv_hrtime())
        guard rest > 0, !stopping else { return false }
        guard inbox.fallAsleep() else { return true }
        var poll = pollfd(fd: uv_backend_fd(uv), events: Int16(POLLIN), revents: 0)
        var time = timespec(tv_sec: 0, tv_nsec: Int(rest))
        return ppoll(&poll, 1, &time, nil) != 0
    }

    /// Runs posted work, then what was gathered, then what transmits, and that again while
    /// there is more, within bounds. True if some is left.
    private func runRounds() -> Bool {
        var rounds = 0
        while rounds < Self.roundsPerTurn {
            // Gathering may complete what posts more; the connections write after all of it.
            repeat {
                runPosted()
                runGathered(.gather)
                rounds += 1
            } while !turnEnd.isEmpty(.gather) && rounds < Self.roundsPerTurn
            runGathered(.transmit)
            if turnEnd.isEmpty {
                if stopping { return false }
                if !slices.isEmpty { return true }
                if looksForWork && busyWait.shouldLook(at: uv_hrtime()) { return true }
                if inbox.fallAsleep() { return false }
            }
        }
        return true
    }

    private func runPosted() {
        inbox.swap(with: &batch)
        if batch.isEmpty { return }
        if looksForWork { busyWait.workCame(at: uv_hrtime()) }
        let serial = asUnownedSerialExecutor()
        let task = asUnownedTaskExecutor()
        for item in batch {
            switch item {
            case .work(let work): work()
            case .job(let job): job.runSynchronously(isolatedTo: serial, taskExecutor: task)
            }
        }
        batch.removeAll(keepingCapacity: true)
    }

    private func runGathered(_ phase: TurnPhase) {
        if turnEnd.isEmpty(phase) { return }
        if phase == .gather && !slices.isEmpty { rests.requestCame(at: now.nanoseconds) }
        let work = turnEnd.take(phase)
        for step in work { step.run() }
        turnEnd.giveBack(work)
    }

    // MARK: Timers

    @discardableResult
    public func schedule(afterNanoseconds nanoseconds: UInt64, _ work: @escaping () -> Void)
        -> any TimerHandle
    {
        precondition(isCurrent, "only from the loop itself")
        let timer = LoopTimer(slot: freeTimers.popLast() ?? TimerSlot(loop: self), work: work)
        // libuv counts whole milliseconds from a time of its own: round the deadline up to them,
        // so that no timer is early.
        let (deadline, overflow) = now.nanoseconds.addingReportingOverflow(nanoseconds)
        let milliseconds = (overflow ? UInt64.max : deadline) / 1_000_000 + 1
        // At least one: `now` may lie behind libuv's time when the input of a turn took long, and
        // a timer that is due at once, set again by its own work, would never let libuv go on.
        let past = uv_now(uv)
        timer.start(afterMilliseconds: milliseconds > past ? milliseconds - past : 1)
        return timer
    }

    /// A timer fires: time has passed since the input that came before it.
    func timerFires() { turnTime = nil }

    func reuse(_ slot: TimerSlot) {
        if freeTimers.count < Self.freeTimersKept && !stopping {
            freeTimers.append(slot)
        } else {
            slot.closeHandle(slot.raw)
        }
    }

    // MARK: Reading

    /// Room for one read, shared by all streams of the loop, as `received` is synchronous.
    /// Made on first use: the loop of a disk has none.
    func lendReadBuffer() -> UnsafeMutableRawBufferPointer {
        if let readStorage { return readStorage }
        let storage = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
        readStorage = storage
        return storage
    }

    // MARK: Stopping

    /// Closes whatever is open. Once that and all work is done, closes the loop itself: true.
    private func stopOnceQuiet() -> Bool {
        freeTimers = []
        turnsSinceStop += 1
        let open = closeForeignHandles()
        let force = turnsSinceStop > Self.turnsToStop
        let isQuiet = turnEnd.isEmpty && slices.isEmpty
        guard open == 0, isQuiet || force, inbox.close(force: force) else { return false }
        slices = []
        closeOwnHandles()
        return true
    }

    /// The number of handles that libuv still has to close, apart from the loop's own.
    private func closeForeignHandles() -> Int {
        let walk = HandleWalk(skipping: [.init(wake.handle), .init(beforePoll), .init(pollAgain)])
        uv_walk(
            uv,
            { handle, context in
                guard let handle, let context else { return }
                Unmanaged<HandleWalk>.fromOpaque(context).takeUnretainedValue().visit(handle)
            }, Unmanaged.passUnretained(walk).toOpaque())
        // Not within the walk: what stops may open and close handles of its own.
        for owner in walk.owners { owner.loopStops() }
        return walk.open
    }

    private func closeOwnHandles() {
        for handle in [UnsafeMutableRawPointer(wake.handle), .init(beforePoll), .init(pollAgain)] {
            uv_close(handle.assumingMemoryBound(to: uv_handle_t.self), nil)
        }
    }
}

/// What a walk over a loop's handles finds.
private final class HandleWalk {
    private let skipped: [UnsafeMutableRawPointer]
    /// Of the handles that nobody has begun to close.
    private(set) var owners: [LoopHandle] = []
    private(set) var open = 0

    init(skipping skipped: [UnsafeMutableRawPointer]) { self.skipped = skipped }

    func visit(_ handle: UnsafeMutablePointer<uv_handle_t>) {
        if skipped.contains(UnsafeMutableRawPointer(handle)) { return }
        open += 1
        if uv_is_closing(handle) == 0, let owner = LoopHandle.owner(handle.pointee.data) {
            owners.append(owner)
        }
    }
}
