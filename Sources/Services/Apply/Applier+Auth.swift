// Users and roles on the applied state, and what they permit (reference: semantics.md, Auth).
//
// Entries are checked here, where they are applied, with the user and the revision of auth that
// they carry: so all members agree on what is refused. Reads are checked where they are served.

import API
import Storage

extension Applier {
    // MARK: Entries

    /// Why `caller` may not do what an entry asks for.
    func refusal(
        of operation: InternalRaftRequest.Operation, by caller: Principal
    ) -> Status? {
        guard authority.board.isEnabled else { return nil }
        let view = authority.assumeIsolated { $0.view }
        switch operation {
        case .put(let request):
            let access = view.keyAccess(of: caller)
            return access.refusalToWrite(request.key)
                ?? refusalToWrite(keysOf: request.lease, caller)
                ?? (request.prevKV ? access.refusalToRead(request.key) : nil)
        case .deleteRange(let request): return view.keyAccess(of: caller).refusal(of: request)
        case .txn(let request):
            return view.keyAccess(of: caller).refusal(of: request)
                ?? refusalToAttach(in: request, caller)
        case .leaseRevoke(let request): return refusalToWrite(keysOf: request.id, caller)
        case .auth(let operation): return refusal(of: operation, by: caller, view)
        // Members propose these themselves; who else may is known at the door.
        case .range, .compaction, .leaseGrant, .leaseCheckpoint, .alarm, .clusterVersionSet,
            .clusterMemberAttrSet, .downgradeInfoSet:
            return nil
        }
    }

    /// What the puts of a transaction attach to leases needs what a Put alone needs: else somebody
    /// could keep the owner of a lease from it. (etcd does not look.)
    private func refusalToAttach(in txn: TxnRequest, _ caller: Principal) -> Status? {
        for operations in [txn.success, txn.failure] {
            for operation in operations {
                let refusal: Status? =
                    switch operation.operation {
                    case .put(let put): refusalToWrite(keysOf: put.lease, caller)
                    case .txn(let inner): refusalToAttach(in: inner, caller)
                    default: nil
                    }
                if let refusal { return refusal }
            }
        }
        return nil
    }

    private func refusal(
        of operation: AuthOperation, by caller: Principal, _ view: AuthView
    ) -> Status? {
        switch operation {
        case .authenticate, .status: return nil
        case .userGet(let user) where user == caller.user: return nil
        case .roleGet(let role) where hasRole(role, caller): return nil
        default: return view.refusalOfRoot(caller)
        }
    }

    private func hasRole(_ role: AuthName, _ caller: Principal) -> Bool {
        authority.assumeIsolated { $0.state.users[caller.user]?.roles.contains(role) ?? false }
    }

    /// Applies one of the Auth service's operations; answers in `response`.
    func auth(
        _ operation: AuthOperation, at index: LogIndex
    ) throws(ApplyFailure) -> Result<Void, Status> {
        let (result, changes) = authority.assumeIsolated { $0.apply(operation, at: index) }
        try inStore { store throws(StoreError) in
            for change in changes {
                switch change {
                case .put(let table, let key, let value):
                    try store.write(table, key: key, value: value)
                case .remove(let table, let key): try store.remove(table, key: key)
                }
            }
        }
        if !changes.isEmpty { rightsChanged() }
        switch result {
        case .success(let answer):
            append(answer)
            return .success(())
        case .failure(let status): return .failure(status)
        }
    }

    private func append(_ answer: Authority.Answer) {
        let header = header()
        switch answer {
        case .nothing: response.bytes.appendResponseHeader(header)
        case .status(let isEnabled, let revision):
            response.bytes.appendAuthStatusResponse(
                header, isEnabled: isEnabled, revision: revision)
        case .token(let token): response.bytes.appendAuthenticateResponse(header, token: token)
        case .names(let names): response.bytes.appendNamesResponse(header, names)
        case .permissions(let permissions):
            response.bytes.appendRoleGetResponse(header, permissions)
        }
    }

    /// Tells those who go by rights for long.
    func rightsChanged() {
        leaseVerdicts.forget()
        let view = authority.assumeIsolated { $0.view }
        watches.assumeIsolated { $0.rightsChanged(to: view) }
        counters.authRevision.set(Int64(clamping: view.revision))
    }

    // MARK: Reads

    /// Why a read is not served.
    func refusal(of read: some AppliedRead) -> Status? {
        guard authority.board.isEnabled, !read.caller.isMember else { return nil }
        return read.refusal(given: keyAccess(of: read.caller))
    }

    /// What `caller` may do with keys now; it may have come a while ago.
    private func keyAccess(of caller: Principal) -> KeyAccess {
        // Nearly always it has just come, and with what it may do.
        if caller.revision == authority.board.revision, let keys = caller.keys {
            return keys.areAll ? .all : .keys(keys)
        }
        return authority.assumeIsolated {
            $0.view.keyAccess(of: caller.renewed(at: $0.view.revision))
        }
    }

    /// Of users and roles, while they count: a read that takes several turns looks whether they
    /// are the same in the end.
    var authRevision: UInt64? {
        authority.board.isEnabled ? authority.board.revision : nil
    }

    /// Why `caller` may not see who waits under a name.
    func refusalToRead(_ prefix: CandidatePrefix, _ caller: Principal) -> Status? {
        guard authority.board.isEnabled else { return nil }
        let access = keyAccess(of: caller)
        return prefix.bytes.withUnsafeBytes { key in
            prefix.end.withUnsafeBytes { access.refusalToRead(key, $0) }
        }
    }
}

extension KeyAccess {
    func refusal(of request: DeleteRangeRequest) -> Status? {
        refusalToWrite(request.key, request.rangeEnd)
            ?? (request.prevKV ? refusalToRead(request.key, request.rangeEnd) : nil)
    }

    /// Comparisons, and all operations of both branches: also those that would not be executed,
    /// lest the outcome tells what may not be read.
    func refusal(of txn: TxnRequest) -> Status? {
        for compare in txn.compare {
            if let refusal = refusalToRead(compare.key, compare.rangeEnd) { return refusal }
        }
        for operations in [txn.success, txn.failure] {
            for operation in operations {
                if let refusal = refusal(of: operation) { return refusal }
            }
        }
        return nil
    }

    private func refusal(of operation: RequestOp) -> Status? {
        switch operation.operation {
        case .range(let request): refusalToRead(request.key, request.rangeEnd)
        case .put(let request):
            refusalToWrite(request.key) ?? (request.prevKV ? refusalToRead(request.key) : nil)
        case .deleteRange(let request):
            (request.prevKV ? refusalToRead(request.key, request.rangeEnd) : nil)
                ?? refusalToWrite(request.key, request.rangeEnd)
        case .txn(let request): refusal(of: request)
        case nil: nil
        }
    }
}
