// etcdserverpb.Cluster.

import API
import Transport

struct ClusterService: Sendable {
    let gate: ProposalGate
    let reads: ReadGate

    func register(in methods: inout GRPCMethods) {
        methods.unary("/etcdserverpb.Cluster/MemberList") { call, bytes in
            memberList(bytes, call)
        }
    }

    func memberList(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) {
        let arena = gate.arenas.take()
        defer { gate.arenas.putBack(arena) }
        do throws(RequestRefusal) {
            let request = try decodeRequest(MemberListRequest.self, bytes, in: arena)
            let read = StateRead(
                of: reads.applier, isSerializable: !request.isLinearizable
            ) { applier in
                // Responses about the cluster have no revision (reference: semantics.md, Headers).
                applier.response.bytes.appendMemberListResponse(
                    applier.header(Revision(0)), applier.membership.sorted.map(\.fields))
                applier.response.take { reply.respond($0) }
            } failed: {
                reply.fail($0)
            }
            reads.submit(read)
        } catch {
            reply.fail(error.status)
        }
    }
}

extension ClusterMember {
    var fields: MemberFields {
        MemberFields(
            id: id, name: name, peerURLs: peerURLs, clientURLs: clientURLs, isLearner: isLearner)
    }
}
