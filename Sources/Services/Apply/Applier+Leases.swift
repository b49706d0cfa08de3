// Leases on the applied state: what their entries do to the store, and what the lessor is told of
// keys and leadership (reference: semantics.md, Lease; ondisk.md, Buckets).

import API
import Consensus
import Storage

extension Applier {
    // MARK: Keys

    /// Why no key can be put on `lease`.
    func leaseRefusal(_ lease: LeaseID) -> Status? {
        if lease == .none || lessor.assumeIsolated({ $0.contains(lease) }) { return nil }
        return .leaseNotFound
    }

    /// A key was put, and has this lease from now on; `.none` is no lease.
    func attach(_ key: UnsafeRawBufferPointer, to lease: LeaseID) {
        lessor.enter(with: key) { $0.attach($1, to: lease) }
    }

    /// Whom to tell of every key that is deleted; nil when nobody wants to know.
    var followedDeletions: Applier? {
        observers.isEmpty && !lessor.assumeIsolated({ $0.hasKeys }) ? nil : self
    }

    func deleted(_ key: UnsafeRawBufferPointer) {
        lessor.enter(with: key) { $0.detach($1) }
        if !observers.isEmpty { observers.deleted(key) }
    }

    // MARK: Entries

    func grantLease(_ request: LeaseGrantRequest) throws(ApplyFailure) -> Result<Void, Status> {
        if let refusal = alarmRefusal(adds: true) { return .failure(refusal) }
        let (id, ttl) = (request.id, request.ttl)
        let lease: LeaseFields
        do throws(LeaseError) {
            lease = try lessor.enter { (lessor) throws(LeaseError) in
                try lessor.grant(id, ttl: ttl)
            }
        } catch {
            return .failure(Status(error))
        }
        try keep(lease)
        response.bytes.appendLeaseGrantResponse(header(), id: lease.id, ttl: lease.ttl)
        return .success(())
    }

    /// Deletes the keys of a lease in byte order, all in one revision.
    func revokeLease(_ request: LeaseRevokeRequest) throws(ApplyFailure) -> Result<Void, Status> {
        if let refusal = alarmRefusal(adds: false) { return .failure(refusal) }
        let id = request.id
        let keys: [[UInt8]]
        do throws(LeaseError) {
            keys = try lessor.enter { (lessor) throws(LeaseError) in try lessor.revoke(id) }
        } catch {
            return .failure(Status(error))
        }
        let record = LeaseFields(id: id, ttl: 0).recordKey
        let deleted = try inStore { store throws(StoreError) in
            var deleted = 0
            for key in keys {
                deleted += try key.span.withUnsafeBytes { (key) throws(StoreError) in
                    try store.deleteRange(KeyBounds(lower: key, upper: .single))
                }
            }
            try store.remove(.lease, key: record)
            return deleted
        }
        counters.deletes.increment(by: UInt64(deleted))
        if !observers.isEmpty {
            for key in keys { key.withUnsafeBytes { observers.deleted($0) } }
        }
        response.bytes.appendResponseHeader(header())
        return .success(())
    }

    func checkpointLeases(
        _ request: LeaseCheckpointRequest
    ) throws(ApplyFailure) -> Result<Void, Status> {
        for checkpoint in request.checkpoints {
            let (id, remaining) = (checkpoint.id, checkpoint.remainingTTL)
            let lease = lessor.assumeIsolated { $0.checkpoint(id, remainingTTL: remaining) }
            if let lease, keepsCheckpoints { try keep(lease) }
        }
        response.bytes.appendResponseHeader(header())
        return .success(())
    }

    /// etcd before 3.6 did not keep them, and members must agree on what is in the store.
    private var keepsCheckpoints: Bool {
        if settings.leases.keepsCheckpoints { return true }
        let version = membership.clusterVersion?.split(separator: ".").prefix(2).compactMap {
            Int($0)
        }
        guard let version, version.count == 2 else { return false }
        return (version[0], version[1]) >= (3, 6)
    }

    private func keep(_ lease: LeaseFields) throws(ApplyFailure) {
        var record = ByteBuffer()
        record.appendLeaseRecord(lease)
        let value = record.array
        try inStore { store throws(StoreError) in
            try store.write(.lease, key: lease.recordKey, value: value)
        }
    }

    // MARK: Leadership

    /// Called after every entry. The first of this member's own term makes the lessor the leader's.
    func promoteLessor(after entry: Entry) {
        guard entry.term != lessorTerm, entry.term == term, leader == identity.member else {
            return
        }
        lessorTerm = term
        lessor.assumeIsolated { [term] in $0.promote(in: term) }
    }

    /// Called when there is another leader, or another term.
    func demoteLessor() {
        guard lessorTerm != .zero, leader != identity.member || term != lessorTerm else { return }
        lessorTerm = .zero
        lessor.assumeIsolated { $0.demote() }
    }
}

extension Applier: LeaseLog {
    /// A revocation frees what others wait for: it may go first.
    nonisolated func priority(of operation: InternalRaftRequest.Operation) -> ProposalPriority {
        guard settings.leases.revokesFirst, case .leaseRevoke = operation else { return .normal }
        return .high
    }

    nonisolated func proposeRevoke(
        _ lease: LeaseID, in term: Term, _ proposal: any Proposal
    ) -> Bool {
        var request = ByteBuffer()
        request.appendLeaseRequest(lease)
        let priority = settings.leases.revokesFirst ? ProposalPriority.high : .normal
        return propose(.leaseRevoke, request, in: term, proposal, priority)
    }

    nonisolated func proposeCheckpoints(_ leases: [LeaseFields], in term: Term) {
        var request = ByteBuffer()
        for lease in leases {
            request.appendLeaseCheckpoint(lease.id, remainingTTL: lease.remainingTTL)
        }
        _ = propose(.leaseCheckpoint, request, in: term, nil, .normal)
    }

    private nonisolated func propose(
        _ kind: ProposalKind, _ request: borrowing ByteBuffer, in term: Term,
        _ proposal: (any Proposal)?, _ priority: ProposalPriority
    ) -> Bool {
        var payload = ByteBuffer()
        request.withUnsafeBytes {
            payload.appendProposal(authority.board.rootHeader(ids.next()), kind, request: $0)
        }
        let bytes = payload.array
        guard let raft = assumeIsolated({ $0.raft }) else { return false }
        do throws(ProposalRefusal) {
            try raft.enter { (raft) throws(ProposalRefusal) in
                try raft.propose(bytes, proposal: proposal, priority: priority, onlyIn: term)
            }
            return true
        } catch {
            return false
        }
    }
}

extension Status {
    /// Why a change of a lease is refused.
    init(_ error: LeaseError) {
        switch error {
        case .notFound: self = .leaseNotFound
        case .exists: self = .leaseExists
        case .ttlTooLarge: self = .leaseTTLTooLarge
        }
    }
}
