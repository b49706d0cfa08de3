import API
import Testing

@testable import Services

/// A leader A and followers B to E, all at revision 10 unless told otherwise.
private func report(
    _ member: UInt64, _ value: UInt32 = 1, compacted: Int64 = 5, newest: Int64 = 10
) -> HashReport {
    HashReport(
        member: MemberID(member), value: value, revision: Revision(10),
        compacted: Revision(compacted), newest: Revision(newest))
}

private func answer(_ report: HashReport) -> HashAnswer {
    HashAnswer(member: report.member, report: .success(report))
}

private func silence(
    _ member: UInt64, _ status: Status = Status(.unavailable, "gone")
) -> HashAnswer {
    HashAnswer(member: MemberID(member), report: .failure(status))
}

@Suite("Whose keys differ is judged by hashes of one revision behind one compaction")
struct HashComparisonTests {
    private let a = MemberID(0xA)
    private let own = report(0xA)

    @Test("At the start: who differs from anybody does not serve; who cannot be compared is passed")
    func atStart() {
        let same = HashComparison.atStart(own, [answer(report(0xB)), answer(report(0xC))])
        #expect(same.corrupt.isEmpty && same.findings.isEmpty && same.checked == 2)
        let other = report(0xB, 2)
        let one = HashComparison.atStart(own, [answer(other), answer(report(0xC))])
        #expect(one.corrupt == [a])
        #expect(one.findings == [.differsAtStart(own: own, peer: other)])
        let compacted = report(0xB, 2, compacted: 6)
        let slow = HashComparison.atStart(
            own, [answer(compacted), silence(0xC, .futureRevision), silence(0xD)])
        #expect(slow.corrupt.isEmpty)
        #expect(slow.findings.count == 3 && slow.checked == 0)
    }

    @Test("From time to time: a follower that differs, or knows what it cannot know")
    func running() {
        func verdict(_ peer: HashReport) -> HashVerdict {
            HashComparison.running(before: own, after: own, [answer(peer), answer(report(0xC))])
        }
        #expect(verdict(report(0xB)).corrupt.isEmpty)
        #expect(verdict(report(0xB, 2)).corrupt == [MemberID(0xB)])
        #expect(verdict(report(0xB, newest: 11)).corrupt == [MemberID(0xB)])
        #expect(verdict(report(0xB, 2, compacted: 6)).corrupt == [MemberID(0xB)])
        #expect(verdict(report(0xB, 2, compacted: 4)).corrupt.isEmpty, "it lags")
        let deaf = HashComparison.running(before: own, after: own, [silence(0xB), silence(0xC)])
        #expect(deaf.corrupt.isEmpty && deaf.checked == 0)
    }

    @Test("A leader that went on meanwhile finds nothing wrong in that")
    func runningOn() {
        let after = HashReport(
            member: a, value: 7, revision: Revision(20), compacted: Revision(15),
            newest: Revision(20))
        let answers = [
            answer(report(0xB, newest: 20)), answer(report(0xC, 9, compacted: 15, newest: 19)),
        ]
        #expect(HashComparison.running(before: own, after: after, answers).corrupt.isEmpty)
    }

    @Test("A leader whose own keys change under one revision is the one")
    func ownChanged() {
        let verdict = HashComparison.running(before: own, after: report(0xA, 2), [])
        #expect(verdict.corrupt == [a])
    }

    @Test("However much is wrong, one alarm is raised in a round")
    func oneAlarm() {
        let verdict = HashComparison.running(
            before: own, after: own, [answer(report(0xB, 2, newest: 11)), answer(report(0xC, 3))])
        #expect(verdict.corrupt == [MemberID(0xB)])
        #expect(verdict.findings.count == 3)
    }

    @Test("After a compaction the majority is right, the leader or not")
    func majority() {
        let follower = HashComparison.compaction(
            own, [answer(report(0xB)), answer(report(0xC, 2))])
        #expect(follower.corrupt == [MemberID(0xC)])
        let leader = HashComparison.compaction(
            own, [answer(report(0xB, 2)), answer(report(0xC, 2))])
        #expect(leader.corrupt == [a])
        let two = HashComparison.compaction(
            own,
            [
                answer(report(0xB)), answer(report(0xC)), answer(report(0xD, 2)),
                answer(report(0xE, 3)),
            ])
        #expect(two.corrupt == [MemberID(0xD), MemberID(0xE)])
    }

    @Test("Without a majority the whole cluster has the alarm, for nobody knows who is right")
    func noMajority() {
        let verdict = HashComparison.compaction(own, [answer(report(0xB, 2)), silence(0xC)])
        #expect(verdict.corrupt == [.none])
        #expect(verdict.findings.contains(.noMajority(leader: own)))
    }

    @Test("Who has compacted otherwise, or says nothing, is no witness")
    func skipped() {
        let verdict = HashComparison.compaction(
            own, [answer(report(0xB, 2, compacted: 4)), silence(0xC)])
        #expect(verdict.corrupt.isEmpty && verdict.checked == 0)
        #expect(verdict.findings.count == 2)
    }
}
