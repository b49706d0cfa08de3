// etcdserverpb.KV: requests are decoded and checked on the thread of their connection, then go to
// the log (writes) or to the applied state (reads).

import API
import Transport

struct KVService: Sendable {
    let gate: ProposalGate
    let reads: ReadGate
    /// The longest list of a transaction; flag max-txn-ops.
    var maxTxnOperations = Limits.txnOperations

    func register(in methods: inout GuardedMethods) {
        methods.unary("/etcdserverpb.KV/Range") { call, caller, bytes in
            range(bytes, as: caller, call)
        }
        methods.serverStreaming("/etcdserverpb.KV/RangeStream") { call, caller, bytes in
            rangeStream(bytes, as: caller, call)
        }
        methods.unary("/etcdserverpb.KV/Put") { call, caller, bytes in
            put(bytes, as: caller, call)
        }
        methods.unary("/etcdserverpb.KV/DeleteRange") { call, caller, bytes in
            deleteRange(bytes, as: caller, call)
        }
        methods.unary("/etcdserverpb.KV/Txn") { call, caller, bytes in
            txn(bytes, as: caller, call)
        }
        methods.unary("/etcdserverpb.KV/Compact") { call, caller, bytes in
            compact(bytes, as: caller, call)
        }
    }

    func put(
        _ bytes: UnsafeRawBufferPointer, as caller: Principal, _ reply: any Replying
    ) {
        let arena = gate.arenas.take()
        do throws(RequestRefusal) {
            let request = try decodeRequest(PutRequest.self, bytes, in: arena)
            try checkPut(request)
            gate.submit(
                .put, request: bytes, operation: .put(request), arena: arena, as: caller,
                reply: reply)
        } catch {
            gate.arenas.putBack(arena)
            reply.fail(error.status)
        }
    }

    func deleteRange(
        _ bytes: UnsafeRawBufferPointer, as caller: Principal, _ reply: any Replying
    ) {
        let arena = gate.arenas.take()
        do throws(RequestRefusal) {
            let request = try decodeRequest(DeleteRangeRequest.self, bytes, in: arena)
            try checkDeleteRange(request)
            gate.submit(
                .deleteRange, request: bytes, operation: .deleteRange(request), arena: arena,
                as: caller,
                reply: reply)
        } catch {
            gate.arenas.putBack(arena)
            reply.fail(error.status)
        }
    }

    func compact(
        _ bytes: UnsafeRawBufferPointer, as caller: Principal, _ reply: any Replying
    ) {
        let arena = gate.arenas.take()
        do throws(RequestRefusal) {
            let request = try decodeRequest(CompactionRequest.self, bytes, in: arena)
            gate.submit(
                .compaction, request: bytes, operation: .compaction(request), arena: arena,
                as: caller,
                reply: reply)
        } catch {
            gate.arenas.putBack(arena)
            reply.fail(error.status)
        }
    }

    func range(
        _ bytes: UnsafeRawBufferPointer, as caller: Principal, _ reply: any Replying
    ) {
        let arena = gate.arenas.take()
        do throws(RequestRefusal) {
            let request = try decodeRequest(RangeRequest.self, bytes, in: arena)
            if reads.applier.presence.isLearner, !request.isSerializable {
                throw RequestRefusal(.notSupportedForLearner)
            }
            try checkRange(request)
            reads.submit(
                PendingRange(
                    request, of: reads.applier, arena: arena, from: gate.arenas, as: caller,
                    reply: reply))
        } catch {
            gate.arenas.putBack(arena)
            reply.fail(error.status)
        }
    }

    /// - Returns: who goes on with the call; nil when it was refused.
    func rangeStream(
        _ bytes: UnsafeRawBufferPointer, as caller: Principal, _ call: any MessageTaking
    ) -> RangeStreamCall? {
        let arena = gate.arenas.take()
        do throws(RequestRefusal) {
            let request = try decodeRequest(RangeRequest.self, bytes, in: arena)
            try checkRange(request)
            try checkRangeStream(request)
            let stream = RangeStreamCall(call)
            reads.submit(
                RangeStream(
                    request, of: reads.applier, arena: arena, from: gate.arenas, as: caller,
                    to: stream,
                    maxRequestBytes: gate.maxRequestBytes))
            return stream
        } catch {
            gate.arenas.putBack(arena)
            call.finish(error.status)
            return nil
        }
    }
}

extension KVService {
    func txn(
        _ bytes: UnsafeRawBufferPointer, as caller: Principal, _ reply: any Replying
    ) {
        let arena = gate.arenas.take()
        do throws(RequestRefusal) {
            let request = try decodeRequest(TxnRequest.self, bytes, in: arena)
            try checkTxn(request, limit: maxTxnOperations)
            if request.isReadOnly {
                reads.submit(
                    PendingTxn(
                        request, of: reads.applier, arena: arena, from: gate.arenas, as: caller,
                        reply: reply))
            } else {
                gate.submit(
                    .txn, request: bytes, operation: .txn(request), arena: arena, as: caller,
                    reply: reply)
            }
        } catch {
            gate.arenas.putBack(arena)
            reply.fail(error.status)
        }
    }
}

/// A request that is answered with an error before anything is done.
struct RequestRefusal: Error {
    let status: Status
    init(_ status: Status) { self.status = status }
}

func decodeRequest<Request: WireMessage>(
    _: Request.Type, _ bytes: UnsafeRawBufferPointer, in arena: Arena
) throws(RequestRefusal) -> Request {
    do throws(WireError) {
        return try Request.decode(bytes, in: arena)
    } catch {
        throw RequestRefusal(.malformedRequest(error))
    }
}
