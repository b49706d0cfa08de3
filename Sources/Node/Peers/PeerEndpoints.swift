// What the peer port answers over HTTP/1.1: what etcd's tools and members that join ask there
// (reference: http-endpoints.md, Peer port). Raft itself speaks gRPC.

import API
import Services

/// Asked on the executor of the connections.
public protocol PeerPortStatus: ServerStatus {
    var cluster: ClusterID { get }
    /// Ascending by id.
    var members: [ClusterMember] { get }
}

struct PeerEndpoints {
    private let status: any PeerPortStatus

    init(_ status: any PeerPortStatus) { self.status = status }

    func answer(_ request: HTTPStatusRequest) -> HTTPStatusResponse {
        switch request.path {
        case "/version":
            return request.method == "GET" ? StatusEndpoints.version(of: status) : .methodNotAllowed
        case "/members":
            return request.method == "GET" ? members : .methodNotAllowed
        default:
            return .notFound
        }
    }

    private var members: HTTPStatusResponse {
        let list = JSONValue.array(status.members.map(\.json))
        var response = HTTPStatusResponse(
            200, type: "application/json", body: Array("\(list)\n".utf8))
        response.headers.append(
            HTTPStatusResponse.Header(name: "X-Etcd-Cluster-ID", value: status.cluster.hex))
        return response
    }
}
