// Raft's view of those who carry snapshots, and how they come to be.

import API
import Consensus
import Services
import Storage

/// Where the parts of a snapshot live.
struct SnapshotPlace: Sendable {
    var cluster: ClusterID
    /// Of the store.
    var path: String
    var quotaBytes: Int64
    /// Where snapshots are made and read: it blocks.
    var thread: any ActorExecutor
    var files: any FileSystem = SystemFiles()
}

/// Sends and receives snapshots for one member. On the main executor.
final class MemberSnapshotter: Snapshotter {
    let sender: SnapshotSender
    /// `accept` takes the calls of others.
    let receiver: SnapshotReceiver

    init(
        _ member: MemberID, _ applier: Applier, _ store: MVCCStore, _ place: SnapshotPlace,
        over lane: any SnapshotLane, settings: SnapshotSettings = SnapshotSettings(),
        random: any RandomSource, events: any SnapshotEvents
    ) {
        sender = SnapshotSender(
            store, place, over: lane, settings: settings, random: random, events: events)
        receiver = SnapshotReceiver(
            member, applier, store, place, settings: settings, events: events)
    }

    /// `raft` was made with this snapshotter. Before it starts.
    func attach(_ raft: RaftNode) {
        sender.assumeIsolated { $0.attach(raft) }
        receiver.assumeIsolated { $0.attach(raft) }
    }

    /// Ends what is under way; before the node stops.
    func stop() {
        sender.assumeIsolated { $0.stop() }
        receiver.assumeIsolated { $0.stop() }
    }

    func send(to member: MemberID, atLeast index: LogIndex) {
        sender.assumeIsolated { $0.send(to: member, atLeast: index) }
    }

    func cancel(to member: MemberID) { sender.assumeIsolated { $0.cancel(to: member) } }

    func install(_ mark: SnapshotMark) { receiver.assumeIsolated { $0.install(mark) } }

    func discard(_ mark: SnapshotMark) { receiver.assumeIsolated { $0.discard(mark) } }
}
