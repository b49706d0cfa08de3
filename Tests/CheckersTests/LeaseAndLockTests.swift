// Leases that end too early or never, locks with two holders.

import Checkers
import Testing

@Suite("Lease and lock promises")
struct LeaseAndLockTests {
    private let second: UInt64 = 1_000_000_000

    private func lease(renewedAt asked: UInt64...) -> LeaseLife {
        var lease = LeaseLife(id: 1, timeToLive: 5 * second)
        lease.renewals = asked.map {
            .init(asked: $0 * second, answered: $0 * second + second / 10)
        }
        return lease
    }

    private func broken(_ lease: LeaseLife, driftPPM: UInt64 = 0) -> [String] {
        LeaseCheck(bound: 3 * second, faultsEnd: 0, driftPPM: driftPPM).violations(lease)
            .map(\.promise)
    }

    @Test("A lease that ends in time")
    func good() {
        var lease = lease(renewedAt: 0, 3)
        lease.seenAlive = [(7 * second, "read")]
        lease.seenGone = [(8 * second, "event")]
        #expect(broken(lease) == [])
    }

    @Test("A lease that ends early")
    func early() {
        var lease = lease(renewedAt: 0, 3)
        lease.seenGone = [(8 * second - 1, "event")]
        #expect(broken(lease) == ["no lease ends before its time"])
        #expect(broken(lease, driftPPM: 1) == [])
        lease.revocationAsked = 2 * second
        #expect(broken(lease) == [])
    }

    @Test("A renewal that came too late, or of which nobody knows, promises nothing")
    func lateRenewal() {
        var lease = lease(renewedAt: 0)
        lease.renewals.append(.init(asked: 4 * second, answered: nil))
        lease.renewals.append(.init(asked: 5 * second, answered: 6 * second))
        lease.seenGone = [(5 * second + second / 2, "event")]
        #expect(broken(lease) == [])
    }

    @Test("A lease that does not end")
    func never() {
        var lease = lease(renewedAt: 0)
        lease.seenAlive = [(8 * second, "read")]
        #expect(broken(lease) == [])
        lease.seenAlive = [(9 * second, "read")]
        #expect(broken(lease) == ["a lease ends when its time is over"])
        // While there are faults its end may wait.
        let check = LeaseCheck(bound: 3 * second, faultsEnd: 5 * second)
        #expect(check.violations(lease) == [])
    }

    private func hold(
        _ owner: Int, revision: Int64, granted: Moment, until: Moment
    ) -> LockHold {
        LockHold(
            owner: owner, key: "lock/\(owner)", prefix: "lock/", revision: revision,
            granted: granted, heldUntil: until)
    }

    /// 2: the key of owner 1, 3: of owner 2, 4: that of 1 goes.
    private var history: ReplayedHistory {
        var store = StoreHistory()
        store.call(.put("lock/1", ""))
        store.call(.put("lock/2", ""))
        store.call(.delete(KeySpan("lock/1")))
        return store.replayed
    }

    @Test("One holder after the other")
    func exclusive() {
        let holds = [
            hold(1, revision: 2, granted: 1, until: 5), hold(2, revision: 4, granted: 6, until: 9),
        ]
        #expect(LockCheck.violations(holds, history) == [])
    }

    @Test("Two holders, by revision and by time")
    func twoHolders() {
        let byRevision = [hold(2, revision: 3, granted: 6, until: 9)]
        #expect(
            LockCheck.violations(byRevision, history).map(\.promise)
                == ["who has the lock has the oldest key"])
        let byTime = [
            hold(1, revision: 2, granted: 1, until: 7), hold(2, revision: 4, granted: 6, until: 9),
        ]
        #expect(
            LockCheck.violations(byTime, history).map(\.promise) == ["a lock has one holder"])
    }

    @Test("A token that goes back")
    func fencing() {
        let holds = [
            hold(2, revision: 4, granted: 1, until: 2), hold(1, revision: 2, granted: 6, until: 9),
        ]
        #expect(
            LockCheck.violations(holds, history).map(\.promise)
                == ["later holders have larger tokens"])
    }
}
