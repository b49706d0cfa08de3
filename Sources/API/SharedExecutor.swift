// Calls between actors that share an executor: synchronous, at the cost of a function call.

/// An actor that shows the executor it runs on, as all of ours do.
public protocol ExecutorActor: Actor {
    nonisolated var executor: any ActorExecutor { get }
}

extension ExecutorActor {
    /// As the standard library's, which this takes the place of: runs `body` on this actor, whose
    /// executor the caller must be on (a trap otherwise, in release builds too).
    ///
    /// Why not that one? It asks the concurrency runtime, which tries the main actor, executors of
    /// other kinds and dynamic casts first: 300 instructions for a question that one comparison
    /// answers, some ten times for each request, a twelfth of all that a Range costs.
    ///
    /// Sound: isolation is not part of how a function is called (the standard library makes the
    /// same cast), and `isCurrent` is what `checkIsolated` of these executors asks.
    @inlinable
    public nonisolated func assumeIsolated<Output: Sendable, Failure: Error>(
        _ body: (isolated Self) throws(Failure) -> Output
    ) throws(Failure) -> Output {
        precondition(executor.isCurrent, "an actor was entered from another executor")
        return try withoutActuallyEscaping(body) { body throws(Failure) in
            try unsafeBitCast(body, to: ((Self) throws(Failure) -> Output).self)(self)
        }
    }

    /// Calls `body` on this actor, which the caller's executor is the executor of too (a trap
    /// otherwise). `input` goes along although it may not be Sendable.
    ///
    /// Sound: caller and actor run on the same thread, the call is over when this returns, and
    /// `body`, being Sendable, brings nothing else of the caller's with it.
    @inlinable
    public nonisolated func enter<Input, Output: Sendable, Failure: Error>(
        with input: Input,
        _ body: @Sendable (isolated Self, Input) throws(Failure) -> Output
    ) throws(Failure) -> Output {
        nonisolated(unsafe) let input = input
        return try assumeIsolated { (actor) throws(Failure) in try body(actor, input) }
    }

    /// As above, with nothing to take along.
    @inlinable
    public nonisolated func enter<Output: Sendable, Failure: Error>(
        _ body: @Sendable (isolated Self) throws(Failure) -> Output
    ) throws(Failure) -> Output {
        try enter(with: ()) { (actor, _) throws(Failure) in try body(actor) }
    }
}
