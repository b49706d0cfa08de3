// What others want to know of the applied state: the log lines and metrics of Node, for one.

import API
import Consensus
import Storage

/// Told about changes as they are applied. On the applier's executor.
package protocol ApplierEvents: AnyObject, Sendable {
    /// A change was carried out; `membership` is what came of it.
    func membershipChanged(_ change: MembershipChange, to membership: Membership)
    func attributesPublished(_ member: ClusterMember)
    func clusterVersionChanged(from old: String?, to new: String)
    func alarmChanged(_ alarm: AlarmFields, isActive: Bool)
    /// Another member's state took the place of this one.
    func stateReplaced(by snapshot: SnapshotDescription, _ membership: Membership)
    func storeCommitted(_ event: CommitEvent)
    func storeCompacted(_ event: CompactionEvent)
    func storeDefragmentation(_ event: DefragmentationEvent)
    /// Everything through `durable.index` is on disk in the store; `confState` is that of then.
    func storeHolds(_ durable: CommittedState, confState: ConfState)
    func leaderChanged(to leader: MemberID, term: Term)
    /// The write-ahead log failed: reads go on, writes are refused.
    func logFailed(_ failure: EntryStoreFailure)
    /// The entry cannot be applied: the process has to end, for no later entry may be.
    func cannotApply(_ index: LogIndex, _ reason: String) -> Never
}

package enum DefragmentationEvent: Sendable {
    case began
    case finished(DefragmentationReport)
    case failed(StoreError)
}

/// An entry that cannot be applied: the disk failed, or the log holds what this version does not
/// know.
struct ApplyFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
