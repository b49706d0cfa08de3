// Calls that a service makes of others for its client.

import API
import Transport

/// Takes the answer of an inner call to the executor of the applied state.
final class InnerCall: Replying {
    private let executor: any ActorExecutor
    private let then: @Sendable (Result<[UInt8], Status>) -> Void

    /// - Parameter then: called once, on `executor`; on success within the answer's entry, so that
    ///   the applied state is what the entry made it.
    init(
        on executor: any ActorExecutor,
        _ then: @escaping @Sendable (Result<[UInt8], Status>) -> Void
    ) {
        self.executor = executor
        self.then = then
    }

    func respond(_ message: UnsafeRawBufferPointer) { run(.success([UInt8](message))) }
    func fail(_ status: Status) { run(.failure(status)) }

    private func run(_ result: Result<[UInt8], Status>) {
        if executor.isCurrent { return then(result) }
        executor.post { [then] in then(result) }
    }
}
