// Whether somebody may do something with all keys of leases. A lease may have a million keys, and all
// are looked at when it is asked for the first time, or users and roles have changed: in slices,
// between which the executor does other things. What was found out is remembered (LeaseVerdicts), so
// that an entry, which has to be decided when its turn comes, finds it decided.

import API

/// One check on its way.
///
/// `@unchecked Sendable`: confined to the executor of the applied state.
final class LeaseCheck: @unchecked Sendable {
    private let leases: [LeaseID]
    private let caller: Principal
    private let writes: Bool
    private let then: @Sendable (isolated Applier, Status?) -> Void

    private var place = 0
    /// Of users and roles.
    private var revision: UInt64 = 0
    private var access = KeyAccess.all
    private var walk: Walk?

    private struct Walk {
        let of: AttachedKeys.Walk
        let question: LeaseVerdicts.Question
        /// Keys up to here are known to be permitted.
        let from: UInt64
        /// The lease's when it began.
        let to: UInt64
    }

    /// Keys that are looked at in one go: a fraction of a millisecond.
    static let sliceKeys = 2000

    fileprivate init(
        _ leases: [LeaseID], _ caller: Principal, writes: Bool,
        _ then: @escaping @Sendable (isolated Applier, Status?) -> Void
    ) {
        self.leases = leases
        self.caller = caller
        self.writes = writes
        self.then = then
    }

    fileprivate func begin(_ applier: isolated Applier) {
        place = 0
        revision = applier.authRevision ?? 0
        // A token that members keep is as good as its user is now.
        let caller = caller.renewed(at: revision)
        guard let access = applier.leaseAccess(of: caller, writes: writes) else {
            return then(applier, nil)
        }
        self.access = access
        goOn(applier)
    }

    private func goOn(_ applier: isolated Applier) {
        if applier.authRevision ?? 0 != revision {
            stop(applier)
            return begin(applier)
        }
        var budget = Self.sliceKeys
        while place < leases.count {
            guard budget > 0 else { return later(applier) }
            if walk != nil {
                if let refusal = take(&budget, applier) { return then(applier, refusal) }
                continue
            }
            budget -= 1
            let answer = applier.firstRefusal(
                keysOf: leases[place], access, of: caller, writes: writes, within: &budget)
            switch answer {
            case .permitted: place += 1
            case .refused(let status): return then(applier, status)
            case .unknown(let question, let from):
                guard applier.leaseVerdicts.begin(question) else {
                    return wait(for: question, applier)
                }
                let (lessor, lease) = (applier.lessor, leases[place])
                walk = Walk(
                    of: lessor.assumeIsolated { $0.beginWalk(lease) }, question: question,
                    from: from, to: lessor.assumeIsolated { $0.keys.version(of: lease).version })
            }
        }
        then(applier, nil)
    }

    /// One slice of a walk. What it comes to is kept, and then asked for once more.
    private func take(_ budget: inout Int, _ applier: isolated Applier) -> Status? {
        guard let walk else { return nil }
        var found: (key: [UInt8], status: Status)?
        let state = applier.lessor.assumeIsolated { lessor in
            lessor.goOn(with: walk.of, after: walk.from) { key in
                guard budget > 0 else { return false }
                budget -= 1
                let refusal = writes ? access.refusalToWrite(key) : access.refusalToRead(key)
                found = refusal.map { ([UInt8](key), $0) }
                return found == nil
            }
        }
        if let found {
            applier.leaseVerdicts.keep(.refused(found.key, found.status), on: walk.question)
            stop(applier)
            return found.status
        }
        switch state {
        case .more: break
        case .ended:
            applier.leaseVerdicts.keep(.permitted(through: walk.to), on: walk.question)
            stop(applier)
        case .unknown: stop(applier)
        }
        return nil
    }

    private func later(_ applier: isolated Applier) {
        applier.executor.postSlice { [self, applier] in applier.assumeIsolated { goOn($0) } }
    }

    private func wait(for question: LeaseVerdicts.Question, _ applier: isolated Applier) {
        let isWaiting = applier.leaseVerdicts.wait(for: question) { [self, applier] in
            applier.assumeIsolated { goOn($0) }
        }
        if !isWaiting { then(applier, .tooManyRequests) }
    }

    /// The walk is over; who waited for it goes on.
    private func stop(_ applier: isolated Applier) {
        guard let walk else { return }
        self.walk = nil
        applier.lessor.assumeIsolated { $0.end(walk.of) }
        for waiter in applier.leaseVerdicts.end(walk.question) { applier.executor.post(waiter) }
    }
}

extension Applier {
    /// Finds out why `caller` may not do with leases what concerns the keys that are attached to
    /// them: see them, or what may end them.
    /// - Parameter then: called once, at once or after others had their turn.
    func check(
        keysOf leases: [LeaseID], _ caller: Principal, writes: Bool,
        _ then: @escaping @Sendable (isolated Applier, Status?) -> Void
    ) {
        guard authority.board.isEnabled else { return then(self, nil) }
        LeaseCheck(leases, caller, writes: writes, then).begin(self)
    }

    /// What is known of a lease's keys.
    enum LeaseAnswer {
        case permitted
        case refused(Status)
        /// Too many are to be looked at: those that came after a version of the lease.
        case unknown(LeaseVerdicts.Question, after: UInt64)
    }

    /// Nil for who may do all.
    fileprivate func leaseAccess(of caller: Principal, writes: Bool) -> KeyAccess? {
        guard authority.board.isEnabled else { return nil }
        let view = authority.assumeIsolated { $0.view }
        // Root may, whatever the revision it came with.
        if writes, view.refusalOfRoot(caller) == nil { return nil }
        let access = view.keyAccess(of: caller)
        if case .all = access { return nil }
        return access
    }

    /// Why `caller` may not do with a lease what may end the keys that are attached to it: in one
    /// piece, for entries that are applied.
    func refusalToWrite(keysOf lease: LeaseID, _ caller: Principal) -> Status? {
        guard lease != .none, let access = leaseAccess(of: caller, writes: true) else { return nil }
        var budget = Int.max
        let answer = firstRefusal(
            keysOf: lease, access, of: caller, writes: true, within: &budget)
        guard case .refused(let status) = answer else { return nil }
        return status
    }

    /// - Parameter budget: keys that may be looked at; comes back as what is left of it.
    fileprivate func firstRefusal(
        keysOf lease: LeaseID, _ access: KeyAccess, of caller: Principal, writes: Bool,
        within budget: inout Int
    ) -> LeaseAnswer {
        let (count, version) = lessor.assumeIsolated { $0.keys.version(of: lease) }
        let question = LeaseVerdicts.Question(lease: lease, user: caller.user, writes: writes)
        var keepsVerdict = false
        var known: UInt64 = 0
        // Other access is found out at the first key.
        if case .keys = access, count > LeaseVerdicts.fromCount {
            keepsVerdict = true
            switch leaseVerdicts[question] {
            case .permitted(let through): known = through
            case .refused(let key, let status):
                let holder = lessor.assumeIsolated { lessor in
                    key.withUnsafeBytes { lessor.keys.lease(of: $0) }
                }
                if holder == lease { return .refused(status) }
            case nil: break
            }
            if known == version { return .permitted }
            // Not begun what will not be ended.
            if known == 0, count > max(budget, LeaseCheck.sliceKeys) {
                return .unknown(question, after: known)
            }
        }
        var found: (key: [UInt8], status: Status)?
        var isCut = false
        lessor.assumeIsolated { lessor in
            lessor.keys.walk(lease, after: known) { key in
                guard budget > 0 || !keepsVerdict else {
                    isCut = true
                    return false
                }
                budget -= 1
                let refusal = writes ? access.refusalToWrite(key) : access.refusalToRead(key)
                found = refusal.map { ([UInt8](key), $0) }
                return found == nil
            }
        }
        if let found {
            if keepsVerdict { leaseVerdicts.keep(.refused(found.key, found.status), on: question) }
            return .refused(found.status)
        }
        if isCut { return .unknown(question, after: known) }
        if keepsVerdict { leaseVerdicts.keep(.permitted(through: version), on: question) }
        return .permitted
    }
}
