import API
import Consensus
import Testing

@testable import Services

private let urlB = "http://b:1"
private let urlC = "http://c:1"

/// Under B, whose term is 5. C has a vote too.
private func follower() throws -> (member: PlayedMember, b: MemberID, c: MemberID) {
    let member = try PlayedMember { $0.checksReconfiguration = false }
    let (b, c) = (member.memberID([urlB]), member.memberID([urlC]))
    try #require(member.addMember([urlB]).message != nil)
    let added = member.addMember([urlC])
    member.followed(by: b)
    try #require(added.message != nil)
    member.led(by: b, term: Term(5))
    try #require(member.state { $0.leader } == b)
    member.others.reached = [b, c]
    _ = member.others.takeSent()
    return (member, b, c)
}

@Suite("A follower passes on what only the leader can do")
struct FollowerStories {
    @Test("A put goes to the leader, and is answered when its entry comes back")
    func forwarded() throws {
        let (member, b, _) = try follower()
        let put = member.put("a", "1")
        let payloads = member.others.takeProposals(to: b)
        #expect(payloads.count == 1)
        #expect(put.answer == nil)
        member.led(by: b, term: Term(5), payloads)
        #expect(try Response.put(#require(put.message)).contains("member a1 revision 2 term 5"))
    }

    @Test("A put waits while the leader is not reached, and goes to whoever leads then")
    func unreached() throws {
        let (member, b, c) = try follower()
        member.others.reached = []
        let put = member.put("a", "1")
        #expect(member.others.takeProposals(to: b).isEmpty)
        member.others.reached = [c]
        member.led(by: c, term: Term(6))
        member.advance(milliseconds: 100)
        let payloads = member.others.takeProposals(to: c)
        #expect(payloads.count == 1)
        member.led(by: c, term: Term(6), [[]] + payloads)
        #expect(put.message != nil)
    }

    @Test("It goes as soon as the same leader is reached again")
    func reachedAgain() throws {
        let (member, b, _) = try follower()
        member.others.reached = []
        let put = member.put("a", "1")
        #expect(member.others.takeProposals(to: b).isEmpty)
        member.others.reached = [b]
        member.advance(milliseconds: 200)
        let payloads = member.others.takeProposals(to: b)
        #expect(payloads.count == 1)
        member.led(by: b, term: Term(5), payloads)
        #expect(put.message != nil)
    }

    @Test("What an old leader was sent is given up with the first entry of the next")
    func outdated() throws {
        let (member, b, c) = try follower()
        let put = member.put("a", "1")
        let lost = member.others.takeProposals(to: b)
        member.led(by: c, term: Term(6))
        #expect(put.answer == nil, "C may have it in its log")
        let later = member.put("b", "1")
        let payloads = member.others.takeProposals(to: c)
        member.led(by: c, term: Term(6), [[]])
        #expect(put.failure == .timeoutDueToLeaderFail)
        #expect(later.answer == nil, "C has been sent this one")
        // It comes all the same, by way of C: nobody waits for it any more.
        member.led(by: c, term: Term(6), lost + payloads)
        #expect(put.answers.count == 1)
        #expect(later.message != nil)
        #expect(try member.everything().hasPrefix("[a=1 2 2 1, b=1 3 3 1]"))
    }

    @Test("A write whose time is over is told what may be the reason")
    func reasons() throws {
        let (member, b, c) = try follower()
        func pass(halfSeconds: Int, under leader: MemberID, _ term: UInt64) {
            for _ in 0..<halfSeconds {
                member.hear(
                    from: leader, term: Term(term), .heartbeat(commit: .zero, round: .none))
                member.advance(milliseconds: 500)
            }
        }
        member.others.connected = [b: 60_000_000_000]
        let slow = member.put("a", "1")
        pass(halfSeconds: 15, under: b, 5)
        #expect(slow.failure == .requestTimeout)

        // The leader was not reached all the while.
        member.others.connected = [b: 3_000_000_000]
        let unreached = member.put("a", "1")
        pass(halfSeconds: 15, under: b, 5)
        #expect(unreached.failure == .timeoutDueToConnectionLost)

        // It began within two election timeouts before the present leader's time.
        let orphaned = member.put("a", "1")
        pass(halfSeconds: 3, under: b, 5)
        member.led(by: c, term: Term(6))
        member.others.connected = [c: 60_000_000_000]
        pass(halfSeconds: 12, under: c, 6)
        #expect(orphaned.failure == .timeoutDueToLeaderFail)
    }

    @Test("A change of members that the leader lost is proposed again; an update is not")
    func changeAgain() throws {
        let (member, b, _) = try follower()
        let urlD = "http://d:1"
        let added = member.addMember([urlD], isLearner: true)
        let updated = member.updateMember(PlayedMember.identity.member, ["http://a:2"])
        #expect(member.others.takeConfChanges(to: b).count == 2)
        member.advance(milliseconds: 500)
        let again = member.others.takeConfChanges(to: b)
        #expect(again.count == 1)
        member.led(by: b, term: Term(5), again, kind: .configurationChange)
        #expect(added.message != nil)
        member.advance(milliseconds: 1000)
        #expect(member.others.takeConfChanges(to: b).isEmpty, "it is answered")
        #expect(updated.answer == nil)
    }

    @Test("What an old leader had replicated is answered in the new one's term")
    func replicated() throws {
        let (member, b, c) = try follower()
        let put = member.put("a", "1")
        let payloads = member.others.takeProposals(to: b)
        member.led(by: c, term: Term(6))
        // C has it from B, and puts its own first entry behind it.
        member.hearOld(payloads, term: Term(5), from: c, in: Term(6))
        #expect(put.message != nil)
    }
}

@Suite("A question to the leader is asked until it is answered")
struct LeaderQuestionStories {
    @Test("The leader's answer is passed on under this member's header")
    func passedOn() throws {
        let (member, b, c) = try follower()
        let promoted = member.promoteMember(c)
        let call = try #require(member.others.takeCall())
        #expect(call.member == b && call.method == .promote)
        #expect(call.request == encoded { $0.appendField(1, uint64: c.rawValue) })
        #expect(call.timeoutNanoseconds == 7_000_000_000)
        let fields = member.members.map(\.fields)
        let theirs = HeaderFields(
            cluster: PlayedMember.identity.cluster, member: b, revision: Revision(0), term: Term(5))
        answer(call, .success(encoded { $0.appendMemberListResponse(theirs, fields) }), member)
        let ours = member.header(0, term: 5)
        #expect(promoted.message == encoded { $0.appendMemberListResponse(ours, fields) })
    }

    @Test("What the leader refuses is refused; a link that fails is tried again")
    func askedAgain() throws {
        let (member, _, c) = try follower()
        let promoted = member.promoteMember(c)
        for failure in [Status(.unavailable, "gone"), .notLeader] {
            answer(try #require(member.others.takeCall()), .failure(failure), member)
            #expect(promoted.answer == nil)
            #expect(member.others.takeCall() == nil, "not at once")
            member.advance(milliseconds: 50)
        }
        answer(try #require(member.others.takeCall()), .failure(.memberNotLearner), member)
        #expect(promoted.failure == .memberNotLearner)
    }

    @Test("A thousand are asked at once; the others wait for their turn")
    func many() throws {
        let (member, b, _) = try follower()
        let callers = (0..<1003).map { _ in member.promoteMember(b) }
        let first = member.others.takeCalls()
        #expect(first.count == 1000)
        for call in first.prefix(2) { answer(call, .failure(.memberNotLearner), member) }
        #expect(member.others.takeCalls().count == 2)
        #expect(callers.count { $0.failure == .memberNotLearner } == 2)
        let life = member.life
        life.core.turn {
            life.raft.assumeIsolated { $0.stop() }
            life.applier.assumeIsolated { $0.detach() }
        }
        #expect(callers.count { $0.failure == .stopped } == 1, "who was never asked")
    }

    @Test("The next leader is asked when the old one is gone")
    func anotherLeader() throws {
        let (member, b, c) = try follower()
        let promoted = member.promoteMember(b)
        member.led(by: c, term: Term(6))
        answer(
            try #require(member.others.takeCall()), .failure(Status(.unavailable, "gone")), member)
        member.advance(milliseconds: 50)
        let call = try #require(member.others.takeCall())
        #expect(call.member == c)
        answer(call, .failure(.memberNotLearner), member)
        #expect(promoted.failure == .memberNotLearner)
    }

    @Test("There is an end to it")
    func timeOut() throws {
        let (member, _, c) = try follower()
        let promoted = member.promoteMember(c)
        answer(
            try #require(member.others.takeCall()), .failure(Status(.unavailable, "gone")), member)
        // B is heard of no more, and nobody else campaigns.
        member.advance(milliseconds: 6900)
        if let call = member.others.takeCall() {
            answer(call, .failure(Status(.unavailable, "gone")), member)
        }
        #expect(promoted.answer == nil)
        member.advance(milliseconds: 200)
        #expect(promoted.failure == .noLeader)
    }

    private func answer(
        _ call: PlayedOthers.Call, _ result: Result<[UInt8], Status>, _ member: PlayedMember
    ) {
        member.life.core.turn { call.answer(result) }
    }
}

@Suite("What a learner serves")
struct LearnerStories {
    @Test(
        "Status, the snapshot, and ranges, which are looked at more closely; nothing else",
        arguments: [
            ("/etcdserverpb.Maintenance/Status", true),
            ("/etcdserverpb.Maintenance/Snapshot", true),
            ("/etcdserverpb.KV/Range", true), ("/etcdserverpb.KV/RangeStream", false),
            ("/etcdserverpb.KV/Put", false), ("/etcdserverpb.KV/Txn", false),
            ("/etcdserverpb.Watch/Watch", false), ("/etcdserverpb.Lease/LeaseKeepAlive", false),
            ("/etcdserverpb.Cluster/MemberList", false),
            ("/etcdserverpb.Maintenance/HashKV", false), ("/grpc.health.v1.Health/Check", false),
        ])
    func methods(_ method: String, isServed: Bool) {
        #expect(refusalOfLearner(method) == (isServed ? nil : .notSupportedForLearner))
    }
}
