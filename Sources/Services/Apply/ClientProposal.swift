// A client's request on its way through the log: decoded once, when it came, and kept beside its
// entry until it is applied or given up.

import API
import Consensus

/// A request that waits for its entry to be applied.
///
/// `@unchecked Sendable`: made on the thread of a connection, handed over once to the executor of
/// the applied state, and touched only there from then on.
final class ClientProposal: Proposal, Expiring, @unchecked Sendable {
    let id: RequestID
    /// The entry's payload, which names and carries the same request. Taken when it is proposed.
    private(set) var payload: [UInt8]
    /// Views into `arena`.
    let operation: InternalRaftRequest.Operation
    /// As the payload says.
    let caller: Principal
    private var arena: Arena?
    private let pool: ArenaPool
    private let reply: any Replying
    private let applier: Applier

    /// - Parameter arena: where `operation` was decoded; goes back to `pool` once all is settled.
    init(
        id: RequestID, payload: [UInt8], operation: InternalRaftRequest.Operation, arena: Arena,
        from pool: ArenaPool, as caller: Principal, reply: any Replying, applier: Applier
    ) {
        self.id = id
        self.payload = payload
        self.operation = operation
        self.arena = arena
        self.pool = pool
        self.caller = caller
        self.reply = reply
        self.applier = applier
    }

    /// The term of the leader that was sent it; zero while no other was.
    var forwardedIn = Term.zero

    /// Whether the caller has its answer. The operation may still be applied afterwards.
    private(set) var isSettled = false

    /// The payload, once: the log holds it from here on.
    func takePayload() -> [UInt8] {
        let bytes = payload
        payload = []
        return bytes
    }

    /// The entry was applied; `operation` is not needed any more.
    func applied(_ result: Result<UnsafeRawBufferPointer, Status>) {
        if !isSettled {
            isSettled = true
            switch result {
            case .success(let message): reply.respond(message)
            case .failure(let status): reply.fail(status)
            }
        }
        releaseArena()
    }

    /// The entry was applied, and what it caused may take longer than a request's time: who takes
    /// the reply answers. Nil when the caller was told already.
    func takeReply() -> (any Replying)? {
        defer { releaseArena() }
        guard !isSettled else { return nil }
        isSettled = true
        return reply
    }

    /// The entry was applied, and ranges of it are still to be read: the operation is kept until the
    /// answer comes. Nil when the caller was told already.
    func readsOn() -> AppliedTxn? {
        guard !isSettled else {
            releaseArena()
            return nil
        }
        isSettled = true
        return AppliedTxn(self)
    }

    /// What becomes of a transaction that was applied and whose answer is read in slices. Confined
    /// to the executor of the applied state, hence `@unchecked Sendable`.
    final class AppliedTxn: SlicedReader, @unchecked Sendable {
        private let proposal: ClientProposal

        fileprivate init(_ proposal: ClientProposal) { self.proposal = proposal }

        var operation: InternalRaftRequest.Operation { proposal.operation }
        var isAbandoned: Bool { proposal.reply.isAbandoned }

        func respond(_ answer: ByteBlocks, size: Int) {
            proposal.reply.respond(answer, size: size)
            proposal.releaseArena()
        }

        /// What it changed it has changed, which the caller must not take for refused.
        func fail(_ status: Status) {
            proposal.reply.fail(.requestTimeout)
            proposal.releaseArena()
        }
    }

    func dropped(_ reason: ProposalDrop) { refuse(Status(reason)) }

    func forwarded() { applier.assumeIsolated { $0.await(self) } }

    /// It will not be applied by way of this reference.
    func refuse(_ status: Status) {
        if !isSettled {
            isSettled = true
            applier.counters.failedProposals.increment()
            reply.fail(status)
        }
        releaseArena()
    }

    /// The caller is told, but the entry may still come, so the operation is kept.
    func expire(_ status: Status) {
        guard !isSettled else { return }
        isSettled = true
        applier.counters.failedProposals.increment()
        reply.fail(status)
    }

    private func releaseArena() {
        guard let arena else { return }
        self.arena = nil
        pool.putBack(arena)
    }
}
