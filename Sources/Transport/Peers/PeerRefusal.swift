// Why a member does not talk to another. Each reason has its own words, on both sides.

import API

/// Why a call of another member was refused.
public enum PeerRefusal: Error, Hashable, Sendable {
    /// The caller did not say who it is.
    case noHello
    /// The caller speaks only versions that this member does not.
    case unknownVersion(ClosedRange<UInt32>)
    /// The caller belongs to another cluster. The ids: the caller's, this member's.
    case otherCluster(ClusterID, own: ClusterID)
    /// The call was for another member than this one.
    case otherMember(MemberID, own: MemberID)
    /// The caller goes by this member's own id: two members run with the data of one.
    case ownMember(MemberID)
    /// The caller was removed from the cluster, for good.
    case removed
    /// This member does not take calls now.
    case notServing

    /// How the refusal travels.
    public var status: Status {
        switch self {
        case .noHello:
            Status(.invalidArgument, "the call does not say which member it is from")
        case .unknownVersion(let versions):
            Status(
                .failedPrecondition,
                "incompatible version: the peer protocol of versions \(versions.lowerBound) to "
                    + "\(versions.upperBound) is not spoken here, only "
                    + "\(PeerHello.ownVersions.lowerBound) to \(PeerHello.ownVersions.upperBound)")
        case .otherCluster(let theirs, let own):
            Status(
                .failedPrecondition,
                "cluster ID mismatch: got \(theirs.hex), this member is of \(own.hex)")
        case .otherMember(let asked, let own):
            Status(
                .failedPrecondition,
                "member ID mismatch: the call is for \(asked.hex), this member is \(own.hex)")
        case .ownMember(let own):
            Status(
                .failedPrecondition,
                "member ID mismatch: the caller says that it is \(own.hex), which is this member")
        case .removed: Self.removedStatus
        case .notServing: Status(.unavailable, "the member does not take calls of members now")
        }
    }

    /// The words are etcd's.
    private static let removedStatus = Status(
        .permissionDenied, "the member has been permanently removed from the cluster")

    /// Whether a call ended because its caller was removed from the cluster.
    static func isRemoval(_ status: Status) -> Bool { status == removedStatus }
}

/// Says what only the applied state knows of a caller. On the executor of the connections.
public protocol PeerAdmission: AnyObject, Sendable {
    /// Nil if `caller`, which is of this cluster, may talk to this member. A member that is not
    /// known yet may; one that was removed may not.
    func refusal(of caller: PeerHello) -> PeerRefusal?
}
