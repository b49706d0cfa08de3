// Ids for proposals, reads and leases, unique in the cluster without agreement: two bytes of the
// member, five of its start time, and a counter that goes on where the milliseconds of a later
// start would begin only after 256 ids per millisecond (reference: ondisk.md, IDs).

import API

/// Confined to one actor, the way a counter is.
public struct RequestIDs: Sendable {
    private let prefix: UInt64
    private var suffix: UInt64

    /// - Parameter startMilliseconds: Unix time at the start of the process.
    public init(member: MemberID, startMilliseconds: UInt64) {
        prefix = member.rawValue << 48
        suffix = startMilliseconds << 8
    }

    /// An id that this member has not given out since it started.
    @inlinable public mutating func next() -> RequestID { RequestID(nextRaw()) }

    /// A positive id, for a lease that the client leaves to the server to name.
    public mutating func nextLease() -> LeaseID {
        LeaseID(Int64(bitPattern: nextRaw() & (UInt64.max >> 1)))
    }

    @usableFromInline mutating func nextRaw() -> UInt64 {
        suffix &+= 1
        return prefix | suffix & 0xffff_ffff_ffff
    }
}
