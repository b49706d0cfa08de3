// etcdserverpb.Lease: grants and revocations go through the log, questions to the applied state.

import API
import Transport

struct LeaseService: Sendable {
    let gate: ProposalGate
    let reads: ReadGate
    let ids: RequestIDSource

    func register(in methods: inout GuardedMethods) {
        methods.unary("/etcdserverpb.Lease/LeaseGrant") { call, caller, bytes in
            grant(bytes, as: caller, call)
        }
        methods.unary("/etcdserverpb.Lease/LeaseRevoke") { call, caller, bytes in
            revoke(bytes, as: caller, call)
        }
        methods.bidirectional("/etcdserverpb.Lease/LeaseKeepAlive") { call, visitor in
            KeepAliveStream(
                call, of: visitor, renewals: RenewalGate(of: reads),
                failures: reads.applier.counters.leases.receiveFailures)
        }
        methods.unary("/etcdserverpb.Lease/LeaseTimeToLive") { call, caller, bytes in
            timeToLive(bytes, as: caller, call)
        }
        methods.unary("/etcdserverpb.Lease/LeaseLeases") { call, caller, bytes in
            list(bytes, as: caller, call)
        }
    }

    func grant(
        _ bytes: UnsafeRawBufferPointer, as caller: Principal, _ reply: any Replying
    ) {
        let arena = gate.arenas.take()
        do throws(RequestRefusal) {
            let request = try decodeRequest(LeaseGrantRequest.self, bytes, in: arena)
            guard request.id == .none else {
                return gate.submit(
                    .leaseGrant, request: bytes, operation: .leaseGrant(request), arena: arena,
                    as: caller,
                    reply: reply)
            }
            gate.arenas.putBack(arena)
            grant(ttl: request.ttl, as: caller, reply)
        } catch {
            gate.arenas.putBack(arena)
            reply.fail(error.status)
        }
    }

    /// Grants a lease that the client leaves to the server to name.
    func grant(ttl: Int64, as caller: Principal, _ reply: any Replying) {
        var request = ByteBuffer()
        request.appendLeaseGrantRequest(ttl: ttl, id: ids.nextLease())
        let arena = gate.arenas.take()
        do throws(RequestRefusal) {
            let named = try decodeRequest(LeaseGrantRequest.self, request.array, in: arena)
            request.withUnsafeBytes {
                gate.submit(
                    .leaseGrant, request: $0, operation: .leaseGrant(named), arena: arena,
                    as: caller,
                    reply: reply)
            }
        } catch {
            gate.arenas.putBack(arena)
            reply.fail(error.status)
        }
    }

    func revoke(
        _ bytes: UnsafeRawBufferPointer, as caller: Principal, _ reply: any Replying
    ) {
        let arena = gate.arenas.take()
        do throws(RequestRefusal) {
            let request = try decodeRequest(LeaseRevokeRequest.self, bytes, in: arena)
            gate.submit(
                .leaseRevoke, request: bytes, operation: .leaseRevoke(request), arena: arena,
                as: caller,
                reply: reply)
        } catch {
            gate.arenas.putBack(arena)
            reply.fail(error.status)
        }
    }

    func timeToLive(
        _ bytes: UnsafeRawBufferPointer, as caller: Principal, _ reply: any Replying
    ) {
        let arena = gate.arenas.take()
        defer { gate.arenas.putBack(arena) }
        do throws(RequestRefusal) {
            let request = try decodeRequest(LeaseTimeToLiveRequest.self, bytes, in: arena)
            let (id, wantsKeys, applier) = (request.id, request.wantsKeys, reads.applier)
            let message = bytes.asking(caller)
            applier.executor.post {
                applier.assumeIsolated { applier in
                    // Also here, as in `renew`: what is known here is not asked of the leader.
                    applier.check(
                        keysOf: wantsKeys ? [id] : [], caller, writes: false
                    ) { applier, refusal in
                        if let refusal { return reply.fail(refusal) }
                        askTimeToLive(
                            id, message, of: applier, as: caller, wantsKeys: wantsKeys, reply)
                    }
                }
            }
        } catch {
            reply.fail(error.status)
        }
    }

    private func askTimeToLive(
        _ id: LeaseID, _ message: [UInt8], of applier: isolated Applier, as caller: Principal,
        wantsKeys: Bool, _ reply: any Replying
    ) {
        LeaderQuestion(of: applier, .timeToLive, message) { _, question in
            question.settled()
            timeToLive(id, wantsKeys: wantsKeys, as: caller, reply)
        } done: { [applier] result in
            applier.assumeIsolated { applier in
                applier.pass(result, under: applier.header(), to: reply)
            }
        }.ask()
    }

    /// As the leader, for a member that was asked.
    func timeToLiveHere(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) {
        let arena = gate.arenas.take()
        defer { gate.arenas.putBack(arena) }
        do throws(RequestRefusal) {
            let request = try decodeRequest(LeaseTimeToLiveRequest.self, bytes, in: arena)
            let caller = try Principal(askingOf: bytes)
            timeToLive(request.id, wantsKeys: request.wantsKeys, as: caller, reply)
        } catch {
            reply.fail(error.status)
        }
    }

    /// etcd waits for what is committed to be applied; this also asks whether the leader still is
    /// one, and a round serves all reads of the turn.
    private func timeToLive(
        _ id: LeaseID, wantsKeys: Bool, as caller: Principal, _ reply: any Replying
    ) {
        let read = StateRead(of: reads.applier, isSerializable: false) { applier in
            applier.check(
                keysOf: wantsKeys ? [id] : [], caller, writes: false
            ) { applier, refusal in
                if let refusal { return reply.fail(refusal) }
                guard applier.timeToLive(id, wantsKeys: wantsKeys) else {
                    return reply.fail(.notLeader)
                }
                applier.response.take { reply.respond($0) }
            }
        } failed: {
            reply.fail($0)
        }
        reads.submit(read)
    }

    /// As the leader, for a member that was asked.
    func renewHere(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) {
        let (lease, caller): (LeaseID, Principal)
        do throws(WireError) {
            lease = try LeaseKeepAliveRequest.id(in: bytes)
            caller = try Principal(asking: bytes)
        } catch {
            return reply.fail(.malformedRequest(error))
        }
        let applier = reads.applier
        applier.executor.post {
            applier.assumeIsolated { applier in
                guard applier.leads else { return reply.fail(.notLeader) }
                applier.renew(lease, as: caller, by: reads, for: ForwardedRenewal(reply))
            }
        }
    }

    func list(
        _ bytes: UnsafeRawBufferPointer, as caller: Principal, _ reply: any Replying
    ) {
        let arena = gate.arenas.take()
        defer { gate.arenas.putBack(arena) }
        do throws(RequestRefusal) {
            _ = try decodeRequest(LeaseLeasesRequest.self, bytes, in: arena)
            let read = StateRead(of: reads.applier, isSerializable: true) { applier in
                let leases = applier.lessor.assumeIsolated { $0.list }
                applier.check(keysOf: leases, caller, writes: false) { applier, refusal in
                    if let refusal { return reply.fail(refusal) }
                    applier.response.bytes.appendLeaseLeasesResponse(applier.header(), leases)
                    applier.response.take { reply.respond($0) }
                }
            } failed: {
                reply.fail($0)
            }
            reads.submit(read)
        } catch {
            reply.fail(error.status)
        }
    }
}

extension Principal {
    /// As `init(asking:)`, of a request that came from another member.
    fileprivate init(askingOf message: UnsafeRawBufferPointer) throws(RequestRefusal) {
        do throws(WireError) { self = try Principal(asking: message) } catch {
            throw RequestRefusal(.malformedRequest(error))
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

func decodeRequest<Request: WireMessage>(
    _: Request.Type, _ bytes: [UInt8], in arena: Arena
) throws(RequestRefusal) -> Request {
    do throws(WireError) {
        return try Request.decode(bytes, in: arena)
    } catch {
        throw RequestRefusal(.malformedRequest(error))
    }
}
