// After the faults: the cluster must serve again, and the end of the history is read.

import Checkers

final class Settling {
    private unowned let run: WorkloadRun
    private var members: [Int]
    /// For people: what is still to come.
    private(set) var waitsFor = "nothing"
    private static let pause: UInt64 = 200_000_000
    private var looksAtWatchers = 0

    init(_ run: WorkloadRun) {
        self.run = run
        members = Array(0..<run.world.memberCount)
    }

    func begin(_ done: @escaping () -> Void) {
        restoreRights(of: run.options.usesAuth ? run.options.guests : 0) { [self] in
            waitForLeases { [self] in readTheEnd(done) }
        }
    }

    /// Guests get their rights back, so that their watchers come to the end as well.
    private func restoreRights(of guests: Int, _ done: @escaping () -> Void) {
        guard guests > 0 else { return done() }
        waitsFor = "guests to get their rights back"
        run.change(.setRole(true), of: guests - 1, by: WorkloadRun.operators) { [self] hasRole in
            run.change(.setRight(.both), of: guests - 1, by: WorkloadRun.operators) {
                [self] hasRight in
                if hasRole, hasRight { return restoreRights(of: guests - 1, done) }
                again { [self] in restoreRights(of: guests, done) }
            }
        }
    }

    /// Reads what leases still hold until they hold nothing. That they end at all, and in time, is
    /// for the check to see: here it is waited a little longer than the bound.
    private func waitForLeases(_ done: @escaping () -> Void) {
        let asked = run.world.now
        waitsFor = "the ends of leases"
        run.call(.range(.prefix("lease/")), by: 0) { [self] operation in
            guard case .step(.range(let pairs))? = operation.answer?.result else {
                return again { [self] in waitForLeases(done) }
            }
            let held = Set(pairs.map(\.lease))
            var mayLive = false
            for place in run.recorder.leases.indices {
                let lease = run.recorder.leases[place]
                guard held.contains(lease.id) else { continue }
                run.recorder.saw(place, isAlive: true, asked, asked, "its keys")
                let longest = (lease.timeToLive + run.options.leaseBound) * 2
                if asked < lastAsked(lease) + longest { mayLive = true }
            }
            if mayLive { again { [self] in waitForLeases(done) } } else { done() }
        }
    }

    private func lastAsked(_ lease: LeaseLife) -> Moment {
        max(run.settleBegan, lease.renewals.map(\.asked).max() ?? 0)
    }

    private func again(_ work: @escaping () -> Void) {
        run.world.schedule(afterNanoseconds: Self.pause, work)
    }

    private func readTheEnd(_ done: @escaping () -> Void) {
        waitsFor = "an answer to a linearizable read"
        run.call(.range(.everything), by: 0) { [self] operation in
            guard let answer = operation.answer else {
                return again { [self] in readTheEnd(done) }
            }
            readEveryMember(answer.revision) { [self] in
                waitForWatchers(answer.revision, done)
            }
        }
    }

    /// Every member comes to have the same, and says so itself.
    private func readEveryMember(_ revision: Int64, _ done: @escaping () -> Void) {
        guard let member = members.last else { return done() }
        waitsFor = "m\(member + 1) to have revision \(revision)"
        guard run.world.isMember(member) else {
            members.removeLast()
            return readEveryMember(revision, done)
        }
        run.call(.range(.everything, isSerializable: true), by: 0, at: member) { [self] operation in
            if let answer = operation.answer, answer.revision >= revision {
                members.removeLast()
                return readEveryMember(revision, done)
            }
            again { [self] in readEveryMember(revision, done) }
        }
    }

    private func waitForWatchers(_ revision: Int64, _ done: @escaping () -> Void) {
        let late = run.watches.late(for: revision)
        if late.isEmpty {
            waitsFor = "nothing"
            return done()
        }
        run.watches.askForProgress()
        looksAtWatchers += 1
        // A revocation whose outcome was not known may have come after the rights were given back,
        // from a member that had no leader till then.
        let guests = run.options.usesAuth && looksAtWatchers % 50 == 0 ? run.options.guests : 0
        restoreRights(of: guests) { [self] in
            waitsFor = "watchers: \(late.joined(separator: ", "))"
            again { [self] in waitForWatchers(revision, done) }
        }
    }
}
