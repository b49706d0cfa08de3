// What a member says of itself once it knows a leader: its name and client URLs; and, as the
// leader, the cluster's version (reference: semantics.md, Cluster version).

import API
import Consensus

extension Applier {
    /// Called when there is a leader. Each start publishes once.
    func publish() {
        guard !hasPublished else { return }
        hasPublished = true
        var payload = ByteBuffer()
        payload.appendClusterMemberAttrSet(
            ProposalHeader(id: ids.next()), member: identity.member, name: settings.name,
            clientURLs: settings.clientURLs)
        propose(payload: payload.array)
        if membership.clusterVersion != ServedVersion.cluster {
            var payload = ByteBuffer()
            payload.appendClusterVersionSet(
                ProposalHeader(id: ids.next()), version: ServedVersion.cluster)
            propose(payload: payload.array)
        }
    }

    /// Proposes a request of the member's own; nobody waits for its outcome.
    func propose(_ kind: ProposalKind, request: UnsafeRawBufferPointer) {
        var payload = ByteBuffer()
        payload.appendProposal(ProposalHeader(id: ids.next()), kind, request: request)
        propose(payload: payload.array)
    }

    private func propose(payload: [UInt8]) {
        raft?.assumeIsolated { [logger] raft in
            do throws(ProposalRefusal) { try raft.propose(payload, proposal: nil) } catch {
                logger.warning(
                    "failed to propose an internal request", metadata: ["error": "\(error)"])
            }
        }
    }
}
