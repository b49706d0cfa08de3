// The simulated world as the workloads' clients know it.

import API
import TestSupport
import Workloads

/// `@unchecked Sendable`: the world has one thread.
final class SimClientWorld: ClientWorld, @unchecked Sendable {
    private unowned let cluster: SimCluster
    private var dice: SplitMix64

    init(_ cluster: SimCluster) {
        self.cluster = cluster
        dice = SplitMix64(seed: cluster.seed ^ 0xC11E_4475)
    }

    var now: UInt64 { cluster.kernel.time }

    func schedule(afterNanoseconds nanoseconds: UInt64, _ work: @escaping () -> Void) {
        let executor = cluster.clientExecutor
        cluster.kernel.after(nanoseconds) { executor.add(work) }
    }

    func random() -> UInt64 { dice.next() }

    var memberCount: Int { cluster.members.count }

    func isMember(_ member: Int) -> Bool {
        let member = cluster.members[member]
        return member.isMeantToRun && !member.isRemoved
    }

    func call(
        _ method: String, _ request: [UInt8], to member: Int, token: [UInt8]?,
        timeoutNanoseconds: UInt64, completion: @escaping (CallEnd) -> Void
    ) {
        cluster.clients.call(
            method, request, to: member + 1, token: token, timeoutNanoseconds: timeoutNanoseconds,
            completion: completion)
    }

    func openStream(
        _ method: String, to member: Int, token: [UInt8]?,
        received: @escaping ([UInt8]) -> Void, ended: @escaping (Status) -> Void
    ) -> any ClientStream {
        cluster.clients.openStream(
            method, to: member + 1, token: token, received: received, ended: ended)
    }

    func note(_ line: @autoclosure () -> String) {
        cluster.kernel.trace.addDetail("clients", line)
    }
}

extension SimCall: ClientStream {}
