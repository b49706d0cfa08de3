// Where requests enter the log.
//
// On the thread of a connection a request is decoded and checked; here, on the executor of Raft
// and the applied state, it is weighed against the quota and proposed.

import API
import Consensus

/// Proposes requests and gives up those that take too long. From any thread.
final class ProposalGate: Sendable {
    let arenas = ArenaPool()
    private let raft: RaftNode
    private let applier: Applier
    /// The largest proposal.
    let maxRequestBytes: Int
    private let ids: RequestIDSource
    private let inbox: HandOver<ClientProposal>

    /// Proposals that may wait for the executor of the applied state.
    private static let waitingLimit = 10_000

    init(raft: RaftNode, applier: Applier, ids: RequestIDSource, maxRequestBytes: Int) {
        self.raft = raft
        self.applier = applier
        self.maxRequestBytes = maxRequestBytes
        self.ids = ids
        inbox = HandOver(to: raft.executor, limit: Self.waitingLimit) { proposal in
            Self.propose(proposal, raft: raft, applier: applier)
        }
    }

    /// Proposes an operation that was decoded from `request` in `arena`, by `caller`, whose rights
    /// are checked when it is applied. `reply` is answered once.
    func submit(
        _ kind: ProposalKind, request: UnsafeRawBufferPointer,
        operation: InternalRaftRequest.Operation, arena: Arena,
        as caller: Principal, reply: any Replying
    ) {
        let id = ids.next()
        let header = proposalHeader(id, caller)
        var payload = ByteBuffer(capacity: request.count + 64 + header.username.bytes.count)
        payload.appendProposal(header, kind, request: request)
        guard payload.count <= maxRequestBytes else {
            arenas.putBack(arena)
            return reply.fail(.requestTooLarge)
        }
        let proposal = ClientProposal(
            id: id, payload: payload.array, operation: operation, arena: arena, from: arenas,
            as: caller.asLogged(header), reply: reply, applier: applier)
        if !inbox.send(proposal) { proposal.refuse(.tooManyRequests) }
    }

    /// What the entry says of its caller, and so all that its members know of one: no more may be
    /// asked where it is applied. What the member does by itself it does as root.
    private func proposalHeader(_ id: RequestID, _ caller: Principal) -> ProposalHeader {
        if caller.isMember { return applier.authority.board.rootHeader(id) }
        return ProposalHeader(id: id, username: caller.user, authRevision: caller.revision)
    }

    private static func propose(_ proposal: ClientProposal, raft: RaftNode, applier: Applier) {
        guard let lease = proposal.operation.lease, applier.authority.board.isEnabled else {
            return proposeChecked(proposal, raft: raft, applier: applier)
        }
        // Whether the caller may is decided when the entry is applied, which takes one look then:
        // here it may take its time.
        applier.assumeIsolated { applier in
            applier.check(keysOf: [lease], proposal.caller, writes: true) { applier, refusal in
                if refusal == .tooManyRequests { return proposal.refuse(.tooManyRequests) }
                proposeChecked(proposal, raft: raft, applier: applier)
            }
        }
    }

    private static func proposeChecked(
        _ proposal: ClientProposal, raft: RaftNode, applier: Applier
    ) {
        let refusal = applier.assumeIsolated { $0.refusal(of: proposal) }
        if let refusal { return proposal.refuse(refusal) }
        let priority = applier.priority(of: proposal.operation)
        do throws(ProposalRefusal) {
            try raft.enter { raft throws(ProposalRefusal) in
                try raft.propose(
                    proposal.takePayload(), proposal: proposal, priority: priority)
            }
        } catch {
            return proposal.refuse(Status(.refused(error)))
        }
        // Only now: what is refused is not to be kept until its time would be over.
        applier.assumeIsolated { $0.limitTime(of: proposal) }
    }
}

extension InternalRaftRequest.Operation {
    /// The lease whose keys its caller has to have rights on.
    fileprivate var lease: LeaseID? {
        switch self {
        case .leaseRevoke(let request): request.id
        case .put(let request): request.lease == .none ? nil : request.lease
        default: nil
        }
    }
}
