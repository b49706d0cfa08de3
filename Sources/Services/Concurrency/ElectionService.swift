// v3electionpb.Election.

import API
import Storage
import Transport

struct ElectionService: Sendable {
    let services: InnerServices
    private var arenas: ArenaPool { services.kv.gate.arenas }

    init(_ services: InnerServices) { self.services = services }

    func register(in methods: inout GuardedMethods) {
        methods.unary("/v3electionpb.Election/Campaign") { call, caller, bytes in
            let candidacy = campaign(bytes, as: caller, call)
            call.context.onCancel { candidacy?.cancel() }
        }
        methods.unary("/v3electionpb.Election/Proclaim") { call, caller, bytes in
            proclaim(bytes, as: caller, call)
        }
        methods.unary("/v3electionpb.Election/Leader") { call, caller, bytes in
            leader(bytes, as: caller, call)
        }
        methods.serverStreaming("/v3electionpb.Election/Observe") { call, caller, bytes in
            observe(bytes, as: caller, call)
        }
        methods.unary("/v3electionpb.Election/Resign") { call, caller, bytes in
            resign(bytes, as: caller, call)
        }
    }

    /// - Returns: what is to be cancelled with the call.
    @discardableResult
    func campaign(
        _ bytes: UnsafeRawBufferPointer, as caller: Principal, _ reply: any Replying
    ) -> Candidacy? {
        let arena = arenas.take()
        defer { arenas.putBack(arena) }
        do throws(RequestRefusal) {
            let request = try decodeRequest(CampaignRequest.self, bytes, in: arena)
            let candidacy = Candidacy(
                .campaign, name: [UInt8](request.name), value: [UInt8](request.value),
                lease: request.lease, by: services, as: caller
            ) { result in
                switch result {
                case .success(let won):
                    var answer = ByteBuffer()
                    answer.appendCampaignResponse(won.header, won.leader)
                    answer.withUnsafeBytes { reply.respond($0) }
                case .failure(let status): reply.fail(status)
                }
            }
            candidacy.begin()
            return candidacy
        } catch {
            reply.fail(error.status)
            return nil
        }
    }

    func proclaim(
        _ bytes: UnsafeRawBufferPointer, as caller: Principal, _ reply: any Replying
    ) {
        let arena = arenas.take()
        defer { arenas.putBack(arena) }
        do throws(RequestRefusal) {
            let request = try decodeRequest(ProclaimRequest.self, bytes, in: arena)
            guard let leader = request.leader?.fields else {
                throw RequestRefusal(.missingLeaderKey)
            }
            let value = [UInt8](request.value)
            services.withLease(leader.lease, as: caller) { [services] result in
                switch result {
                case .failure(let status): reply.fail(status)
                case .success(let lease):
                    var request = ByteBuffer()
                    request.appendCreatedCompare(leader.key, leader.revision)
                    request.appendTxnPut(leader.key, value, lease: lease)
                    services.txn(request, as: caller) { [applier = services.applier] result in
                        let result = result.flatMap { holds -> Result<Void, Status> in
                            holds ? .success(()) : .failure(.electionNotLeader)
                        }
                        reply.answer(result, with: applier)
                    }
                }
            }
        } catch {
            reply.fail(error.status)
        }
    }

    func resign(
        _ bytes: UnsafeRawBufferPointer, as caller: Principal, _ reply: any Replying
    ) {
        let arena = arenas.take()
        defer { arenas.putBack(arena) }
        do throws(RequestRefusal) {
            let request = try decodeRequest(ResignRequest.self, bytes, in: arena)
            guard let leader = request.leader?.fields else {
                throw RequestRefusal(.missingLeaderKey)
            }
            var txn = ByteBuffer()
            txn.appendCreatedCompare(leader.key, leader.revision)
            let operation = txn.beginTxnOperation(.deleteRange, in: .success)
            leader.key.withUnsafeBytes { txn.appendDeleteRangeRequest(key: $0) }
            txn.endTxnOperation(operation)
            services.txn(txn, as: caller) { [applier = services.applier] result in
                reply.answer(result.map { _ in }, with: applier)
            }
        } catch {
            reply.fail(error.status)
        }
    }

    func leader(
        _ bytes: UnsafeRawBufferPointer, as caller: Principal, _ reply: any Replying
    ) {
        let arena = arenas.take()
        defer { arenas.putBack(arena) }
        do throws(RequestRefusal) {
            let request = try decodeRequest(LeaderRequest.self, bytes, in: arena)
            let prefix = CandidatePrefix(name: [UInt8](request.name))
            let read = StateRead(of: services.applier, isSerializable: false) { applier in
                if let refusal = applier.refusalToRead(prefix, caller) {
                    return reply.fail(refusal.withoutCode)
                }
                do throws(StoreError) {
                    guard let leader = try applier.leader(under: prefix) else {
                        return reply.fail(.electionNoLeader)
                    }
                    leader.message.withUnsafeBytes { reply.respond($0) }
                } catch {
                    reply.fail(Status(error).withoutCode)
                }
            } failed: {
                reply.fail($0.withoutCode)
            }
            services.kv.reads.submit(read)
        } catch {
            reply.fail(error.status)
        }
    }

    func observe(
        _ bytes: UnsafeRawBufferPointer, as caller: Principal, _ call: StreamingCall
    ) -> (any StreamingHandler)? {
        let arena = arenas.take()
        defer { arenas.putBack(arena) }
        do throws(RequestRefusal) {
            let request = try decodeRequest(LeaderRequest.self, bytes, in: arena)
            let observation = LeaderObservation(
                of: CandidatePrefix(name: [UInt8](request.name)), as: caller, services.kv.reads,
                call)
            observation.begin()
            return observation
        } catch {
            call.finish(error.status)
            return nil
        }
    }
}

extension LeaderKey {
    fileprivate var fields: LeaderKeyFields {
        LeaderKeyFields(
            name: [UInt8](name), key: [UInt8](key), revision: revision, lease: lease)
    }
}

/// A leader as it was at one revision.
struct ObservedLeader: Sendable {
    /// A LeaderResponse.
    let message: [UInt8]
    /// Tells this leader and what it says from every other.
    let created: Revision
    let modified: RevisionPosition
}

extension Applier {
    /// Who leads under a name; nil when nobody does.
    func leader(under prefix: CandidatePrefix) throws(StoreError) -> ObservedLeader? {
        let header = header()
        return try store.enter { (store) throws(StoreError) in
            guard let version = try store.first(under: prefix) else { return nil }
            let message = try store.withPair(version) { pair in
                var message = ByteBuffer()
                message.appendLeaderResponse(header, pair: pair)
                return message.array
            }
            return ObservedLeader(
                message: message, created: version.created, modified: version.modified)
        }
    }
}
