// Who decides that a lease's time is over, and how it ends.
//
// Only the leader, and only once it has applied an entry of its own term: whatever its predecessors
// proposed is applied then, so that no revocation of theirs can follow a renewal of its own. What it
// decides counts in its term only: a proposal that is not in its log when the term ends is dropped,
// never sent on to the next leader, who knows better who has renewed since.
//
// A storm of expiries is revoked in slices with pauses between them, so that other requests go in
// between: 100 leases every 10 ms, and at most 2000 proposed and not applied. etcd revokes 500 every
// 500 ms.

import API
import Consensus

extension Lessor {
    private static let checkNanoseconds: UInt64 = 500_000_000
    private static let pauseNanoseconds: UInt64 = 10_000_000
    private static let sliceLimit = 100
    private static let revokingLimit = 2000
    /// Leases looked at in one slice: about a millisecond, at most.
    private static let looksLimit = 2000
    /// A revocation that was not taken, or came to nothing, is proposed again after this (etcd: 3 s).
    private static let retryNanoseconds: UInt64 = 3_000_000_000
    /// Leases with more than this left are recorded, this often.
    private static let checkpointSeconds: Int64 = 300
    /// Checkpoints of one proposal, of which there is one for each check (etcd: 1000).
    private static let checkpointLimit = 1000

    /// Begins to look for leases whose time is over, once `promote` is called.
    func start(proposingTo log: any LeaseLog) {
        self.log = log
        schedule(after: Self.checkNanoseconds)
    }

    /// Whoever waits is told.
    func stop() {
        timer?.cancel()
        timer = nil
        log = nil
        demote()
        failRenewals(.stopped)
    }

    /// This member leads in `term` and has applied an entry of it. Every lease lives for what it has
    /// left, and as long as nobody may have led.
    func promote(in term: Term) {
        demote()
        leadership = term
        let start = executor.now.advanced(byNanoseconds: settings.extensionNanoseconds)
        setDeadlines(of: Array(leases.keys)[...], from: start, in: term)
        renewAllWaiting()
    }

    /// In slices, in whatever order: the queue has one of its own. A lease whose turn has not come yet has all the time there is, and one that is
    /// renewed meanwhile has its deadline from that.
    private func setDeadlines(
        of ids: ArraySlice<LeaseID>, from start: MonotonicTime, in term: Term
    ) {
        guard leadership == term else { return }
        for id in ids.prefix(Self.looksLimit) {
            guard let lease = leases[id] else { continue }
            if lease.deadline == .never {
                setDeadline(id, start.advanced(bySeconds: lease.secondsToLive))
            }
            scheduleCheckpoint(id)
        }
        let rest = ids.dropFirst(Self.looksLimit)
        guard !rest.isEmpty else { return }
        executor.postSlice { [weak self] in
            self?.assumeIsolated { $0.setDeadlines(of: rest, from: start, in: term) }
        }
    }

    /// This member leads no more: what it knew of deadlines counts no more.
    func demote() {
        guard leadership != nil else { return }
        leadership = nil
        deadlines.removeAll()
        checkpoints.removeAll()
        revoking = 0
        for place in leases.values.indices {
            leases.values[place].deadline = .never
            leases.values[place].queuedFor = .never
            leases.values[place].checkpointAt = .never
            leases.values[place].isRevoking = false
        }
    }

    func setDeadline(_ id: LeaseID, _ deadline: MonotonicTime) {
        guard var lease = leases[id] else { return }
        lease.deadline = deadline
        // Its entry comes first and puts it back: see LeaseDeadlines.
        if deadline < lease.queuedFor {
            lease.queuedFor = deadline
            deadlines.add(id, at: deadline)
        }
        leases[id] = lease
    }

    // MARK: Checking

    private func schedule(after nanoseconds: UInt64) {
        timer = executor.schedule(afterNanoseconds: nanoseconds) { [weak self] in
            self?.assumeIsolated { $0.check() }
        }
    }

    private func check() {
        guard log != nil else { return }
        revokeSlice()
        takeCheckpoints()
        expireRenewals()
        let isStorm = leadership != nil && deadlines.isDue(executor.now)
        schedule(after: isStorm ? Self.pauseNanoseconds : Self.checkNanoseconds)
    }

    private func revokeSlice() {
        guard let term = leadership else { return }
        let now = executor.now
        var left = min(Self.sliceLimit, Self.revokingLimit - revoking)
        var looks = Self.looksLimit
        while left > 0, looks > 0, let entry = deadlines.next(due: now) {
            looks -= 1
            guard let lease = leases[entry.lease], lease.queuedFor == entry.time else { continue }
            if lease.deadline > now {
                requeue(entry.lease, at: lease.deadline)  // renewed meanwhile
            } else {
                left -= 1
                revokeExpired(entry.lease, in: term)
            }
        }
    }

    private func requeue(_ id: LeaseID, at time: MonotonicTime) {
        leases[id]?.queuedFor = time
        deadlines.add(id, at: time)
    }

    private func revokeExpired(_ id: LeaseID, in term: Term) {
        let proposal = ExpiryProposal(id, in: term, by: self)
        if log?.proposeRevoke(id, in: term, proposal) == true {
            leases[id]?.isRevoking = true
            revoking += 1
        } else {
            requeue(id, at: executor.now.advanced(byNanoseconds: Self.retryNanoseconds))
        }
    }

    /// A revocation that was decided in `term` will not come by that proposal.
    func revokeDropped(_ id: LeaseID, in term: Term) {
        guard leadership == term, let lease = leases[id], lease.isRevoking else { return }
        revoking -= 1
        leases[id]?.isRevoking = false
        requeue(id, at: executor.now.advanced(byNanoseconds: Self.retryNanoseconds))
    }

    // MARK: Checkpoints

    /// Without them a lease of a day would live another day with every change of leader.
    func scheduleCheckpoint(_ id: LeaseID) {
        guard settings.takesCheckpoints, var lease = leases[id],
            lease.secondsToLive > Self.checkpointSeconds
        else { return }
        lease.checkpointAt = executor.now.advanced(bySeconds: Self.checkpointSeconds)
        checkpoints.add(id, at: lease.checkpointAt)
        leases[id] = lease
    }

    private func takeCheckpoints() {
        guard let term = leadership else { return }
        let now = executor.now
        var due: [LeaseFields] = []
        var looks = Self.looksLimit
        while due.count < Self.checkpointLimit, looks > 0, let entry = checkpoints.next(due: now) {
            looks -= 1
            guard let lease = leases[entry.lease], lease.checkpointAt == entry.time,
                lease.deadline > now
            else { continue }
            // Again later, should this one be lost; it is put off when it is applied.
            scheduleCheckpoint(entry.lease)
            // Rounded up, so that a lease never lives shorter by it.
            let left = lease.deadline.nanoseconds(since: now) + 999_999_999
            let remaining = Int64(left / 1_000_000_000)
            if remaining < lease.ttl {
                due.append(
                    LeaseFields(id: entry.lease, ttl: lease.ttl, remainingTTL: remaining))
            }
        }
        if !due.isEmpty { log?.proposeCheckpoints(due, in: term) }
    }
}

/// A revocation on its way through the log. Its effect comes with the entry.
private final class ExpiryProposal: Proposal {
    private let lease: LeaseID
    private let term: Term
    private let lessor: Lessor

    init(_ lease: LeaseID, in term: Term, by lessor: Lessor) {
        self.lease = lease
        self.term = term
        self.lessor = lessor
    }

    func dropped(_ reason: ProposalDrop) {
        lessor.assumeIsolated { $0.revokeDropped(lease, in: term) }
    }

    func forwarded() { lessor.assumeIsolated { $0.revokeDropped(lease, in: term) } }
}
