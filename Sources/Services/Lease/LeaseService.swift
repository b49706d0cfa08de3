// etcdserverpb.Lease: grants and revocations go through the log, questions to the applied state.

import API
import Transport

struct LeaseService: Sendable {
    let gate: ProposalGate
    let reads: ReadGate
    let ids: RequestIDSource

    func register(in methods: inout GRPCMethods) {
        methods.unary("/etcdserverpb.Lease/LeaseGrant") { call, bytes in grant(bytes, call) }
        methods.unary("/etcdserverpb.Lease/LeaseRevoke") { call, bytes in revoke(bytes, call) }
        methods.bidirectional("/etcdserverpb.Lease/LeaseKeepAlive") { call in
            KeepAliveStream(
                call, renewals: RenewalGate(of: reads),
                failures: reads.applier.counters.leases.receiveFailures)
        }
        methods.unary("/etcdserverpb.Lease/LeaseTimeToLive") { call, bytes in
            timeToLive(bytes, call)
        }
        methods.unary("/etcdserverpb.Lease/LeaseLeases") { call, bytes in list(bytes, call) }
    }

    func grant(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) {
        let arena = gate.arenas.take()
        do throws(RequestRefusal) {
            let request = try decodeRequest(LeaseGrantRequest.self, bytes, in: arena)
            guard request.id == .none else {
                return gate.submit(
                    .leaseGrant, request: bytes, operation: .leaseGrant(request), arena: arena,
                    reply: reply)
            }
            gate.arenas.putBack(arena)
            grant(ttl: request.ttl, reply)
        } catch {
            gate.arenas.putBack(arena)
            reply.fail(error.status)
        }
    }

    /// Grants a lease that the client leaves to the server to name.
    func grant(ttl: Int64, _ reply: any Replying) {
        var request = ByteBuffer()
        request.appendLeaseGrantRequest(ttl: ttl, id: ids.nextLease())
        let arena = gate.arenas.take()
        do throws(RequestRefusal) {
            let named = try decodeRequest(LeaseGrantRequest.self, request.array, in: arena)
            request.withUnsafeBytes {
                gate.submit(
                    .leaseGrant, request: $0, operation: .leaseGrant(named), arena: arena,
                    reply: reply)
            }
        } catch {
            gate.arenas.putBack(arena)
            reply.fail(error.status)
        }
    }

    func revoke(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) {
        let arena = gate.arenas.take()
        do throws(RequestRefusal) {
            let request = try decodeRequest(LeaseRevokeRequest.self, bytes, in: arena)
            gate.submit(
                .leaseRevoke, request: bytes, operation: .leaseRevoke(request), arena: arena,
                reply: reply)
        } catch {
            gate.arenas.putBack(arena)
            reply.fail(error.status)
        }
    }

    func timeToLive(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) {
        let arena = gate.arenas.take()
        defer { gate.arenas.putBack(arena) }
        do throws(RequestRefusal) {
            let request = try decodeRequest(LeaseTimeToLiveRequest.self, bytes, in: arena)
            let (id, wantsKeys) = (request.id, request.wantsKeys)
            // etcd waits for what is committed to be applied; this also asks whether the leader
            // still is one, and a round serves all reads of the turn.
            let read = StateRead(of: reads.applier, isSerializable: false) { applier in
                guard applier.timeToLive(id, wantsKeys: wantsKeys) else {
                    return reply.fail(.notForwarded)
                }
                applier.response.take { reply.respond($0) }
            } failed: {
                reply.fail($0)
            }
            reads.submit(read)
        } catch {
            reply.fail(error.status)
        }
    }

    func list(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) {
        let arena = gate.arenas.take()
        defer { gate.arenas.putBack(arena) }
        do throws(RequestRefusal) {
            _ = try decodeRequest(LeaseLeasesRequest.self, bytes, in: arena)
            let read = StateRead(of: reads.applier, isSerializable: true) { applier in
                applier.response.bytes.appendLeaseLeasesResponse(
                    applier.header(), applier.lessor.assumeIsolated { $0.list })
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

extension Applier {
    /// Answers a LeaseTimeToLive in `response`.
    /// - Returns: false when another member leads: it alone knows.
    fileprivate func timeToLive(_ id: LeaseID, wantsKeys: Bool) -> Bool {
        let header = header()
        return lessor.enter(with: response) { lessor, response in
            guard lessor.leadership != nil else { return false }
            guard let lease = lessor.timeToLive(id) else {
                response.bytes.appendLeaseTimeToLiveBegin(
                    header, id: id, ttl: -1, grantedTTL: 0)
                return true
            }
            response.bytes.appendLeaseTimeToLiveBegin(
                header, id: id, ttl: lease.ttl, grantedTTL: lease.grantedTTL)
            guard wantsKeys else { return true }
            lessor.forEachKey(of: id) { response.bytes.appendLeaseTimeToLiveKey($0) }
            return true
        }
    }
}

extension Status {
    /// Ours: a client turns to another member.
    fileprivate static let notForwarded = Status(
        .unavailable, "cairn: another member leads, and requests are not forwarded to it yet")
}

func decodeRequest<Request: WireMessage>(
    _: Request.Type, _ bytes: [UInt8], in arena: Arena
) throws(RequestRefusal) -> Request {
    do throws(WireError) {
        return try Request.decode(bytes, in: arena)
    } catch {
        throw RequestRefusal(.malformedRequest(error))
    }
}
