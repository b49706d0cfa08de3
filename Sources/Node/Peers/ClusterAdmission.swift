// What the applied state says of those who call on the peer port.

import API
import Services
import Transport

/// Turns away whom the log has removed. On the executor of the applied state.
final class ClusterAdmission: PeerAdmission {
    private let applier: Applier

    init(_ applier: Applier) { self.applier = applier }

    func refusal(of caller: PeerHello) -> PeerRefusal? {
        let id = caller.from
        return applier.enter { $0.membership.removed.contains(id) } ? .removed : nil
    }
}

extension MemberStatus: PeerPortStatus {
    var cluster: ClusterID { actors.identity.cluster }
    var members: [ClusterMember] { actors.applier.enter { $0.membership.sorted } }
}
