// Renewing leases (reference: semantics.md, Lease, KeepAlive).
//
// Almost always a renewal is a new deadline and no more. It has to wait when the lease's time is
// over and its revocation under way; when a checkpoint has to be undone first, for the next leader
// would give the lease too little; and while this member does not know yet that it leads.

import API

/// Who waits for a renewal. On the lessor's executor.
protocol RenewalReceiver: AnyObject, Sendable {
    /// - Parameter ttl: as granted, in seconds; 0 when there is no such lease (any more).
    func renewed(_ lease: LeaseID, _ header: HeaderFields, ttl: Result<Int64, Status>)
}

/// One that waits.
struct WaitingRenewal {
    let receiver: any RenewalReceiver
    /// Made when it came.
    let header: HeaderFields
    let since: MonotonicTime
}

extension Lessor {
    /// Renews `id`. `receiver` is told once, now or later.
    func renew(_ id: LeaseID, _ header: HeaderFields, for receiver: any RenewalReceiver) {
        if let ttl = attempt(id) { return receiver.renewed(id, header, ttl: .success(ttl)) }
        waiting[id, default: []].append(
            WaitingRenewal(receiver: receiver, header: header, since: executor.now))
    }

    /// Begins a lease's TTL anew.
    /// - Returns: the granted TTL; nil when it is not as simple as that.
    private func extend(at place: Dictionary<LeaseID, Lease>.Index) -> Int64? {
        let now = executor.now
        let lease = leases.values[place]
        guard lease.deadline > now, lease.remainingTTL == 0 || !settings.takesCheckpoints else {
            return nil
        }
        #if CAIRN_BUGS
            if DeliberateBug.made == .expireLeaseEarly { return lease.ttl }
        #endif
        let deadline = now.advanced(bySeconds: lease.ttl)
        if deadline < lease.queuedFor {
            setDeadline(leases.keys[place], deadline)
        } else {
            leases.values[place].deadline = deadline
        }
        counters.renewed.increment()
        return lease.ttl
    }

    /// - Returns: the granted TTL, 0 when there is no such lease; nil when it has to wait.
    private func attempt(_ id: LeaseID) -> Int64? {
        guard let term = leadership else { return nil }
        guard let place = leases.index(forKey: id) else { return 0 }
        if let ttl = extend(at: place) { return ttl }
        let lease = leases.values[place]
        if lease.deadline > executor.now, waiting[id] == nil {
            // A checkpoint is in the way: to be undone, once for all who wait.
            log?.proposeCheckpoints([LeaseFields(id: id, ttl: lease.ttl)], in: term)
        }
        return nil
    }

    // MARK: Those who wait

    func answerRenewals(ofRevoked id: LeaseID) {
        guard !waiting.isEmpty, let waiters = waiting.removeValue(forKey: id) else { return }
        for waiter in waiters { waiter.receiver.renewed(id, waiter.header, ttl: .success(0)) }
    }

    /// What kept the renewals of `id` waiting may be over.
    func renewWaiting(_ id: LeaseID) {
        guard !waiting.isEmpty, let waiters = waiting.removeValue(forKey: id) else { return }
        for waiter in waiters {
            if let ttl = attempt(id) {
                waiter.receiver.renewed(id, waiter.header, ttl: .success(ttl))
            } else {
                waiting[id, default: []].append(waiter)
            }
        }
    }

    func renewAllWaiting() {
        for id in waiting.keys.sorted() { renewWaiting(id) }
    }

    /// Gives up what has waited too long. A lease whose time is over is waited for until it is
    /// revoked, as long as this member leads.
    func expireRenewals() {
        guard !waiting.isEmpty else { return }
        let now = executor.now
        for (id, waiters) in waiting.sorted(by: { $0.key < $1.key }) {
            if leadership != nil, let lease = leases[id], lease.deadline <= now { continue }
            let patience = settings.patienceNanoseconds
            let late = waiters.filter { now.nanoseconds(since: $0.since) >= patience }
            guard !late.isEmpty else { continue }
            let left = waiters.filter { now.nanoseconds(since: $0.since) < patience }
            waiting[id] = left.isEmpty ? nil : left
            for waiter in late {
                waiter.receiver.renewed(id, waiter.header, ttl: .failure(.requestTimeout))
            }
        }
    }

    func failRenewals(_ status: Status) {
        let all = waiting.sorted { $0.key < $1.key }
        waiting = [:]
        for (id, waiters) in all {
            for waiter in waiters {
                waiter.receiver.renewed(id, waiter.header, ttl: .failure(status))
            }
        }
    }
}
