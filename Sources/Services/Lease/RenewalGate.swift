// Where renewals enter the applied state.

import API
import Consensus

/// Takes renewals from any thread to the lessor.
struct RenewalGate: Sendable {
    private struct Renewal: Sendable {
        let lease: LeaseID
        let receiver: any RenewalReceiver
    }

    private let inbox: HandOver<Renewal>

    /// Renewals that may wait for the executor of the applied state.
    private static let waitingLimit = 100_000

    init(of reads: ReadGate) {
        let applier = reads.applier
        inbox = HandOver(to: applier.executor, limit: Self.waitingLimit) { renewal in
            applier.assumeIsolated { applier in
                applier.renew(renewal.lease, by: reads, for: renewal.receiver)
            }
        }
    }

    /// - Returns: false when too many wait; then `receiver` hears nothing.
    func renew(_ lease: LeaseID, for receiver: any RenewalReceiver) -> Bool {
        inbox.send(Renewal(lease: lease, receiver: receiver))
    }
}

extension Applier {
    /// A lease that is not known may have been granted just now: that is to be applied first.
    fileprivate func renew(
        _ lease: LeaseID, by reads: ReadGate, for receiver: any RenewalReceiver
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
                applier.lessor.assumeIsolated { $0.renew(lease, header, for: receiver) }
            } failed: { status in
                receiver.renewed(lease, header, ttl: .failure(status))
            })
    }
}
