// What a member that joins asks of the cluster before it begins: who belongs to it, and by which
// ids (etcd: GetClusterFromRemotePeers).

import API
import Services
import Transport

struct RemoteCluster: Sendable {
    let cluster: ClusterID
    let members: [ClusterMember]

    private static let timeoutNanoseconds: UInt64 = 10_000_000_000
    private static let members = GRPCClientMethod(PeerMethod.members.rawValue)

    /// Asks whoever listens at one of `urls`. On `links`' executor.
    static func fetch(
        from urls: [String], over links: PeerLinks,
        completion: @escaping @Sendable (Result<RemoteCluster, Status>) -> Void
    ) {
        var request = ByteBuffer()
        request.appendMemberListRequest(isLinearizable: false)
        links.call(anyOf: urls, members, request.array, timeout: timeoutNanoseconds) { result in
            completion(result.flatMap(read))
        }
    }

    private static func read(
        _ bytes: UnsafeRawBufferPointer
    ) -> Result<RemoteCluster, Status> {
        let arena = Arena()
        do throws(WireError) {
            let response = try MemberListResponse.decode([UInt8](bytes), in: arena)
            return withExtendedLifetime(arena) {
                .success(
                    RemoteCluster(
                        cluster: response.header?.clusterID ?? ClusterID(0),
                        members: response.members.map(record)))
            }
        } catch {
            return .failure(.malformedRequest(error))
        }
    }

    private static func record(_ member: Member) -> ClusterMember {
        ClusterMember(
            id: member.id, peerURLs: member.peerURLs, isLearner: member.isLearner,
            name: member.name, clientURLs: member.clientURLs)
    }
}
