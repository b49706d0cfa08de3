// Snapshots of a node: what the core orders, and what the snapshotter says of it.

import API

extension RaftNode {
    /// The state that `Snapshotter.send` was asked for is at hand.
    ///
    /// - Returns: what the receiver's core is shown once it holds the payload durably; nil if the
    ///   snapshot is not wanted any more.
    public func beginSnapshot(to member: MemberID, _ mark: SnapshotMark) -> Message? {
        guard !isStopped, core.role == .leader, mark.position.term <= core.term else { return nil }
        handle(.snapshotBegan(to: member, at: mark.index))
        return Message(from: id, to: member, term: core.term, body: .snapshot(mark))
    }

    /// `member` has the snapshot, and its core was shown it.
    public func snapshotSent(to member: MemberID) {
        guard !isStopped else { return }
        handle(.snapshotSent(to: member))
    }

    /// It will not arrive. Another is ordered when the member gives a sign of life.
    public func snapshotFailed(to member: MemberID) {
        guard !isStopped else { return }
        handle(.snapshotFailed(to: member))
    }

    /// Whether a snapshot of the state at `position` would help this member: to be asked before
    /// its payload is taken in.
    public func needsSnapshot(at position: LogPosition) -> Bool {
        !isStopped && snapshotter != nil && core.needsSnapshot(at: position)
    }

    /// What `Snapshotter.install` was asked for is the applied state, durably.
    public func installed(_ mark: SnapshotMark) {
        guard !isStopped else { return }
        handle(.applied(mark.index))
    }

    /// Forgets entries through `index` as far as they are applied: they are not needed in memory.
    public func compact(through index: LogIndex) {
        guard !isStopped else { return }
        handle(.compact(through: index))
    }

    func carryOut(_ order: SnapshotOrder) {
        switch order {
        case .send(let member, let least):
            guard let snapshotter else { return handle(.snapshotFailed(to: member)) }
            snapshotter.send(to: member, atLeast: least)
        case .cancel(let member):
            snapshotter?.cancel(to: member)
        }
    }

    func install(_ mark: SnapshotMark) {
        guard let snapshotter else {
            preconditionFailure("a snapshot was taken on without a snapshotter")
        }
        // What the state took in on the way to there, nobody can tell.
        ledger.drop(through: mark.index, .unknown)
        snapshotter.install(mark)
    }
}
