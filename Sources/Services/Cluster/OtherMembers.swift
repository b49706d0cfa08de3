// The other members, as far as the services of this one need them.

import API

/// What one member asks of another, beside Raft. `Services/Cluster/PeerService` answers.
package enum PeerMethod: String, CaseIterable, Sendable {
    case renewLease = "/cairn.Peer/RenewLease"
    case timeToLive = "/cairn.Peer/LeaseTimeToLive"
    case promote = "/cairn.Peer/MemberPromote"
    /// Open to those who are no members yet.
    case members = "/cairn.Peer/MemberList"
    case hashKV = "/cairn.Peer/HashKV"
    /// Which version the member runs; open to those who are no members yet.
    case version = "/cairn.Peer/Version"
}

/// Connections to the other members. On the executor of the applied state.
package protocol OtherMembers: AnyObject, Sendable {
    /// Nanoseconds for which messages have got through to `member` without a break; nil if they
    /// do not get through now.
    func connectedTime(of member: MemberID) -> UInt64?
    /// - Parameter completion: called once, on the executor of the applied state; UNAVAILABLE when
    ///   the member was not reached, or no answer came.
    func call(
        _ member: MemberID, _ method: PeerMethod, _ request: [UInt8], timeoutNanoseconds: UInt64,
        completion: @escaping @Sendable (Result<[UInt8], Status>) -> Void)
}

/// Those of a member that is alone.
package final class NoOtherMembers: OtherMembers {
    package init() {}
    package func connectedTime(of member: MemberID) -> UInt64? { nil }
    package func call(
        _ member: MemberID, _ method: PeerMethod, _ request: [UInt8], timeoutNanoseconds: UInt64,
        completion: @escaping @Sendable (Result<[UInt8], Status>) -> Void
    ) {
        completion(.failure(Status(.unavailable, "there is no link to member \(member.hex)")))
    }
}
