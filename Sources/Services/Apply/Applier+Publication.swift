// What a member says of itself once it knows a leader: its name and client URLs.

import API
import Consensus

extension Applier {
    /// Called when there is a leader, and from time to time: what was lost is proposed again. Each
    /// start publishes once.
    func publish() {
        guard leader != .none else { return }
        if !hasPublished, isDue(\.attributes) {
            var payload = ByteBuffer()
            payload.appendClusterMemberAttrSet(
                ProposalHeader(id: ids.next()), member: identity.member, name: settings.name,
                clientURLs: settings.clientURLs)
            propose(payload: payload.array)
        }
        negotiateVersion()
    }

    /// Whether a proposal of the member's own is to be made now. It has the time of any request.
    func isDue(_ proposal: WritableKeyPath<OwnProposals, OwnProposal>) -> Bool {
        own[keyPath: proposal].isDue(
            now: executor.now, patience: settings.requestTimeoutNanoseconds)
    }

    /// Proposes a request of the member's own; nobody waits for its outcome.
    func propose(_ kind: ProposalKind, request: UnsafeRawBufferPointer) {
        var payload = ByteBuffer()
        payload.appendProposal(ProposalHeader(id: ids.next()), kind, request: request)
        propose(payload: payload.array)
    }

    func propose(payload: [UInt8]) {
        raft?.assumeIsolated { [logger] raft in
            do throws(ProposalRefusal) { try raft.propose(payload, proposal: nil) } catch {
                logger.warning(
                    "failed to propose an internal request", metadata: ["error": "\(error)"])
            }
        }
    }
}
