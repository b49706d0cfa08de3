// The snapshot that is being sent, as the main executor sees it: what it is of, and how much of it
// is there. All members that it is good for are sent the same one.

import API
import Storage

/// Confined to the sender.
final class SharedSpool {
    enum State {
        /// The store commits; the file is begun.
        case beginning
        /// So many chunks are there.
        case growing(SnapshotDescription, chunks: Int)
        case whole(SnapshotDescription, chunks: Int)
        case failed
    }
    var state = State.beginning
    let began: MonotonicTime
    var spool: SnapshotSpool?
    /// The number that tells it from others.
    var stream: UInt64?
    /// The members that are sent it.
    var users: Set<MemberID> = []

    init(began: MonotonicTime) { self.began = began }

    var description: SnapshotDescription? {
        switch state {
        case .growing(let description, _), .whole(let description, _): description
        case .beginning, .failed: nil
        }
    }

    /// How many chunks are there.
    var chunks: Int {
        switch state {
        case .growing(_, let chunks), .whole(_, let chunks): chunks
        case .beginning, .failed: 0
        }
    }

    var isWhole: Bool {
        if case .whole = state { true } else { false }
    }

    func grew(chunks: Int, isWhole: Bool) {
        guard let description else { return }
        state =
            isWhole
            ? .whole(description, chunks: chunks) : .growing(description, chunks: chunks)
    }
}

/// A member that is sent a snapshot. Confined to the sender.
final class SnapshotTransfer {
    let member: MemberID
    /// The log goes on from there.
    let least: LogIndex
    var state = State.waiting

    enum State {
        /// For a snapshot that is good for it, or for others to be done.
        case waiting
        /// What it is told of the snapshot is known.
        case begun(SnapshotMessage)
        /// It came to nothing, which Raft is told after a pause: it would ask again at once.
        case failed
    }
    /// Bytes that were sent, in all calls.
    var bytes: UInt64 = 0
    var began = MonotonicTime(nanoseconds: 0)

    // The present call.
    var call: (any SnapshotCall)?
    /// Calls are numbered: what is heard of an old one does not count.
    var attempt = 0
    /// Attempts since the last chunk was taken.
    var fruitless = 0
    /// Whether the receiver has said where to go on.
    var isStreaming = false
    /// Chunks that were asked from the spool for this call, or that the receiver had before.
    var sent = 0
    /// Chunks that the receiver has.
    var taken = 0
    var heard = MonotonicTime(nanoseconds: 0)
    var isPumpComing = false

    init(_ member: MemberID, atLeast least: LogIndex) {
        self.member = member
        self.least = least
    }
}
