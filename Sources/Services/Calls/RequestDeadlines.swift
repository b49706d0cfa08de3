// No request waits for ever: after 5 s and two election timeouts its caller is told so (reference:
// semantics.md, Limits and interceptors), though the request itself may still come to pass.
//
// All requests are given the same time, so the oldest is always the next to expire, and a queue in
// order of arrival is all that is needed. Answered ones leave at the front as others come.

import API
import DequeModule

/// A request that may have to be given up.
protocol Expiring: AnyObject {
    var isSettled: Bool { get }
    /// Tells the caller that the time is over, and what may be the reason.
    func expire(_ status: Status)
}

/// The requests under way, by age. Confined to one executor.
struct RequestDeadlines {
    private struct Waiting {
        let begun: MonotonicTime
        let request: any Expiring
    }
    private var queue: Deque<Waiting> = []
    private let timeoutNanoseconds: UInt64

    init(timeoutNanoseconds: UInt64) { self.timeoutNanoseconds = timeoutNanoseconds }

    var count: Int { queue.count }

    /// Takes a request that begins now.
    mutating func add(_ request: any Expiring, now: MonotonicTime) {
        while let first = queue.first, first.request.isSettled { queue.removeFirst() }
        queue.append(Waiting(begun: now, request: request))
    }

    /// Lets all go, untold.
    mutating func removeAll() { queue.removeAll() }

    /// Gives up what is due.
    /// - Parameter status: what those are told that began then.
    mutating func expire(now: MonotonicTime, _ status: (_ begun: MonotonicTime) -> Status) {
        while let first = queue.first,
            first.request.isSettled || now.nanoseconds(since: first.begun) >= timeoutNanoseconds
        {
            queue.removeFirst()
            if !first.request.isSettled { first.request.expire(status(first.begun)) }
        }
    }
}
