// What a normal entry of the log holds, decoded.

import CMessages

/// A proposal: a header that names it, and exactly one request.
public struct InternalRaftRequest: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__InternalRaftRequest>
    public init(raw: UnsafePointer<Etcdserverpb__InternalRaftRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__internal_raft_request__get_descriptor()
    }

    public enum Operation {
        case range(RangeRequest)
        case put(PutRequest)
        case deleteRange(DeleteRangeRequest)
        case txn(TxnRequest)
        case compaction(CompactionRequest)
        case leaseGrant(LeaseGrantRequest)
        case leaseRevoke(LeaseRevokeRequest)
        case leaseCheckpoint(LeaseCheckpointRequest)
        case alarm(AlarmRequest)
        case clusterVersionSet(ClusterVersionSetRequest)
        case clusterMemberAttrSet(ClusterMemberAttrSetRequest)
        case downgradeInfoSet(DowngradeInfoSetRequest)
        case auth(AuthOperation)
    }

    /// The proposal's id. Old entries carry it outside the header (reference: ondisk.md, Raft
    /// entries).
    public var id: RequestID {
        let old = raw.pointee.id
        return RequestID(old != 0 ? old : raw.pointee.header?.pointee.id ?? 0)
    }

    /// Who proposed it, when auth was on; else empty.
    public var username: AuthName {
        raw.pointee.header.map { authName($0.pointee.username) } ?? .none
    }
    /// The revision of the auth store its rights were checked at.
    public var authRevision: UInt64 { raw.pointee.header?.pointee.auth_revision ?? 0 }

    /// Nil for an empty proposal: who applies entries must treat nil as a request it does not know.
    public var operation: Operation? {
        let request = raw.pointee
        if let put = PutRequest(request.put) { return .put(put) }
        if let delete = DeleteRangeRequest(request.delete_range) { return .deleteRange(delete) }
        if let txn = TxnRequest(request.txn) { return .txn(txn) }
        if let range = RangeRequest(request.range) { return .range(range) }
        if let compaction = CompactionRequest(request.compaction) { return .compaction(compaction) }
        if let grant = LeaseGrantRequest(request.lease_grant) { return .leaseGrant(grant) }
        if let revoke = LeaseRevokeRequest(request.lease_revoke) { return .leaseRevoke(revoke) }
        if let checkpoint = LeaseCheckpointRequest(request.lease_checkpoint) {
            return .leaseCheckpoint(checkpoint)
        }
        if let alarm = AlarmRequest(request.alarm) { return .alarm(alarm) }
        if let set = ClusterVersionSetRequest(request.cluster_version_set) {
            return .clusterVersionSet(set)
        }
        if let set = ClusterMemberAttrSetRequest(request.cluster_member_attr_set) {
            return .clusterMemberAttrSet(set)
        }
        if let set = DowngradeInfoSetRequest(request.downgrade_info_set) {
            return .downgradeInfoSet(set)
        }
        return AuthOperation(request).map(Operation.auth)
    }
}
