// One counter of request ids for all threads of a member.

import API

/// Gives out request ids. From any thread.
public final class RequestIDSource: Sendable {
    private let ids: Locked<RequestIDs>

    /// - Parameter startMilliseconds: Unix time at the start of the process.
    public init(member: MemberID, startMilliseconds: UInt64) {
        ids = Locked(RequestIDs(member: member, startMilliseconds: startMilliseconds))
    }

    func next() -> RequestID { ids.withLock { $0.next() } }

    /// For a lease that its client does not name.
    func nextLease() -> LeaseID { ids.withLock { $0.nextLease() } }
}
