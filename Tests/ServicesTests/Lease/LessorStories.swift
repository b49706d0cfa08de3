import API
import Consensus
import Testing

@testable import Services

@Suite("The lessor, by itself")
struct LessorStories {
    @Test("A grant is refused for a known id, a TTL too large or no id; a small TTL is raised")
    func grants() {
        let it = PlayedLessor()
        #expect(it.grant(1, ttl: 10) == "10")
        #expect(it.grant(1, ttl: 10) == "exists")
        #expect(it.grant(0, ttl: 10) == "notFound")
        #expect(it.grant(2, ttl: Limits.leaseTTLSeconds + 1) == "ttlTooLarge")
        #expect(it.grant(1, ttl: .max) == "ttlTooLarge", "etcd looks at the TTL first")
        #expect(it.grant(3, ttl: 0) == "2")
        #expect(it.grant(-4, ttl: .min) == "2")
        #expect(it.grant(5, ttl: Limits.leaseTTLSeconds) == "9000000000")
        #expect(it.revoke(9) == ["notFound"])
    }

    @Test("The smallest TTL follows from the election timeout, in whole seconds")
    func minimum() {
        #expect(LeaseSettings(electionTicks: 10, tickNanoseconds: 100_000_000).minimumTTL == 2)
        #expect(LeaseSettings(electionTicks: 100, tickNanoseconds: 100_000_000).minimumTTL == 15)
        #expect(LeaseSettings(electionTicks: 5, tickNanoseconds: 1_000_000_000).minimumTTL == 7)
    }

    @Test("Only a leader lets leases expire, once each, when their time is over")
    func expires() {
        let it = PlayedLessor()
        it.grant(1, ttl: 5)
        it.advance(seconds: 100)
        #expect(it.proposed.isEmpty, "nobody leads")
        it.lead()
        it.grant(2, ttl: 10)
        it.advance(seconds: 5.9)
        #expect(it.proposed.isEmpty, "a new leader gives the election timeout on top")
        it.advance(seconds: 0.6)
        #expect(it.proposed.map(\.lease) == [LeaseID(1)])
        it.advance(seconds: 2)
        #expect(it.proposed.count == 1, "it is under way")
        #expect(it.applyAll() == [1])
        it.advance(seconds: 2)
        #expect(it.applyAll() == [2])
        it.advance(seconds: 100)
        #expect(it.proposed.isEmpty)
        #expect(it.list == [])
    }

    @Test("A renewal begins the TTL anew, however often, and costs the queue one entry a TTL")
    func renews() {
        let it = PlayedLessor()
        let renewals = Renewals()
        it.lead()
        it.grant(1, ttl: 10)
        for _ in 0..<100 {
            it.advance(seconds: 3)
            it.renew(1, renewals)
        }
        #expect(renewals.heard == Array(repeating: "1:10", count: 100))
        #expect(it.proposed.isEmpty)
        #expect(it.inside { $0.deadlines.count } == 1)
        it.advance(seconds: 9.9)
        #expect(it.proposed.isEmpty)
        it.advance(seconds: 0.6)
        #expect(it.applyAll() == [1])
        it.renew(1, renewals)
        #expect(renewals.heard.last == "1:0", "an unknown lease has TTL 0")
    }

    @Test(
        "Renewing after a change of leader may shorten a lease's time: it expires then, not later")
    func renewsShorter() {
        let it = PlayedLessor { $0.extensionNanoseconds = 60_000_000_000 }
        let renewals = Renewals()
        it.lead()
        it.grant(1, ttl: 10)
        it.lead(3)
        #expect(it.ttl(1) == 70)
        it.renew(1, renewals)
        #expect(it.ttl(1) == 10)
        it.advance(seconds: 10.5)
        #expect(it.applyAll() == [1])
        it.advance(seconds: 100)
        #expect(it.proposed.isEmpty)
    }

    @Test("A renewal that comes too late waits until its lease is revoked, then hears TTL 0")
    func tooLate() {
        let it = PlayedLessor()
        let renewals = Renewals()
        it.lead()
        it.grant(1, ttl: 5)
        it.grant(2, ttl: 60)
        it.advance(seconds: 5)
        it.renew(1, renewals)
        it.renew(2, renewals)
        #expect(renewals.heard == ["2:60"], "others are not held up")
        it.advance(seconds: 30)
        #expect(renewals.heard == ["2:60"])
        it.applyAll()
        #expect(renewals.heard == ["2:60", "1:0"])
    }

    @Test("While nobody leads renewals wait for a leader, as long as a request may take")
    func waitsForLeader() {
        let it = PlayedLessor()
        let (first, second) = (Renewals(), Renewals())
        it.grant(1, ttl: 5)
        it.renew(1, first)
        it.advance(seconds: 6.9)
        #expect(first.heard == [])
        it.advance(seconds: 1)
        #expect(first.heard == ["etcdserver: request timed out"])
        it.renew(1, second)
        it.renew(7, second)
        it.lead()
        #expect(second.heard == ["1:5", "7:0"])
    }

    @Test("A revocation decided under an old leadership does nothing to a lease of the new one")
    func oldLeadership() {
        let it = PlayedLessor()
        it.lead(2)
        it.grant(1, ttl: 5)
        it.advance(seconds: 6)
        #expect(it.proposed.map(\.term) == [Term(2)])
        it.inside { $0.demote() }
        it.lead(3)
        it.dropAll()
        #expect(it.ttl(1) == 6, "it lives, with the election timeout on top")
        it.advance(seconds: 5.9)
        #expect(it.proposed.isEmpty)
        it.advance(seconds: 0.6)
        #expect(it.proposed.map(\.term) == [Term(3)])
        it.applyAll()
        #expect(it.inside { $0.revoking } == 0)
    }

    @Test("A revocation that is refused or lost is proposed again after three seconds")
    func retries() {
        let it = PlayedLessor()
        it.lead()
        it.grant(1, ttl: 5)
        it.takes = false
        it.advance(seconds: 6)
        #expect(it.attempts == 1)
        it.advance(seconds: 3.5)
        #expect(it.attempts == 2)
        it.takes = true
        it.advance(seconds: 3.5)
        #expect(it.proposed.count == 1)
        it.dropAll()
        it.advance(seconds: 2.5)
        #expect(it.proposed.isEmpty)
        it.advance(seconds: 1)
        #expect(it.applyAll() == [1])
    }

    @Test("Fifty thousand leases that expire at once are revoked in slices within ten seconds")
    func storm() {
        let it = PlayedLessor()
        it.lead()
        for id in 1...50_000 { it.grant(Int64(id), ttl: 30) }
        it.advance(seconds: 29.9)
        var gone = 0
        var largest = 0
        var seconds = 0.0
        while gone < 50_000, seconds < 20 {
            it.advance(seconds: 0.01)
            seconds += 0.01
            largest = max(largest, it.proposed.count)
            gone += it.applyAll().count
        }
        #expect(gone == 50_000)
        #expect(seconds < 10)
        #expect(largest <= 100, "others come in between")
    }

    @Test(
        "A leader with many leases gives them their time in slices; all of it counts from the first"
    )
    func largePromotion() {
        let it = PlayedLessor()
        for id in 1...10_000 { it.grant(Int64(id), ttl: 30) }
        let first = it.inside { lessor in
            lessor.promote(in: Term(1))
            return lessor.deadlines.count
        }
        #expect(first == 2000, "others come in between")
        it.advance(seconds: 1)
        #expect(it.inside { $0.deadlines.count } == 10_000)
        // The election timeout on top of the TTL.
        it.advance(seconds: 29.9)
        #expect(it.proposed.isEmpty)
        var gone = 0
        for _ in 0..<150 {
            it.advance(seconds: 0.01)
            gone += it.applyAll().count
        }
        #expect(gone == 10_000)
    }

    @Test("A lease that is renewed before its slice comes keeps what the renewal gave it")
    func renewedInPromotion() {
        let it = PlayedLessor { $0.takesCheckpoints = true }
        for id in 1...10_000 { it.grant(Int64(id), ttl: 400) }
        it.inside { lessor in
            lessor.promote(in: Term(1))
            let header = HeaderFields(
                cluster: ClusterID(1), member: MemberID(1), revision: Revision(1), term: Term(1))
            for id in 1...10_000 { lessor.renew(LeaseID(Int64(id)), header, for: Renewals()) }
        }
        it.advance(seconds: 1)
        #expect((1...10_000).allSatisfy { it.ttl(Int64($0)) == 399 })
        #expect(it.inside { $0.checkpoints.count } == 10_000)
    }

    @Test("Entries of renewed leases are put back in slices too")
    func putBack() {
        let it = PlayedLessor()
        it.lead()
        for id in 1...5000 { it.grant(Int64(id), ttl: 30) }
        it.advance(seconds: 20)
        for id in 1...5000 { it.renew(Int64(id), Renewals()) }
        it.advance(seconds: 11)
        #expect(it.proposed.isEmpty)
        it.advance(seconds: 18.9)
        #expect(it.proposed.isEmpty)
        it.advance(seconds: 1.5)
        #expect(!it.proposed.isEmpty)
    }

    @Test("While nothing is applied, at most so many revocations are under way")
    func window() {
        let it = PlayedLessor()
        it.lead()
        for id in 1...5000 { it.grant(Int64(id), ttl: 5) }
        it.advance(seconds: 60)
        #expect(it.proposed.count == 2000)
        it.applyAll()
        it.advance(seconds: 60)
        #expect(it.proposed.count == 2000)
    }

    @Test("Leases are listed by the time they have left; their rest is told in whole seconds")
    func lists() {
        let it = PlayedLessor()
        it.lead()
        it.grant(1, ttl: 30)
        it.grant(2, ttl: 10)
        it.grant(3, ttl: 20)
        #expect(it.list == [2, 3, 1])
        it.renew(2, Renewals())
        it.advance(seconds: 0.2)
        #expect(it.ttl(2) == 9)
        #expect(it.ttl(4) == nil)
        it.advance(seconds: 12)
        #expect(it.ttl(2) == -2, "over, and not revoked yet")
    }

    @Test("Revoking gives the attached keys in byte order; a key has one lease, the last one")
    func keys() {
        let it = PlayedLessor()
        it.grant(1, ttl: 10)
        it.grant(2, ttl: 10)
        for key in ["b", "a", "c", "aa"] { it.attach(key, to: 1) }
        it.attach("c", to: 2)
        it.attach("b", to: 0)
        #expect(it.revoke(1) == ["a", "aa"])
        #expect(it.revoke(2) == ["c"])
        #expect(it.inside { $0.hasKeys } == false)
    }
}

@Suite("Checkpoints of leases")
struct CheckpointStories {
    private func record(_ it: PlayedLessor) {
        for lease in it.checkpoints.last ?? [] {
            it.inside { _ = $0.checkpoint(lease.id, remainingTTL: lease.remainingTTL) }
        }
    }

    @Test("None are taken unless the gate is on")
    func off() {
        let it = PlayedLessor()
        it.lead()
        it.grant(1, ttl: 3600)
        it.advance(seconds: 1000)
        #expect(it.checkpoints.isEmpty)
    }

    @Test("The rest of a lease with over five minutes left is recorded every five minutes")
    func taken() {
        let it = PlayedLessor { $0.takesCheckpoints = true }
        it.lead()
        it.grant(1, ttl: 1000)
        it.grant(2, ttl: 300)
        it.advance(seconds: 299)
        #expect(it.checkpoints.isEmpty)
        it.advance(seconds: 2)
        #expect(it.checkpoints == [[LeaseFields(id: LeaseID(1), ttl: 1000, remainingTTL: 700)]])
        record(it)
        it.advance(seconds: 301)
        #expect(it.checkpoints.count == 2)
        #expect(it.checkpoints.last?.first?.remainingTTL == 399)
        record(it)
        it.advance(seconds: 301)
        record(it)
        #expect(it.checkpoints.count == 3, "then no more than five minutes are left")
        it.advance(seconds: 90)
        #expect(it.checkpoints.count == 3)
    }

    @Test("The next leader gives a lease what its checkpoint says, and the election timeout on top")
    func nextLeader() {
        let it = PlayedLessor { $0.takesCheckpoints = true }
        it.lead()
        it.grant(1, ttl: 1000)
        it.advance(seconds: 301)
        record(it)
        it.inside { $0.demote() }
        it.lead(3)
        #expect(it.ttl(1) == 701)
    }

    @Test("A renewal is not told before the checkpoint that shortens its lease is undone")
    func renewal() {
        let it = PlayedLessor { $0.takesCheckpoints = true }
        let renewals = Renewals()
        it.lead()
        it.grant(1, ttl: 1000)
        it.advance(seconds: 301)
        record(it)
        it.renew(1, renewals)
        it.renew(1, renewals)
        #expect(renewals.heard == [])
        #expect(it.checkpoints.last == [LeaseFields(id: LeaseID(1), ttl: 1000, remainingTTL: 0)])
        #expect(it.checkpoints.count == 2, "asked for once")
        record(it)
        #expect(renewals.heard == ["1:1000", "1:1000"])
        #expect(it.ttl(1) == 1000)
    }

    @Test("A renewal whose checkpoint is lost is given up in time")
    func lost() {
        let it = PlayedLessor { $0.takesCheckpoints = true }
        let renewals = Renewals()
        it.lead()
        it.grant(1, ttl: 1000)
        it.advance(seconds: 301)
        record(it)
        it.renew(1, renewals)
        it.advance(seconds: 8)
        #expect(renewals.heard == ["etcdserver: request timed out"])
    }
}
