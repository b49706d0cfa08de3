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
    /// other kinds and dynamic casts first, and copies `body` to the heap: some 400 instructions
    /// for a question that one comparison answers, some ten times for each request, a tenth of all
    /// that a Range costs (Swift 6.3).
    ///
    /// Sound: isolation is a matter of types, not of how a function is called (the standard
    /// library makes the same cast), and `isCurrent` is what `checkIsolated` of these executors
    /// asks.
    @inlinable
    public nonisolated func assumeIsolated<Output: Sendable, Failure: Error>(
        _ body: (isolated Self) throws(Failure) -> Output
    ) throws(Failure) -> Output {
        precondition(executor.isCurrent, "an actor was entered from another executor")
        let call = unsafeBitCast(
            IsolatedCall<Self, Output, Failure>(), to: CheckedCall<Self, Output, Failure>.self)
        return try call.run(self, body)
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

/// Calls a body on an actor. In a structure, since a bare function that is cast would be wrapped
/// into another on the heap.
@usableFromInline
struct IsolatedCall<Callee: Actor, Output, Failure: Error> {
    @usableFromInline
    let run:
        (isolated Callee, (isolated Callee) throws(Failure) -> Output) throws(Failure) -> Output
    @inlinable
    init() { run = { (actor, body) throws(Failure) in try body(actor) } }
}

/// The same, once it is known that the caller is where the actor runs.
@usableFromInline
struct CheckedCall<Callee: Actor, Output, Failure: Error> {
    @usableFromInline
    let run: (Callee, (isolated Callee) throws(Failure) -> Output) throws(Failure) -> Output
}
