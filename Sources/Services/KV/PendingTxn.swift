// A read-only transaction on its way to the store, and the way back.

import API

/// A decoded TxnRequest that only reads and waits to be served.
///
/// `@unchecked Sendable`: made on the thread of a connection, handed over once to the executor of
/// the applied state, and touched only there from then on.
final class PendingTxn: AppliedRead, SlicedReader, @unchecked Sendable {
    let request: TxnRequest
    let applier: Applier
    let isSerializable: Bool
    let caller: Principal
    private var arena: Arena?
    private let pool: ArenaPool
    private let reply: any Replying
    /// Of users and roles when the read began; nil while they do not count.
    private var authRevision: UInt64?

    /// - Parameter arena: where `request` was decoded; goes back to `pool` once it is answered.
    init(
        _ request: TxnRequest, of applier: Applier, arena: Arena, from pool: ArenaPool,
        as caller: Principal, reply: any Replying
    ) {
        self.request = request
        self.applier = applier
        isSerializable = request.isSerializable
        self.arena = arena
        self.pool = pool
        self.caller = caller
        self.reply = reply
    }

    func serve(from applier: isolated Applier) {
        authRevision = caller.isMember ? nil : applier.authRevision
        switch applier.readTxn(request, for: self) {
        case .success(.whole): applier.response.take { reply.respond($0) }
        case .success(.inSlices): return
        case .failure(let status): reply.fail(status)
        }
        release()
    }

    func refusal(given access: KeyAccess) -> Status? { access.refusal(of: request) }

    var isAbandoned: Bool { reply.isAbandoned }

    func respond(_ answer: ByteBlocks, size: Int) {
        if let authRevision, applier.assumeIsolated({ $0.authRevision }) != authRevision {
            return fail(.oldAuthRevision)
        }
        reply.respond(answer, size: size)
        release()
    }

    func fail(_ status: Status) {
        reply.fail(status)
        release()
    }

    private func release() {
        guard let arena else { return }
        self.arena = nil
        pool.putBack(arena)
    }
}
