// The one thread of a simulated world: what runs next is drawn from the seed, and time passes only
// when nothing can run.

import API
import HeapModule
import TestSupport

/// Time, the queue of what is to come, and the executors that have work.
///
/// `@unchecked Sendable`, as everything of the simulator: one thread makes and runs it all.
public final class SimKernel: @unchecked Sendable {
    /// The world's true time, in nanoseconds. Members see theirs (`SimHost`).
    public private(set) var time: UInt64 = 1_000_000_000 {
        didSet { trace.time = time }
    }
    /// Turns and events so far: with the seed, the name of a moment.
    public private(set) var steps: UInt64 = 0 {
        didSet { trace.step = steps }
    }
    public let trace: Trace
    /// Who runs now.
    var current: SimExecutor?
    /// Looks at the executor after each of its turns.
    var afterTurn: ((SimExecutor) -> Void)?

    private var choice: SplitMix64
    private var runnable: [SimExecutor] = []
    private var events = Heap<Event>()
    private var eventsMade: UInt64 = 0
    private var stepsAtThisTime = 0

    private struct Event: Comparable {
        let due: UInt64
        let order: UInt64
        let work: EventWork
        static func < (a: Self, b: Self) -> Bool { (a.due, a.order) < (b.due, b.order) }
        static func == (a: Self, b: Self) -> Bool { a.order == b.order }
    }

    public init(seed: UInt64, trace: Trace) {
        choice = SplitMix64(seed: seed ^ 0x5CED_5CED)
        self.trace = trace
    }

    /// Calls `work` at `due`, in no executor's turn; at once if that has passed, but not before this
    /// returns.
    public func at(_ due: UInt64, _ work: @escaping () -> Void) { at(due, .call(work)) }

    func at(_ due: UInt64, _ work: EventWork) {
        eventsMade += 1
        events.insert(Event(due: max(due, time), order: eventsMade, work: work))
    }

    public func after(_ nanoseconds: UInt64, _ work: @escaping () -> Void) {
        at(time + nanoseconds, work)
    }

    /// Nothing is left to happen.
    func letGo() {
        events = Heap()
        runnable = []
        afterTurn = nil
    }

    func becameRunnable(_ executor: SimExecutor) { runnable.append(executor) }

    /// So many steps without time passing are a loop that never ends.
    private static let mostStepsAtOneTime = 2_000_000

    /// What the world came to when it was to go on.
    public enum Progress { case ran, idle, stuck }

    /// Does the next thing.
    public func step() -> Progress {
        steps += 1
        stepsAtThisTime += 1
        if stepsAtThisTime > Self.mostStepsAtOneTime { return .stuck }
        if !runnable.isEmpty {
            let place =
                runnable.count == 1 ? 0 : Int(choice.next() % UInt64(runnable.count))
            runnable.swapAt(place, runnable.count - 1)
            let executor = runnable.removeLast()
            trace.stepped(executor.number)
            executor.runTurn()
            afterTurn?(executor)
            return .ran
        }
        guard let event = events.popMin() else { return .idle }
        if event.due > time {
            time = event.due
            stepsAtThisTime = 0
        }
        switch event.work {
        case .call(let work): work()
        case .wake(let executor): executor.checkRunnable()
        case .timer(let timer, let executor): executor.fire(timer)
        case .arrival(let pipe): pipe.arrive()
        }
        return .ran
    }
}

/// What happens at a time. The commonest are no closures: each of these takes memory.
enum EventWork {
    case call(() -> Void)
    /// The executor's thread is not blocked any more.
    case wake(SimExecutor)
    case timer(SimTimer, SimExecutor)
    /// The first that is under way in the pipe has arrived.
    case arrival(SimPipe)
}
