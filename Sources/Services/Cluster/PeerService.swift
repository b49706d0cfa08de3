// cairn.Peer: what one member asks of another beside Raft. The messages are those of etcd's API.

import API
import Transport

struct PeerService: Sendable {
    let cluster: ClusterService
    let leases: LeaseService
    let maintenance: MaintenanceService

    func register(in methods: inout GRPCMethods) {
        for method in PeerMethod.allCases {
            methods.unary(method.rawValue) { call, bytes in serve(method, bytes, call) }
        }
    }

    private func serve(
        _ method: PeerMethod, _ bytes: UnsafeRawBufferPointer, _ reply: any Replying
    ) {
        switch method {
        case .renewLease: leases.renewHere(bytes, reply)
        case .timeToLive: leases.timeToLiveHere(bytes, reply)
        case .promote: cluster.promoteHere(bytes, reply)
        case .members: cluster.memberList(bytes, reply)
        case .hashKV: maintenance.hashKV(bytes, reply)
        case .version: maintenance.version(reply)
        }
    }
}

/// Waits for one renewal that another member has sent on.
///
/// `@unchecked Sendable`: told once, by the lessor.
final class ForwardedRenewal: RenewalReceiver, @unchecked Sendable {
    private let reply: any Replying
    init(_ reply: any Replying) { self.reply = reply }

    func renewed(_ lease: LeaseID, _ header: HeaderFields, ttl: Result<Int64, Status>) {
        switch ttl {
        case .success(let ttl):
            var message = ByteBuffer(capacity: 64)
            message.appendLeaseKeepAliveResponse(header, id: lease, ttl: ttl)
            message.withUnsafeBytes { reply.respond($0) }
        // The member that asks is to ask the next leader.
        case .failure(.notPrimaryLessor): reply.fail(.notLeader)
        case .failure(let status): reply.fail(status)
        }
    }
}
