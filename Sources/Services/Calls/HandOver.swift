// From the threads of the connections to the thread of the applied state: at once where they are
// the same, else in batches, one wake for each.

import API

/// A bounded queue of messages to one executor. Sending is possible from any thread.
final class HandOver<Message: Sendable>: Sendable {
    private let executor: any ActorExecutor
    private let limit: Int
    private let waiting = Locked<[Message]>([])
    private let deliver: @Sendable (Message) -> Void

    /// - Parameters:
    ///   - limit: messages that may wait for the executor.
    ///   - deliver: called on `executor`, in the order of sending from one thread.
    init(
        to executor: any ActorExecutor, limit: Int, deliver: @escaping @Sendable (Message) -> Void
    ) {
        self.executor = executor
        self.limit = limit
        self.deliver = deliver
    }

    /// - Returns: false when too many messages wait; then `message` is not delivered.
    func send(_ message: Message) -> Bool {
        if executor.isCurrent {
            deliver(message)
            return true
        }
        let place: Int? = waiting.withLock { waiting in
            guard waiting.count < limit else { return nil }
            waiting.append(message)
            return waiting.count
        }
        guard let place else { return false }
        if place == 1 { executor.post { [self] in drain() } }
        return true
    }

    private func drain() {
        let batch = waiting.withLock { waiting in
            let batch = waiting
            waiting = []
            return batch
        }
        for message in batch { deliver(message) }
    }
}
