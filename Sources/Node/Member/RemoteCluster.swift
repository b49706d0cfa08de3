// What a member that joins asks of the cluster before it begins: who belongs to it, and by which
// ids (etcd: GetClusterFromRemotePeers).

import API
import Services
import Transport

struct RemoteCluster: Sendable {
    let cluster: ClusterID
    let members: [ClusterMember]
    /// `X.Y.Z`; empty while it is not decided, or when the member asked does not know the question.
    var version = ""

    private static let members = GRPCClientMethod(PeerMethod.members.rawValue)
    private static let version = GRPCClientMethod(PeerMethod.version.rawValue)

    /// Asks whoever listens at one of `urls`. Blocks; not on `loop`.
    static func fetch(
        from urls: [String], timeoutNanoseconds: UInt64, over tls: LoopBound<MemberTLS>,
        on loop: EventLoop
    ) throws -> RemoteCluster {
        try waitFor { done in
            loop.post {
                let links = PeerLinks(
                    cluster: ClusterID(0), member: .none, urls: [],
                    dialer: tls.value.dialer(), random: SystemRandom())
                let bound = LoopBound(links)
                fetch(from: urls, timeoutNanoseconds, over: bound) { result in
                    bound.value.stop()
                    done(result.mapError { $0 })
                }
            }
        }
    }

    private static func fetch(
        from urls: [String], _ timeout: UInt64, over links: LoopBound<PeerLinks>,
        completion: @escaping @Sendable (Result<RemoteCluster, Status>) -> Void
    ) {
        var request = ByteBuffer()
        request.appendMemberListRequest(isLinearizable: false)
        links.value.call(anyOf: urls, members, request.array, timeout: timeout) { result in
            switch result.flatMap(read) {
            case .failure(let status): completion(.failure(status))
            case .success(let found):
                links.value.call(anyOf: urls, version, [], timeout: timeout) { result in
                    var found = found
                    if case .success(let bytes) = result {
                        found.version = Applier.clusterVersion(inAnswer: bytes) ?? ""
                    }
                    completion(.success(found))
                }
            }
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
