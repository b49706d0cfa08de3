// Streams that are of no use without a leader: a client that asked for one (metadata `hasleader`)
// had better look for another member (reference: semantics.md, Limits and interceptors).

import API
import Transport

/// Ends them when there was no leader for three election timeouts. One for each server, on its
/// executor; as etcd does it, by a look at every timeout, so that a call costs nothing.
package final class LeaderMonitor {
    private let presence: LeaderPresence
    private let server: GRPCServer
    private let interval: UInt64
    private var timer: (any TimerHandle)?
    /// Looks in a row that found no leader.
    private var looksWithout = 0
    private static let patience = 3

    init(_ presence: LeaderPresence, of server: GRPCServer, intervalNanoseconds: UInt64) {
        self.presence = presence
        self.server = server
        interval = intervalNanoseconds
        schedule()
    }

    deinit { timer?.cancel() }

    private func schedule() {
        timer = server.executor.schedule(afterNanoseconds: interval) { [weak self] in self?.look() }
    }

    private func look() {
        schedule()
        guard !presence.hasLeader else {
            looksWithout = 0
            return
        }
        looksWithout += 1
        if looksWithout >= Self.patience { server.endStreams(.noLeader, where: wantsLeader) }
    }
}
