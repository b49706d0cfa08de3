// Handing leadership over, as an operator asks for it (reference: semantics.md, Maintenance).

import API
import Consensus
import Transport

extension MaintenanceService {
    func moveLeader(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) {
        let arena = gate.arenas.take()
        defer { gate.arenas.putBack(arena) }
        do throws(RequestRefusal) {
            let target = try decodeRequest(MoveLeaderRequest.self, bytes, in: arena).target
            onState(reply) { $0.moveLeader(to: target, reply) }
        } catch {
            reply.fail(error.status)
        }
    }
}

extension Applier {
    fileprivate func moveLeader(to target: MemberID, _ reply: any Replying) {
        guard leads, let raft else { return reply.fail(.notLeader) }
        guard let member = membership.members[target], !member.isLearner else {
            return reply.fail(.badLeaderTransferee)
        }
        raft.assumeIsolated { raft in
            raft.transferLeadership(to: target) { result in
                switch result {
                // The answer has no field: MoveLeader's has no header.
                case .success: reply.respond(UnsafeRawBufferPointer(start: nil, count: 0))
                case .failure(let failure): reply.fail(Status(failure))
                }
            }
        }
    }
}
