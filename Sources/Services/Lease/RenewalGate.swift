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
        // Also here: what is known here is refused without asking the leader.
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

    /// A lease that is not known may have been granted just now: that is to be applied first.
    private func renewHere(
        _ lease: LeaseID, as caller: Principal, by reads: ReadGate,
        for receiver: any RenewalReceiver
    ) {
        let header = header()
        let renewsAtOnce = settings.leases.renewsAtOnce
        if renewsAtOnce,
            lessor.assumeIsolated({ $0.renewIfKnown(lease, header, for: receiver) })
        {
            return
        }
        reads.submit(
            StateRead(of: self, isSerializable: false) { applier in
                applier.check(keysOf: [lease], caller, writes: true) { applier, refusal in
                    if let refusal {
                        return receiver.renewed(lease, header, ttl: .failure(refusal))
                    }
                    applier.lessor.assumeIsolated { $0.renew(lease, header, for: receiver) }
                }
            } failed: { status in
                receiver.renewed(lease, header, ttl: .failure(status))
            })
    }
}
