// Which path of the JSON gateway calls which method, with which messages (reference:
// api-services.tsv). All are POST with the whole request as JSON.

import CMessages

/// A method that is called by a path.
public struct GatewayRoute: Sendable {
    /// How many messages go each way.
    public enum Shape: Sendable { case unary, serverStreaming, bidirectional }

    public let path: String
    /// The full method, such as `/etcdserverpb.KV/Put`.
    public let method: String
    public let request: MessageSchema
    public let response: MessageSchema
    public let shape: Shape

    private init(
        _ path: String, _ method: String, _ request: UnsafePointer<ProtobufCMessageDescriptor>,
        _ response: UnsafePointer<ProtobufCMessageDescriptor>, _ shape: Shape = .unary
    ) {
        self.path = path
        self.method = method
        self.request = MessageSchema(request)
        self.response = MessageSchema(response)
        self.shape = shape
    }

    public static let all: [GatewayRoute] = [
        GatewayRoute(
            "/v3/kv/range", "/etcdserverpb.KV/Range",
            etcdserverpb__range_request__get_descriptor(),
            etcdserverpb__range_response__get_descriptor()),
        GatewayRoute(
            "/v3/kv/put", "/etcdserverpb.KV/Put",
            etcdserverpb__put_request__get_descriptor(),
            etcdserverpb__put_response__get_descriptor()),
        GatewayRoute(
            "/v3/kv/deleterange", "/etcdserverpb.KV/DeleteRange",
            etcdserverpb__delete_range_request__get_descriptor(),
            etcdserverpb__delete_range_response__get_descriptor()),
        GatewayRoute(
            "/v3/kv/txn", "/etcdserverpb.KV/Txn",
            etcdserverpb__txn_request__get_descriptor(),
            etcdserverpb__txn_response__get_descriptor()),
        GatewayRoute(
            "/v3/kv/compaction", "/etcdserverpb.KV/Compact",
            etcdserverpb__compaction_request__get_descriptor(),
            etcdserverpb__compaction_response__get_descriptor()),
        GatewayRoute(
            "/v3/watch", "/etcdserverpb.Watch/Watch",
            etcdserverpb__watch_request__get_descriptor(),
            etcdserverpb__watch_response__get_descriptor(), .bidirectional),
        GatewayRoute(
            "/v3/lease/grant", "/etcdserverpb.Lease/LeaseGrant",
            etcdserverpb__lease_grant_request__get_descriptor(),
            etcdserverpb__lease_grant_response__get_descriptor()),
        GatewayRoute(
            "/v3/lease/revoke", "/etcdserverpb.Lease/LeaseRevoke",
            etcdserverpb__lease_revoke_request__get_descriptor(),
            etcdserverpb__lease_revoke_response__get_descriptor()),
        GatewayRoute(
            "/v3/kv/lease/revoke", "/etcdserverpb.Lease/LeaseRevoke",
            etcdserverpb__lease_revoke_request__get_descriptor(),
            etcdserverpb__lease_revoke_response__get_descriptor()),
        GatewayRoute(
            "/v3/lease/keepalive", "/etcdserverpb.Lease/LeaseKeepAlive",
            etcdserverpb__lease_keep_alive_request__get_descriptor(),
            etcdserverpb__lease_keep_alive_response__get_descriptor(), .bidirectional),
        GatewayRoute(
            "/v3/lease/timetolive", "/etcdserverpb.Lease/LeaseTimeToLive",
            etcdserverpb__lease_time_to_live_request__get_descriptor(),
            etcdserverpb__lease_time_to_live_response__get_descriptor()),
        GatewayRoute(
            "/v3/kv/lease/timetolive", "/etcdserverpb.Lease/LeaseTimeToLive",
            etcdserverpb__lease_time_to_live_request__get_descriptor(),
            etcdserverpb__lease_time_to_live_response__get_descriptor()),
        GatewayRoute(
            "/v3/lease/leases", "/etcdserverpb.Lease/LeaseLeases",
            etcdserverpb__lease_leases_request__get_descriptor(),
            etcdserverpb__lease_leases_response__get_descriptor()),
        GatewayRoute(
            "/v3/kv/lease/leases", "/etcdserverpb.Lease/LeaseLeases",
            etcdserverpb__lease_leases_request__get_descriptor(),
            etcdserverpb__lease_leases_response__get_descriptor()),
        GatewayRoute(
            "/v3/cluster/member/add", "/etcdserverpb.Cluster/MemberAdd",
            etcdserverpb__member_add_request__get_descriptor(),
            etcdserverpb__member_add_response__get_descriptor()),
        GatewayRoute(
            "/v3/cluster/member/remove", "/etcdserverpb.Cluster/MemberRemove",
            etcdserverpb__member_remove_request__get_descriptor(),
            etcdserverpb__member_remove_response__get_descriptor()),
        GatewayRoute(
            "/v3/cluster/member/update", "/etcdserverpb.Cluster/MemberUpdate",
            etcdserverpb__member_update_request__get_descriptor(),
            etcdserverpb__member_update_response__get_descriptor()),
        GatewayRoute(
            "/v3/cluster/member/list", "/etcdserverpb.Cluster/MemberList",
            etcdserverpb__member_list_request__get_descriptor(),
            etcdserverpb__member_list_response__get_descriptor()),
        GatewayRoute(
            "/v3/cluster/member/promote", "/etcdserverpb.Cluster/MemberPromote",
            etcdserverpb__member_promote_request__get_descriptor(),
            etcdserverpb__member_promote_response__get_descriptor()),
        GatewayRoute(
            "/v3/maintenance/alarm", "/etcdserverpb.Maintenance/Alarm",
            etcdserverpb__alarm_request__get_descriptor(),
            etcdserverpb__alarm_response__get_descriptor()),
        GatewayRoute(
            "/v3/maintenance/status", "/etcdserverpb.Maintenance/Status",
            etcdserverpb__status_request__get_descriptor(),
            etcdserverpb__status_response__get_descriptor()),
        GatewayRoute(
            "/v3/maintenance/defragment", "/etcdserverpb.Maintenance/Defragment",
            etcdserverpb__defragment_request__get_descriptor(),
            etcdserverpb__defragment_response__get_descriptor()),
        GatewayRoute(
            "/v3/maintenance/hash", "/etcdserverpb.Maintenance/Hash",
            etcdserverpb__hash_request__get_descriptor(),
            etcdserverpb__hash_response__get_descriptor()),
        GatewayRoute(
            "/v3/maintenance/hashkv", "/etcdserverpb.Maintenance/HashKV",
            etcdserverpb__hash_kvrequest__get_descriptor(),
            etcdserverpb__hash_kvresponse__get_descriptor()),
        GatewayRoute(
            "/v3/maintenance/snapshot", "/etcdserverpb.Maintenance/Snapshot",
            etcdserverpb__snapshot_request__get_descriptor(),
            etcdserverpb__snapshot_response__get_descriptor(), .serverStreaming),
        GatewayRoute(
            "/v3/maintenance/transfer-leadership", "/etcdserverpb.Maintenance/MoveLeader",
            etcdserverpb__move_leader_request__get_descriptor(),
            etcdserverpb__move_leader_response__get_descriptor()),
        GatewayRoute(
            "/v3/maintenance/downgrade", "/etcdserverpb.Maintenance/Downgrade",
            etcdserverpb__downgrade_request__get_descriptor(),
            etcdserverpb__downgrade_response__get_descriptor()),
        GatewayRoute(
            "/v3/auth/enable", "/etcdserverpb.Auth/AuthEnable",
            etcdserverpb__auth_enable_request__get_descriptor(),
            etcdserverpb__auth_enable_response__get_descriptor()),
        GatewayRoute(
            "/v3/auth/disable", "/etcdserverpb.Auth/AuthDisable",
            etcdserverpb__auth_disable_request__get_descriptor(),
            etcdserverpb__auth_disable_response__get_descriptor()),
        GatewayRoute(
            "/v3/auth/status", "/etcdserverpb.Auth/AuthStatus",
            etcdserverpb__auth_status_request__get_descriptor(),
            etcdserverpb__auth_status_response__get_descriptor()),
        GatewayRoute(
            "/v3/auth/authenticate", "/etcdserverpb.Auth/Authenticate",
            etcdserverpb__authenticate_request__get_descriptor(),
            etcdserverpb__authenticate_response__get_descriptor()),
        GatewayRoute(
            "/v3/auth/user/add", "/etcdserverpb.Auth/UserAdd",
            etcdserverpb__auth_user_add_request__get_descriptor(),
            etcdserverpb__auth_user_add_response__get_descriptor()),
        GatewayRoute(
            "/v3/auth/user/get", "/etcdserverpb.Auth/UserGet",
            etcdserverpb__auth_user_get_request__get_descriptor(),
            etcdserverpb__auth_user_get_response__get_descriptor()),
        GatewayRoute(
            "/v3/auth/user/list", "/etcdserverpb.Auth/UserList",
            etcdserverpb__auth_user_list_request__get_descriptor(),
            etcdserverpb__auth_user_list_response__get_descriptor()),
        GatewayRoute(
            "/v3/auth/user/delete", "/etcdserverpb.Auth/UserDelete",
            etcdserverpb__auth_user_delete_request__get_descriptor(),
            etcdserverpb__auth_user_delete_response__get_descriptor()),
        GatewayRoute(
            "/v3/auth/user/changepw", "/etcdserverpb.Auth/UserChangePassword",
            etcdserverpb__auth_user_change_password_request__get_descriptor(),
            etcdserverpb__auth_user_change_password_response__get_descriptor()),
        GatewayRoute(
            "/v3/auth/user/grant", "/etcdserverpb.Auth/UserGrantRole",
            etcdserverpb__auth_user_grant_role_request__get_descriptor(),
            etcdserverpb__auth_user_grant_role_response__get_descriptor()),
        GatewayRoute(
            "/v3/auth/user/revoke", "/etcdserverpb.Auth/UserRevokeRole",
            etcdserverpb__auth_user_revoke_role_request__get_descriptor(),
            etcdserverpb__auth_user_revoke_role_response__get_descriptor()),
        GatewayRoute(
            "/v3/auth/role/add", "/etcdserverpb.Auth/RoleAdd",
            etcdserverpb__auth_role_add_request__get_descriptor(),
            etcdserverpb__auth_role_add_response__get_descriptor()),
        GatewayRoute(
            "/v3/auth/role/get", "/etcdserverpb.Auth/RoleGet",
            etcdserverpb__auth_role_get_request__get_descriptor(),
            etcdserverpb__auth_role_get_response__get_descriptor()),
        GatewayRoute(
            "/v3/auth/role/list", "/etcdserverpb.Auth/RoleList",
            etcdserverpb__auth_role_list_request__get_descriptor(),
            etcdserverpb__auth_role_list_response__get_descriptor()),
        GatewayRoute(
            "/v3/auth/role/delete", "/etcdserverpb.Auth/RoleDelete",
            etcdserverpb__auth_role_delete_request__get_descriptor(),
            etcdserverpb__auth_role_delete_response__get_descriptor()),
        GatewayRoute(
            "/v3/auth/role/grant", "/etcdserverpb.Auth/RoleGrantPermission",
            etcdserverpb__auth_role_grant_permission_request__get_descriptor(),
            etcdserverpb__auth_role_grant_permission_response__get_descriptor()),
        GatewayRoute(
            "/v3/auth/role/revoke", "/etcdserverpb.Auth/RoleRevokePermission",
            etcdserverpb__auth_role_revoke_permission_request__get_descriptor(),
            etcdserverpb__auth_role_revoke_permission_response__get_descriptor()),
        GatewayRoute(
            "/v3/lock/lock", "/v3lockpb.Lock/Lock",
            v3lockpb__lock_request__get_descriptor(),
            v3lockpb__lock_response__get_descriptor()),
        GatewayRoute(
            "/v3/lock/unlock", "/v3lockpb.Lock/Unlock",
            v3lockpb__unlock_request__get_descriptor(),
            v3lockpb__unlock_response__get_descriptor()),
        GatewayRoute(
            "/v3/election/campaign", "/v3electionpb.Election/Campaign",
            v3electionpb__campaign_request__get_descriptor(),
            v3electionpb__campaign_response__get_descriptor()),
        GatewayRoute(
            "/v3/election/proclaim", "/v3electionpb.Election/Proclaim",
            v3electionpb__proclaim_request__get_descriptor(),
            v3electionpb__proclaim_response__get_descriptor()),
        GatewayRoute(
            "/v3/election/leader", "/v3electionpb.Election/Leader",
            v3electionpb__leader_request__get_descriptor(),
            v3electionpb__leader_response__get_descriptor()),
        GatewayRoute(
            "/v3/election/observe", "/v3electionpb.Election/Observe",
            v3electionpb__leader_request__get_descriptor(),
            v3electionpb__leader_response__get_descriptor(), .serverStreaming),
        GatewayRoute(
            "/v3/election/resign", "/v3electionpb.Election/Resign",
            v3electionpb__resign_request__get_descriptor(),
            v3electionpb__resign_response__get_descriptor()),
    ]
}
