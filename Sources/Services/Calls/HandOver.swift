// From the threads of the connections to the thread of the applied state: at once where they are
// the same, else in batches, one wake for each.

import API
import DequeModule

/// A bounded queue of messages to one executor. Sending is possible from any thread.
final class HandOver<Message: Sendable>: Sendable {
    private let executor: any ActorExecutor
    private let limit: Int
    private let turnLimit: Int
    private let waiting = Locked(Waiting())
    private let deliver: @Sendable (Message) -> Void

    /// - Parameters:
    ///   - limit: messages that may wait for the executor.
    ///   - turnLimit: those that are delivered in one turn of it; the others wait for the next.
    ///   - deliver: called on `executor`, in the order of sending from one thread.
    init(
        to executor: any ActorExecutor, limit: Int, turnLimit: Int = .max,
        deliver: @escaping @Sendable (Message) -> Void
    ) {
        self.executor = executor
        self.limit = limit
        self.turnLimit = turnLimit
        self.deliver = deliver
    }

    /// - Returns: false when too many messages wait; then `message` is not delivered.
    func send(_ message: Message) -> Bool {
        let isCurrent = executor.isCurrent
        if isCurrent, turnLimit == .max {
            deliver(message)
            return true
        }
        let now = isCurrent ? executor.now : nil
        let step = waiting.withLock { waiting in
            if let now, waiting.messages.isEmpty, waiting.hasRoom(at: now, of: turnLimit) {
                return Step.deliver
            }
            guard waiting.messages.count < limit else { return .refuse }
            waiting.messages.append(message)
            return waiting.messages.count == 1 ? .wake : .wait
        }
        switch step {
        case .deliver: deliver(message)
        case .wake: executor.post { [self] in drain() }
        case .wait: break
        case .refuse: return false
        }
        return true
    }

    private enum Step { case deliver, wake, wait, refuse }

    private struct Waiting {
        var messages: Deque<Message> = []
        /// Delivered at once at this time, which stands still within a turn.
        var turn: (time: MonotonicTime, count: Int) = (MonotonicTime(nanoseconds: 0), 0)

        mutating func hasRoom(at now: MonotonicTime, of limit: Int) -> Bool {
            if turn.time != now { turn = (now, 0) }
            guard turn.count < limit else { return false }
            turn.count += 1
            return true
        }

        mutating func take(_ limit: Int) -> Deque<Message> {
            var batch: Deque<Message> = []
            guard messages.count > limit else {
                swap(&batch, &messages)
                return batch
            }
            for _ in 0..<limit { batch.append(messages.removeFirst()) }
            return batch
        }
    }

    private func drain() {
        let (batch, isMore) = waiting.withLock { waiting in
            (waiting.take(turnLimit), !waiting.messages.isEmpty)
        }
        for message in batch { deliver(message) }
        // Posted work may run in the same turn: a slice waits for the next one.
        if isMore { executor.postSlice { [self] in drain() } }
    }
}
