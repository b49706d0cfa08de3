// Calls between actors that share an executor: synchronous, at the cost of a function call.

extension Actor {
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
        let result = assumeIsolated { actor -> Result<Output, Failure> in
            do throws(Failure) { return .success(try body(actor, input)) } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// As above, with nothing to take along.
    @inlinable
    public nonisolated func enter<Output: Sendable, Failure: Error>(
        _ body: @Sendable (isolated Self) throws(Failure) -> Output
    ) throws(Failure) -> Output {
        try enter(with: ()) { (actor, _) throws(Failure) in try body(actor) }
    }
}
