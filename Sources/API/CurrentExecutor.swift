// Which executor the thread runs, known without asking the runtime, and calls between actors that
// cost no more than that.
//
// Actors of one executor enter each other dozens of times in a request. Outside of tasks, where
// callbacks of a loop are, the runtime takes some 400 instructions to find out whether that is
// right, and the check that the compiler puts into the closure finds it out once more; the standard
// library's `assumeIsolated` takes memory twice besides (Swift 6.3). An executor that says when it
// runs is recognised by its address.

import CSupport

/// The executor of a thread, if it has said that it runs there.
public enum CurrentExecutor {
    /// `executor` runs on this thread from now on, or none does. It lives at least as long.
    @inlinable
    public static func set(_ executor: AnyObject?) {
        csupport_set_current_executor(
            executor.map { UnsafeRawPointer(Unmanaged.passUnretained($0).toOpaque()) })
    }

    /// Whether `executor` is the one. False also for those that do not say when they run.
    @inlinable
    static func isKnown(_ executor: UnownedSerialExecutor) -> Bool {
        // The runtime's reference to an executor: its address, then its table of functions.
        typealias Reference = (address: UnsafeRawPointer?, functions: UInt)
        return unsafeBitCast(executor, to: Reference.self).address == csupport_current_executor()
    }
}

extension Actor {
    /// Calls `body` on this actor, whose executor the caller runs on: a trap otherwise, in all
    /// builds. It stands in the place of the standard library's, and does the same.
    @inlinable
    public nonisolated func assumeIsolated<Output: Sendable>(
        _ body: (isolated Self) throws -> Output, file: StaticString = #fileID,
        line: UInt = #line
    ) rethrows -> Output {
        if !CurrentExecutor.isKnown(unownedExecutor) {
            preconditionIsolated("not on the executor of \(self)", file: file, line: line)
        }
        // Isolation is a matter of types and nothing at run time, as the standard library's cast
        // of `body` itself says, which has to be copied to the heap for it; this is no closure.
        let call = unsafeBitCast(
            IsolatedCall<Self, Output>(), to: CheckedCall<Self, Output>.self)
        return try attempt(call, body) { throw $0 }
    }

    /// What only throws what `body` throws.
    @inlinable
    nonisolated func attempt<Output>(
        _ call: CheckedCall<Self, Output>, _ body: (isolated Self) throws -> Output,
        _ fail: (any Error) throws -> Output
    ) rethrows -> Output {
        do { return try call.run(self, body) } catch { return try fail(error) }
    }
}

/// Calls a body on an actor that it runs on.
@usableFromInline
struct IsolatedCall<Callee: Actor, Output> {
    @usableFromInline
    let run: (isolated Callee, (isolated Callee) throws -> Output) throws -> Output
    @inlinable
    init() { run = { try $1($0) } }
}

/// The same, once it is known that it runs there.
@usableFromInline
struct CheckedCall<Callee: Actor, Output> {
    @usableFromInline
    let run: (Callee, (isolated Callee) throws -> Output) throws -> Output
}
