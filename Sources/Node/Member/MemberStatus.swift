// The member as its HTTP endpoints see it, and the metrics that are read rather than counted.

import API
import Consensus
import Services
import Storage

/// On the executor of the applied state, which is that of the connections.
final class MemberStatus: ServerStatus {
    let actors: MemberActors

    init(_ actors: MemberActors) { self.actors = actors }

    var clusterVersion: String? { actors.applier.enter { $0.membership.clusterVersion } }
    var storageVersion: String? { actors.applier.enter { $0.storageVersion } }
    var hasLeader: Bool { actors.applier.presence.hasLeader }
    var isLearner: Bool { actors.applier.presence.isLearner }

    var raft: RaftStatus? { actors.raft.enter { $0.status } }
    var followers: [MemberProgress] { actors.raft.enter { $0.peerProgress } }

    var alarms: [HealthAlarm] {
        actors.applier.enter { $0.alarms.list(.none) }.map { alarm in
            switch alarm.alarm {
            case .noSpace: .noSpace
            case .corrupt: .corrupt
            case .none: .unknown
            }
        }
    }

    func probeRead(linearizable: Bool, _ done: @escaping (_ error: String?) -> Void) {
        let done = LoopBound(done)
        actors.services.probe(isSerializable: !linearizable) { done.value($0?.message) }
    }

    /// Sets the gauges that nobody sets as things happen.
    func refresh(_ metrics: ServerMetrics) {
        let raft = actors.raft.enter { $0.status }
        metrics.raft.committed.set(Int64(raft.committed.rawValue))
        metrics.raft.applied.set(Int64(raft.applied.rawValue))
        metrics.raft.isLearner.set(raft.isLearner ? 1 : 0)
        let forwarded = actors.applier.enter { $0.forwardedProposals }
        metrics.raft.pendingProposals.set(Int64(raft.pendingProposals + forwarded))
        metrics.disk.walWrittenBytes.set(Int64(clamping: actors.log.metrics().bytesWritten))
        let store = actors.store.enter { store in
            (
                keys: store.liveKeys, revision: store.revision, compacted: store.compacted,
                size: store.durable.size
            )
        }
        metrics.store.keys.set(Int64(store.keys))
        metrics.store.currentRevision.set(store.revision.rawValue)
        metrics.store.compactRevision.set(store.compacted?.rawValue ?? -1)
        metrics.store.fileBytes.set(store.size.total)
        metrics.store.usedBytes.set(store.size.inUse)
    }
}
