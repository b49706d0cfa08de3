// For the main thread, which may wait: at start and stop only.

import API
import Dispatch

/// Runs `body` on `executor` and waits for its result. Not from `executor` itself.
func onLoop<Value: Sendable>(
    _ executor: any ActorExecutor, _ body: @escaping @Sendable () throws -> Value
) throws -> Value {
    try waitFor { done in
        executor.post { done(Result { try body() }) }
    }
}

/// Calls `begin` and waits until it, or what it started, has called the closure it was given.
func waitFor<Value: Sendable>(
    _ begin: (@escaping @Sendable (Result<Value, any Error>) -> Void) -> Void
) throws -> Value {
    let outcome = Outcome<Value>()
    begin { outcome.settle($0) }
    return try outcome.wait()
}

private final class Outcome<Value: Sendable>: Sendable {
    private let isSettled = DispatchSemaphore(value: 0)
    private let result = Locked<Result<Value, any Error>?>(nil)

    func settle(_ value: Result<Value, any Error>) {
        result.withLock { $0 = value }
        isSettled.signal()
    }

    func wait() throws -> Value {
        isSettled.wait()
        guard let result = result.withLock({ $0 }) else {
            preconditionFailure("signalled without a result")
        }
        return try result.get()
    }
}
