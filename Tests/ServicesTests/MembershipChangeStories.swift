import API
import Consensus
import Testing

@testable import Services

private let urlB = "http://b:1"
private let urlC = "http://c:1"
/// More than the five seconds that a connection must have held.
private let long: UInt64 = 5_000_000_001

@Suite("Members come, change and go; what cannot be is refused")
struct MembershipChangeStories {
    @Test("A voter is added, answered with all members, and has a say at once")
    func voter() throws {
        let member = try PlayedMember()
        let added = member.addMember([urlB])
        let b = ClusterMember(id: member.memberID([urlB]), peerURLs: [urlB])
        let header = member.header(0)
        let members = member.members
        #expect(members.map(\.id).contains(b.id) && members.count == 2)
        #expect(
            added.message
                == encoded {
                    $0.appendMemberAddResponse(header, added: b.fields, members.map(\.fields))
                })
        // A quorum is both of them now.
        let put = member.put("a", "1")
        #expect(put.answer == nil)
        member.followed(by: b.id)
        #expect(put.message != nil)
    }

    @Test("Addresses that are none, or taken, or of a member added in the same second")
    func addresses() throws {
        let member = try PlayedMember { $0.checksReconfiguration = false }
        for urls in [[], ["ftp://b:1"], [urlB, "b:1"]] {
            #expect(member.addMember(urls).failure == .memberBadURLs)
        }
        #expect(member.addMember(["http://p:1"]).failure == .peerURLExists)
        #expect(member.addMember([urlB], isLearner: true).message != nil)
        #expect(member.addMember([urlB]).failure == .memberExists)
        #expect(member.addMember([urlB, urlC]).failure == .peerURLExists)
        #expect(member.updateMember(PlayedMember.identity.member, [urlB]).failure == .peerURLExists)
        let garbage = member.call { life, caller in
            [UInt8]([0xff]).withUnsafeBytes { life.cluster.add($0, caller) }
        }
        #expect(garbage.failure?.code == .internal)
        #expect(member.members.count == 2)
    }

    @Test("An update takes any address, also one that nobody could dial, as etcd does")
    func update() throws {
        let member = try PlayedMember()
        let own = PlayedMember.identity.member
        #expect(member.updateMember(own, ["nonsense"]).message != nil)
        #expect(member.members.map(\.peerURLs) == [["nonsense"]])
        #expect(member.members.map(\.name) == ["m0"], "the rest of the record stays")
    }

    @Test("So many learners and no more", arguments: [1, 2])
    func learners(limit: Int) throws {
        let member = try PlayedMember { $0.maxLearners = limit }
        for number in 0..<limit {
            #expect(member.addMember(["http://l\(number):1"], isLearner: true).message != nil)
        }
        #expect(member.addMember(["http://l:1"], isLearner: true).failure == .tooManyLearners)
        #expect(member.members.count == 1 + limit)
    }

    @Test("Who is unknown, or was removed, can neither be removed, nor changed, nor promoted")
    func strangers() throws {
        let member = try PlayedMember()
        #expect(member.addMember([urlB], isLearner: true).message != nil)
        let removed = member.memberID([urlB])
        #expect(member.removeMember(removed).message != nil)
        for id in [removed, MemberID(0xdead)] {
            #expect(member.removeMember(id).failure == .memberNotFound)
            #expect(member.updateMember(id, [urlC]).failure == .memberNotFound)
            #expect(member.promoteMember(id).failure == .memberNotFound)
        }
        // The same address in the same second would be the same id, which never comes back.
        #expect(member.addMember([urlB]).failure == .memberNotFound)
    }

    @Test("A learner is promoted once it has nine tenths of the log; a voter is no learner")
    func promotion() throws {
        let member = try PlayedMember()
        #expect(
            member.promoteMember(PlayedMember.identity.member).failure == .memberNotLearner)
        #expect(member.addMember([urlB], isLearner: true).message != nil)
        let b = member.memberID([urlB])
        #expect(member.promoteMember(b).failure == .learnerNotReady)
        member.followed(by: b)
        #expect(member.promoteMember(b).message != nil)
        #expect(member.members.allSatisfy { !$0.isLearner })
        member.followed(by: b)
        let again = member.promoteMember(b)
        member.followed(by: b)
        #expect(again.failure == .memberNotLearner)
    }

    @Test("The strict check: no further voter before the last one has started and is connected")
    func strictAddition() throws {
        let member = try PlayedMember()
        #expect(member.addMember([urlB]).message != nil)
        let b = member.memberID([urlB])
        member.followed(by: b)
        #expect(member.addMember([urlC]).failure == .memberNotEnoughStarted)
        #expect(
            member.removeMember(PlayedMember.identity.member).failure == .memberNotEnoughStarted)
        member.published(b, as: "b")
        member.followed(by: b)
        #expect(member.members.map(\.name).sorted() == ["b", "m0"])
        #expect(member.addMember([urlC]).failure == .unhealthy)
        #expect(member.addMember([urlC], isLearner: true).failure == .unhealthy)
        member.others.connected[b] = long - 1
        #expect(member.addMember([urlC]).failure == .unhealthy)
        member.others.connected[b] = long
        let added = member.addMember([urlC])
        member.followed(by: b)
        #expect(added.message != nil)
    }

    @Test("The strict check: who is connected stays while the rest would be no quorum")
    func strictRemoval() throws {
        let member = try PlayedMember()
        let (b, c) = (member.memberID([urlB]), member.memberID([urlC]))
        #expect(member.addMember([urlB]).message != nil)
        member.published(b, as: "b")
        member.followed(by: b)
        member.others.connected[b] = long
        _ = member.addMember([urlC])
        member.followed(by: b)
        // Two of three have started: the third, which has not, may go, and no other.
        #expect(member.removeMember(b).failure == .memberNotEnoughStarted)
        member.published(c, as: "c")
        member.followed(by: b, c)
        #expect(member.removeMember(b).failure == .unhealthy, "c is not connected")
        let removed = member.removeMember(c)
        member.followed(by: b)
        #expect(removed.message != nil, "who is down is no part of the quorum that works")
    }

    @Test("Without the strict check all of that goes")
    func lax() throws {
        let member = try PlayedMember { $0.checksReconfiguration = false }
        let b = member.memberID([urlB])
        #expect(member.addMember([urlB]).message != nil)
        let added = member.addMember([urlC])
        member.followed(by: b)
        #expect(added.message != nil)
        let removed = member.removeMember(b)
        member.followed(by: b)
        #expect(removed.message != nil)
        #expect(member.members.map(\.id).contains(b) == false)
    }

    @Test("Leadership goes to voters only, and only the leader hands it over")
    func moveLeader() throws {
        let member = try PlayedMember { $0.checksReconfiguration = false }
        let (b, c) = (member.memberID([urlB]), member.memberID([urlC]))
        #expect(member.moveLeader(to: MemberID(0xdead)).failure == .badLeaderTransferee)
        #expect(member.addMember([urlC], isLearner: true).message != nil)
        #expect(member.moveLeader(to: c).failure == .badLeaderTransferee)
        #expect(member.moveLeader(to: PlayedMember.identity.member).message == [])
        #expect(member.addMember([urlB]).message != nil)
        member.led(by: b, term: Term(5))
        #expect(member.moveLeader(to: b).failure == .notLeader)
    }
}
