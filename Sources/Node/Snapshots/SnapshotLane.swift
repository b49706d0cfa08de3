// What carries snapshots asks of the links to other members: calls of their own, beside Raft's
// messages, so that a heartbeat never waits behind a snapshot.

import API

/// Opens calls to other members. On the main executor.
protocol SnapshotLane: AnyObject, Sendable {
    /// Opens a call to `member`'s snapshot service, which sees it as `SnapshotReceiver.accept`.
    /// - Parameter events: heard of it until it has ended; not before this returns. Held strongly
    ///   until then.
    func open(to member: MemberID, _ events: any SnapshotCallEvents) -> any SnapshotCall
}

/// One call, seen from either side: whole messages both ways, in order, each once, until it ends.
/// On the main executor.
protocol SnapshotCall: AnyObject, Sendable {
    /// Sends without waiting. What is sent and not answered stays below
    /// `SnapshotMessage.windowBytes`, so that no bound is needed here. After the end it does nothing.
    func send(_ message: [UInt8])
    /// Ends the call: what was sent before may be lost, the events of this side hear nothing more,
    /// those of the other side that it has ended. Harmless when repeated.
    func end()
}

/// On the main executor; never called from within a method of the call.
protocol SnapshotCallEvents: AnyObject, Sendable {
    func received(_ message: [UInt8])
    /// The other side has ended it, or the link is cut. Once, and nothing comes after it.
    func ended()
}
