// What a component may ask of the world: a thread to run on, the time, chance.
//
// Components reach none of these in another way. In production an EventLoop stands behind them,
// in the simulator one deterministic executor in virtual time; a component cannot tell.

/// A moment of the monotonic clock, in nanoseconds since an arbitrary start.
public struct MonotonicTime: Hashable, Comparable, Sendable {
    public let nanoseconds: UInt64
    @inlinable public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }
    @inlinable public static func < (a: Self, b: Self) -> Bool { a.nanoseconds < b.nanoseconds }
    /// Nanoseconds from `earlier` to here; 0 if `earlier` is later.
    @inlinable public func nanoseconds(since earlier: Self) -> UInt64 {
        nanoseconds > earlier.nanoseconds ? nanoseconds - earlier.nanoseconds : 0
    }
    @inlinable public func advanced(byNanoseconds n: UInt64) -> Self {
        Self(nanoseconds: nanoseconds + n)
    }
}

/// A scheduled timer. Dropping it does not cancel it.
public protocol TimerHandle: AnyObject, Sendable {
    /// The timer does not fire any more, and lets its work go: that may hold who holds the timer.
    /// On the executor that scheduled it; harmless when repeated.
    func cancel()
}

/// The thread an actor runs on: the actor's serial executor, a queue of closures and a clock.
///
/// Actors that talk on every request share one, and then enter each other with `assumeIsolated`
/// at the cost of a function call; across executors a whole batch travels in one `post`.
public protocol ActorExecutor: SerialExecutor, TaskExecutor {
    /// Whether the caller runs on this executor now.
    var isCurrent: Bool { get }

    /// Runs `work` here, after all that was posted before it. From any thread.
    /// Costs a wake of the thread when it sleeps: post batches, not single requests.
    func post(_ work: @escaping @Sendable () -> Void)

    /// Runs `work` in a later turn, after a look for input: the place for the next slice of long
    /// work. Only one such work runs in a turn, in the order they came, so that however much long
    /// work there is, what comes in waits for one slice. Only from this executor.
    func postSlice(_ work: @escaping @Sendable () -> Void)

    /// Runs `work` once, when the present turn has handled the input at hand and before the
    /// executor waits for more: the place to flush what was gathered. Only from this executor.
    /// Work that is added by such work runs in the same turn. All `.gather` work runs before any
    /// `.transmit` work, so that what is gathered last still goes out in this turn.
    func atTurnEnd(_ phase: TurnPhase, _ work: @escaping () -> Void)

    /// The monotonic time, read once per turn. Only from this executor.
    var now: MonotonicTime { get }

    /// The monotonic time at this very moment, with that in which the machine slept: for those who
    /// must notice that it did. Its beginning is not that of `now`. Only from this executor.
    var exactNow: MonotonicTime { get }

    /// Runs `work` here once `nanoseconds` have passed. Only from this executor.
    @discardableResult
    func schedule(afterNanoseconds nanoseconds: UInt64, _ work: @escaping () -> Void)
        -> any TimerHandle
}

extension ActorExecutor {
    /// For executors whose time passes between turns only.
    public var exactNow: MonotonicTime { now }

    /// For executors that have no input to look for.
    public func postSlice(_ work: @escaping @Sendable () -> Void) { post(work) }
}

/// The two parts of a turn's end, in order.
public enum TurnPhase: Sendable {
    /// Batches between components: proposals, reads, messages.
    case gather
    /// One write per connection.
    case transmit
}

/// Calendar time, for logs and ids only: it jumps.
public protocol WallClock: Sendable {
    /// Nanoseconds since 1970-01-01 UTC.
    var nanosecondsSinceEpoch: UInt64 { get }
}

/// Chance: election timeouts, ids.
public protocol RandomSource: Sendable {
    func next() -> UInt64
}
