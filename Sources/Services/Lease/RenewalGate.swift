// Where renewals enter the applied state.

import API
import Consensus

/// Takes renewals from any thread to the lessor.
struct RenewalGate: Sendable {
    private struct Renewal: Sendable {
        let lease: LeaseID
        let caller: Principal
        let receiver: any RenewalReceiver
    }

    private let inbox: HandOver<Renewal>

    /// Renewals that may wait for the executor of the applied state.
    private static let waitingLimit = 100_000
    /// Those that one turn does: a millisecond.
    private static let turnLimit = 1000

    init(of reads: ReadGate) {
        let applier = reads.applier
        inbox = HandOver(
            to: applier.executor, limit: Self.waitingLimit, turnLimit: Self.turnLimit
        ) { renewal in
            applier.assumeIsolated { applier in
                applier.renew(
                    renewal.lease, as: renewal.caller, by: reads, for: renewal.receiver)
            }
        }
    }

    /// - Returns: false when too many wait; then `receiver` hears nothing.
    func renew(
        _ lease: LeaseID, as caller: Principal, for receiver: any RenewalReceiver
    ) -> Bool {
        inbox.send(Renewal(lease: lease, caller: caller, receiver: receiver))
    }
}

extension Applier {
    /// Whether this member is the leader, as far as it knows.
    var leads: Bool { leader == identity.member }

    /// The leader alone knows how long a lease lives.
    func renew(
        _ lease: LeaseID, as caller: Principal, by reads: ReadGate,
        for receiver: any RenewalReceiver
    ) {
        // Also here: what is known here is refused without asking the leader, and the keys of a
        // large lease are gone through before the round that confirms the leadership. The verdict
        // is remembered for the check behind that round, which little may part from the renewal.
        check(keysOf: [lease], caller, writes: true) { applier, refusal in
            if let refusal {
                return receiver.renewed(lease, applier.header(), ttl: .failure(refusal))
            }
            applier.renewChecked(lease, as: caller, by: reads, for: receiver)
        }
    }

    private func renewChecked(
        _ lease: LeaseID, as caller: Principal, by reads: ReadGate,
        for receiver: any RenewalReceiver
    ) {
        let header = header()
        if leads { return renewHere(lease, as: caller, by: reads, for: receiver) }
        var request = ByteBuffer(capacity: 16)
        request.appendLeaseRequest(lease)
        let message = request.withUnsafeBytes { $0.asking(caller) }
        LeaderQuestion(of: self, .renewLease, message) { applier, question in
            question.settled()
            applier.renewHere(lease, as: caller, by: reads, for: receiver)
        } done: { answer in
            receiver.renewed(lease, header, ttl: answer.flatMap(Self.grantedTTL))
        }.ask()
    }

    private static func grantedTTL(in answer: [UInt8]) -> Result<Int64, Status> {
        let arena = Arena()
        do throws(WireError) {
            let response = try LeaseKeepAliveResponse.decode(answer, in: arena)
            return withExtendedLifetime(arena) { .success(response.ttl) }
        } catch {
            return .failure(.malformedRequest(error))
        }
    }

    /// Waits for the others of this turn, and for a round that confirms the leadership of all of
    /// them.
    private func renewHere(
        _ lease: LeaseID, as caller: Principal, by reads: ReadGate,
        for receiver: any RenewalReceiver
    ) {
        let renewal = PendingRenewal(
            lease: lease, caller: caller, header: header(), receiver: receiver)
        guard !isDetached else { return renewal.fail(.stopped) }
        switch renewals.add(renewal) {
        case .first: executor.post { self.assumeIsolated { $0.confirmRenewals(by: reads) } }
        case .later: break
        case .tooMany: renewal.fail(.tooManyRequests)
        }
    }

    /// A leader may have been deposed without knowing it, when it stood still or is cut off: what
    /// it renews then nobody else knows of. A read barrier (Raft thesis, section 6.4) that begins
    /// after a renewal came shows that nobody else led when it came, and who leads later gives
    /// every lease all the time it had. It also sees to it that a lease granted before is known,
    /// for which etcd waits with FastLeaseKeepAlive off, or when it does not know the lease.
    ///
    /// As in etcd, a lease whose time is over before the round is, is lost.
    private func confirmRenewals(by reads: ReadGate) {
        let batch = renewals.take()
        guard !batch.isEmpty else { return }
        reads.submit(
            StateRead(of: self, isSerializable: false) { applier in
                applier.renewConfirmed(batch[...])
            } failed: { [self] status in
                let isDeposed = status == .leaderChanged || status == .requestTimeout
                for renewal in batch { renewal.fail(isDeposed ? .notPrimaryLessor : status) }
                assumeIsolated { $0.renewals.done(batch.count) }
            })
    }

    /// In slices: after a pause there may be very many.
    private func renewConfirmed(_ batch: ArraySlice<PendingRenewal>) {
        let slice = batch.prefix(PendingRenewals.sliceLimit)
        for renewal in slice { renewConfirmed(renewal) }
        renewals.done(slice.count)
        let rest = batch.dropFirst(slice.count)
        guard !rest.isEmpty else { return }
        executor.postSlice { self.assumeIsolated { $0.renewConfirmed(rest) } }
    }

    private func renewConfirmed(_ renewal: PendingRenewal) {
        check(keysOf: [renewal.lease], renewal.caller, writes: true) { applier, refusal in
            if let refusal { return renewal.fail(refusal) }
            guard !applier.isDetached else { return renewal.fail(.stopped) }
            guard applier.leads else { return renewal.fail(.notPrimaryLessor) }
            applier.lessor.assumeIsolated {
                $0.renew(renewal.lease, renewal.header, for: renewal.receiver)
            }
        }
    }
}

/// A renewal that this member, as the leader, has taken and not made yet.
struct PendingRenewal: Sendable {
    fileprivate let lease: LeaseID
    fileprivate let caller: Principal
    /// Made when it came, as in etcd.
    fileprivate let header: HeaderFields
    fileprivate let receiver: any RenewalReceiver

    func fail(_ status: Status) { receiver.renewed(lease, header, ttl: .failure(status)) }
}

/// Those that wait for the next round, and how many wait for one that is under way.
struct PendingRenewals {
    enum Addition {
        case first, later, tooMany
    }
    /// Of one turn, once they are confirmed: a millisecond.
    static let sliceLimit = 1000
    /// All that may wait.
    private static let limit = 100_000

    private var gathered: [PendingRenewal] = []
    private var underWay = 0

    mutating func add(_ renewal: PendingRenewal) -> Addition {
        guard gathered.count + underWay < Self.limit else { return .tooMany }
        gathered.append(renewal)
        return gathered.count == 1 ? .first : .later
    }

    /// What was gathered is under way from now on, until it is `done`.
    mutating func take() -> [PendingRenewal] {
        defer { gathered = [] }
        underWay += gathered.count
        return gathered
    }

    mutating func done(_ count: Int) { underWay -= count }
}
