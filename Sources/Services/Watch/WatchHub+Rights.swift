// Who may watch what: asked when a watcher is created, and again when users or roles have changed.
// etcd asks once, and goes on telling those who may not know any more.
//
// When rights change nothing is done at once but to count that they have: a stream is looked at
// before it is told anything more, and in slices of the turns to come also when it is not.

import API

extension WatchHub {
    /// Users or roles are others now, or auth was turned on or off.
    func rightsChanged(to view: AuthView) {
        rights = view
        #if CAIRN_BUGS
            if DeliberateBug.made == .watchAfterRevocation { return }
        #endif
        rightsEpoch += 1
        guard view.isEnabled, !streams.isEmpty else { return }
        toCheck = streams.inOrder
        guard !isChecking else { return }
        isChecking = true
        postCheck()
    }

    /// Watchers that one slice may look at.
    private static let sliceWatchers = 500

    private func postCheck() {
        executor.postSlice { [weak self] in self?.assumeIsolated { $0.checkSome() } }
    }

    private func checkSome() {
        var left = Self.sliceWatchers
        while left > 0, let stream = toCheck.popLast() {
            left -= 1 + stream.watchers.count
            checkRights(of: stream)
        }
        isChecking = !toCheck.isEmpty
        if isChecking { postCheck() }
    }

    /// Ends the watchers of a stream that it has no right to any more, unless that was looked at
    /// since rights have changed.
    func checkRights(of stream: WatchStream) {
        guard stream.rightsEpoch != rightsEpoch else { return }
        stream.rightsEpoch = rightsEpoch
        guard rights.isEnabled, stream.isOpen, !stream.watchers.isEmpty else { return }
        let access: KeyAccess
        switch caller(of: stream) {
        case .success(let caller):
            access = rights.keyAccess(of: caller.renewed(at: rights.revision))
        case .failure(let status): access = .none(status)
        }
        if case .all = access { return }
        for watcher in stream.watchers.inOrder {
            guard let refusal = Self.refusal(of: watcher.group.range, given: access) else {
                continue
            }
            stream.watchers[watcher.id] = nil
            forget(watcher)
            stream.refused.append((watcher.id, WatchCancelReason.of(refusal)))
        }
        guard !stream.refused.isEmpty else { return }
        if stream.sink.isWritable { tellRefused(of: stream) }
    }

    /// As it was when it created its last watcher: a token that was good then may have ended since,
    /// as tokens do; what counts is what its user may do now.
    private func caller(of stream: WatchStream) -> Result<Principal, Status> {
        guard let visitor = stream.visitor else { return .success(.member) }
        if let caller = stream.caller, caller.hasUser {
            return .success(Principal(user: caller.user, revision: rights.revision))
        }
        switch visitor.identify(now: executor.now) {
        case .admitted(let caller): return .success(caller)
        case .refused(let status): return .failure(status)
        case .later: return .failure(.invalidAuthToken)
        }
    }

    /// Why no watcher of `range` is created.
    func refusal(of range: KeyRange, by caller: Principal) -> Status? {
        guard rights.isEnabled else { return nil }
        return Self.refusal(
            of: range, given: rights.keyAccess(of: caller.renewed(at: rights.revision)))
    }

    private static func refusal(of range: KeyRange, given access: KeyAccess) -> Status? {
        let end: [UInt8] =
            switch range.end {
            case .singleKey: []
            case .open: [0]
            case .before(let end): end
            }
        return range.key.withUnsafeBytes { key in
            end.withUnsafeBytes { access.refusalToRead(key, $0) }
        }
    }

    /// Tells a stream of the watchers that it has lost, as far as it has room.
    func tellRefused(of stream: WatchStream) {
        let revision = store.assumeIsolated { $0.revision }
        while stream.sink.isWritable, let (id, reason) = stream.refused.popFirst() {
            var answer = WatchResponseFields(id)
            answer.isCanceled = true
            answer.cancelReason = reason
            respond(answer, revision, on: stream)
        }
    }

    /// Says that a watcher was not created, and why.
    func refuse(_ reason: String, on stream: WatchStream) {
        guard stream.isOpen else { return }
        var answer = WatchResponseFields(.none)
        answer.isCreated = true
        answer.isCanceled = true
        answer.cancelReason = reason
        respond(answer, store.assumeIsolated { $0.revision }, on: stream)
    }
}

extension WatchCancelReason {
    /// As etcd has it: what it has no words for is a want of permission.
    static func of(_ status: Status) -> String {
        switch status {
        case .invalidAuthToken: invalidAuthToken
        case .oldAuthRevision: oldAuthRevision
        case .userEmpty: userEmpty
        default: permissionDenied
        }
    }
}
