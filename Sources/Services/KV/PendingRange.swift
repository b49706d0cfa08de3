// A Range on its way to the store, and the way back.

import API
import Storage

/// A decoded RangeRequest that waits to be served.
///
/// `@unchecked Sendable`: made on the thread of a connection, handed over once to the executor of
/// the applied state, and touched only there from then on.
final class PendingRange: AppliedRead, SlicedReader, @unchecked Sendable {
    let request: RangeRequest
    let applier: Applier
    let isSerializable: Bool
    let caller: Principal
    private var arena: Arena?
    private let pool: ArenaPool
    private let reply: any Replying
    private var began: UInt64 = 0
    /// Of users and roles when the read began; nil while they do not count.
    private var authRevision: UInt64?

    /// - Parameter arena: where `request` was decoded; goes back to `pool` once it is answered.
    init(
        _ request: RangeRequest, of applier: Applier, arena: Arena, from pool: ArenaPool,
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
        let times = applier.counters.times
        began = times.stopwatch()
        do throws(StoreError) {
            if try applier.beginRange(request, for: self) { return }
            times.served.observe(times.stopwatch() - began)
            applier.response.take { reply.respond($0) }
        } catch {
            times.failed.observe(times.stopwatch() - began)
            applier.response.clear()
            reply.fail(Status(error))
        }
        release()
    }

    func refusal(given access: KeyAccess) -> Status? {
        access.refusalToRead(request.key, request.rangeEnd)
    }

    var isAbandoned: Bool { reply.isAbandoned }

    func respond(_ answer: ByteBlocks, size: Int) {
        if let authRevision, applier.assumeIsolated({ $0.authRevision }) != authRevision {
            return fail(.oldAuthRevision)
        }
        let times = sliceTimes
        times.served.observe(times.stopwatch() - began)
        reply.respond(answer, size: size)
        release()
    }

    /// It was refused before it began, or is not read to its end.
    func fail(_ status: Status) {
        if began > 0 {
            let times = sliceTimes
            times.failed.observe(times.stopwatch() - began)
        }
        reply.fail(status)
        release()
    }

    private var sliceTimes: ApplierTimes { applier.assumeIsolated { $0.counters.times } }

    private func release() {
        guard let arena else { return }
        self.arena = nil
        pool.putBack(arena)
    }
}
