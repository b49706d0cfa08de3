// Snapshots, as far as Raft knows of them: which state, not what is in it. The payload travels
// beside Raft, from one snapshotter to the other.

import API

/// The state after one place of the log, and who took part there.
public struct SnapshotMark: Hashable, Sendable {
    public var position: LogPosition
    public var confState: ConfState
    public init(position: LogPosition, confState: ConfState) {
        self.position = position
        self.confState = confState
    }
    public var index: LogIndex { position.index }
}

/// What a leader wants of the one who carries snapshots.
public enum SnapshotOrder: Hashable, Sendable {
    /// `member` needs a state that the log goes on from: of `atLeast` or any later place. Answered
    /// by `Event.snapshotSent` or `Event.snapshotFailed`; until then `member` gets heartbeats only.
    case send(to: MemberID, atLeast: LogIndex)
    /// `member` needs none any more, or this member does not lead any more.
    case cancel(to: MemberID)
}

/// A snapshot that arrived, on its way to become this member's state.
struct SnapshotInstall: Equatable, Sendable {
    let mark: SnapshotMark
    /// Its record in the log is durable: the state may change.
    var isRecorded = false
}
