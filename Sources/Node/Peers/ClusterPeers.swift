// The other members, as each part of this one needs them: links for Raft, calls for the services.

import API
import Consensus
import Logging
import Services
import Transport

/// Follows the membership. On the executor of the applied state, which is that of the links.
///
/// `@unchecked Sendable`: used on that executor only.
final class ClusterPeers: OtherMembers, @unchecked Sendable {
    let raft: RaftPeers
    private let own: MemberID
    private let methods = Dictionary(
        uniqueKeysWithValues: PeerMethod.allCases.map { ($0, GRPCClientMethod($0.rawValue)) })
    /// A leader that was removed is told by the others that they know, and tells one of them to
    /// come after it (RaftCore+Membership, prepareToLeave). That takes a round trip or two; without
    /// it all would wait for an election timeout.
    private static let farewellNanoseconds: UInt64 = 500_000_000
    /// Closes what a removed member has opened.
    weak var port: PeerPort?

    init(_ raft: RaftPeers, own: MemberID) {
        self.raft = raft
        self.own = own
    }

    /// Begins the links to all members but this one.
    func begin(_ membership: Membership, besides others: [ClusterMember]) {
        for member in membership.sorted + others where member.id != own {
            raft.set(member.id, urls: member.peerURLs)
        }
    }

    /// A change was applied.
    func membershipChanged(_ change: MembershipChange, to membership: Membership) {
        let id = change.member
        guard id != own else { return }
        if let member = membership.members[id] { return raft.set(id, urls: member.peerURLs) }
        guard raft.isLed(by: id) else { return part(from: id) }
        raft.links.executor.schedule(afterNanoseconds: Self.farewellNanoseconds) { [weak self] in
            self?.part(from: id)
        }
    }

    private func part(from member: MemberID) {
        raft.remove(member)
        port?.removed(member)
    }

    /// The whole membership was replaced, by a snapshot. It may be older than what is known of
    /// members that have just been added and call already: only who was removed for good is told
    /// so, for it ends then.
    func membershipReplaced(by membership: Membership) {
        for member in raft.links.members where membership.removed.contains(member) {
            part(from: member)
        }
        begin(membership, besides: [])
    }

    // MARK: OtherMembers

    func connectedTime(of member: MemberID) -> UInt64? { raft.activeTime(of: member) }

    func call(
        _ member: MemberID, _ method: PeerMethod, _ request: [UInt8], timeoutNanoseconds: UInt64,
        completion: @escaping @Sendable (Result<[UInt8], Status>) -> Void
    ) {
        guard let method = methods[method] else {
            preconditionFailure("every method is in the table")
        }
        raft.links.call(member, method, request, timeout: timeoutNanoseconds) { result in
            completion(result.map { [UInt8]($0) })
        }
    }
}
