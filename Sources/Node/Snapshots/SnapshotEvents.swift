// What carrying snapshots tells those who run the member.

import API
import Consensus
import Storage

/// On the main executor.
protocol SnapshotEvents: AnyObject, Sendable {
    func sending(_ snapshot: SnapshotDescription, to member: MemberID)
    /// - Parameter bytes: as they went over the link.
    /// - Parameter failure: nil when it has arrived.
    func sent(
        _ snapshot: SnapshotDescription, to member: MemberID, bytes: UInt64, nanoseconds: UInt64,
        failure: String?)
    /// The store was read, for so long.
    func spooled(nanoseconds: UInt64)
    /// It could not be made.
    func notMade(_ error: any Error)
    func receiving(_ snapshot: SnapshotDescription, from member: MemberID)
    /// - Parameter result: of success, how long the disk took to sync it.
    func received(
        _ snapshot: SnapshotDescription, from member: MemberID, nanoseconds: UInt64,
        _ result: Result<UInt64, any Error>)
    /// A message that no member would send.
    func refusedOffer(_ reason: String)
    func installing(_ snapshot: SnapshotDescription)
    func installed(_ snapshot: SnapshotDescription, nanoseconds: UInt64)
}

/// What the operator, or a test, decides about carrying snapshots.
struct SnapshotSettings: Sendable {
    /// Of the state, over all calls. Fast enough to fill a member soon, slow enough for others on
    /// the link, the disk and the cores.
    var bytesPerSecond: UInt64 = 112 << 20
    /// Members that are sent to at a time; others wait.
    var maximumSends = 2
    /// The pause before a cut call is opened again; it doubles up to the second.
    var retryNanoseconds: (first: UInt64, longest: UInt64) = (100_000_000, 5_000_000_000)
    /// So many calls in a row without a chunk taken are the end of it.
    var maximumAttempts = 10
    /// After a failure the next snapshot for the same member is at least so far away: making one
    /// is work, and what a full disk has refused it refuses again.
    var failureNanoseconds: UInt64 = 5_000_000_000
    /// A call on which nothing is heard for so long is cut.
    var silenceNanoseconds: UInt64 = 60_000_000_000
    /// The receiver says so often that it is still there.
    var signNanoseconds: UInt64 = 10_000_000_000
    /// What there is of a snapshot is kept so long for the call to come back.
    var keptNanoseconds: UInt64 = 300_000_000_000
}
