// etcdserverpb.Cluster: who belongs to the cluster (reference: semantics.md, Cluster).

import API
import Transport

struct ClusterService: Sendable {
    let gate: ProposalGate
    let reads: ReadGate
    let ids: RequestIDSource
    /// Whether a text is a peer URL.
    let isPeerURL: @Sendable (String) -> Bool
    /// Ids of new members are made of the time, too.
    let clock: any WallClock

    private var applier: Applier { reads.applier }

    func register(in methods: inout GuardedMethods) {
        methods.unary("/etcdserverpb.Cluster/MemberList") { call, _, bytes in
            memberList(bytes, call)
        }
        methods.unary("/etcdserverpb.Cluster/MemberAdd") { call, _, bytes in add(bytes, call) }
        methods.unary("/etcdserverpb.Cluster/MemberRemove") { call, _, bytes in remove(bytes, call)
        }
        methods.unary("/etcdserverpb.Cluster/MemberUpdate") { call, _, bytes in update(bytes, call)
        }
        methods.unary("/etcdserverpb.Cluster/MemberPromote") { call, _, bytes in
            promote(bytes, call)
        }
    }

    func memberList(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) {
        gate.arenas.decode(MemberListRequest.self, bytes, reply) { request in
            let read = StateRead(
                of: reads.applier, isSerializable: !request.isLinearizable
            ) { applier in
                applier.answerMembers(applier.membership, reply)
            } failed: {
                reply.fail($0)
            }
            reads.submit(read)
        }
    }

    func add(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) {
        gate.arenas.decode(MemberAddRequest.self, bytes, reply) { request in
            let urls = request.peerURLs.sorted()
            guard !urls.isEmpty, urls.allSatisfy(isPeerURL) else {
                return reply.fail(.memberBadURLs)
            }
            // No token: two clusters that were founded apart may well add the same address.
            let id = MemberIdentity.member(
                peerURLs: urls, token: "",
                addedAt: clock.nanosecondsSinceEpoch / 1_000_000_000)
            let member = ClusterMember(id: id, peerURLs: urls, isLearner: request.isLearner)
            change(.add(member), reply) { applier, membership in
                applier.response.bytes.appendMemberAddResponse(
                    applier.header(Revision(0)), added: member.fields,
                    membership.sorted.map(\.fields))
                applier.response.take { reply.respond($0) }
            }
        }
    }

    func remove(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) {
        gate.arenas.decode(MemberRemoveRequest.self, bytes, reply) { request in
            change(.remove(request.member), reply) { $0.answerMembers($1, reply) }
        }
    }

    func update(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) {
        gate.arenas.decode(MemberUpdateRequest.self, bytes, reply) { request in
            let member = ClusterMember(id: request.member, peerURLs: request.peerURLs)
            change(.update(member), reply) { $0.answerMembers($1, reply) }
        }
    }

    /// The leader decides, for it alone knows how far the learner is.
    func promote(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) {
        gate.arenas.decode(MemberPromoteRequest.self, bytes, reply) { request in
            let (id, requestID, applier) = (request.member, ids.next(), applier)
            let message = [UInt8](bytes)
            applier.executor.post {
                applier.assumeIsolated { applier in
                    LeaderQuestion(of: applier, .promote, message) { applier, question in
                        applier.promote(id, requestID: requestID) { result in
                            if case .failure(.notLeader) = result { return question.again() }
                            question.settled()
                            applier.assumeIsolated { $0.answer(result, reply) }
                        }
                    } done: { result in
                        applier.assumeIsolated { applier in
                            applier.pass(result, under: applier.header(Revision(0)), to: reply)
                        }
                    }.ask()
                }
            }
        }
    }

    /// As the leader, for a member that was asked.
    func promoteHere(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) {
        gate.arenas.decode(MemberPromoteRequest.self, bytes, reply) { request in
            let (id, requestID, applier) = (request.member, ids.next(), applier)
            applier.executor.post {
                applier.assumeIsolated { applier in
                    applier.promote(id, requestID: requestID) { result in
                        applier.assumeIsolated { $0.answer(result, reply) }
                    }
                }
            }
        }
    }

    // MARK: Steps

    private func change(
        _ change: MembershipChange, _ reply: any Replying,
        answer: @escaping @Sendable (isolated Applier, Membership) -> Void
    ) {
        let (id, applier) = (ids.next(), applier)
        applier.executor.post {
            applier.assumeIsolated { applier in
                applier.change(change, id: id) { result in
                    switch result {
                    case .success(let membership):
                        applier.assumeIsolated { answer($0, membership) }
                    case .failure(let status): reply.fail(status)
                    }
                }
            }
        }
    }
}

extension Applier {
    /// Responses about the cluster have no revision (reference: semantics.md, Headers).
    func answerMembers(_ membership: Membership, _ reply: any Replying) {
        response.bytes.appendMemberListResponse(
            header(Revision(0)), membership.sorted.map(\.fields))
        response.take { reply.respond($0) }
    }

    fileprivate func answer(_ result: Result<Membership, Status>, _ reply: any Replying) {
        switch result {
        case .success(let membership): answerMembers(membership, reply)
        case .failure(let status): reply.fail(status)
        }
    }
}

extension ClusterMember {
    var fields: MemberFields {
        MemberFields(
            id: id, name: name, peerURLs: peerURLs, clientURLs: clientURLs, isLearner: isLearner)
    }
}
