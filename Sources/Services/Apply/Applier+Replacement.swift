// Another member's state in the place of the applied one.
//
// What takes long is done beforehand, on another thread (`IncomingState`), and so is every check
// that can fail: once Raft has taken a snapshot on, there is no way back.

import API
import Storage

/// A state that came from another member, read and checked.
package final class IncomingState: Sendable {
    package let store: IncomingStore
    fileprivate let stored: StoredState
    fileprivate let leases: StoredLeases

    /// Reads what `store` holds besides its keys. Blocks; on any thread.
    /// - Throws: as `StoredState`, when the records are not what they should be.
    package init(reading store: IncomingStore, cluster: ClusterID) throws {
        self.store = store
        stored = try StoredState(reading: store, cluster: cluster)
        leases = StoredLeases(stored.leases, attached: store.summary.leases)
    }
}

extension Applier {
    /// Puts `incoming` in the place of the applied state, durably, then calls `then` on the
    /// applier's executor. Nothing may be applied in between. If it cannot be done the process
    /// ends: a start does it then.
    package func become(_ incoming: IncomingState, then: @escaping @Sendable () -> Void) {
        precondition(postponed.isEmpty, "entries wait to be applied to the state before")
        store.assumeIsolated { store in
            store.replace(with: incoming.store) { [self] error in
                assumeIsolated { applier in
                    if let error {
                        let index = incoming.store.description.index
                        applier.events.cannotApply(index, "the snapshot of there: \(error)")
                    }
                    applier.take(incoming)
                    then()
                }
            }
        }
    }

    private func take(_ incoming: IncomingState) {
        let description = incoming.store.description
        let stored = incoming.stored
        membership = stored.membership
        let alarms = (before: alarms.list(.none), after: stored.alarms.list(.none))
        self.alarms = stored.alarms
        storageVersion = stored.storageVersion
        confState = (description.confState, since: description.index)
        lessor.assumeIsolated { $0.restore(incoming.leases) }
        authority.assumeIsolated { $0.restore(stored.auth) }
        rightsChanged()
        appliedIndex = description.index
        isLearner = membership.members[identity.member]?.isLearner ?? false
        events.stateReplaced(by: description, membership)
        for alarm in alarms.before where !alarms.after.contains(alarm) {
            events.alarmChanged(alarm, isActive: false)
        }
        for alarm in alarms.after where !alarms.before.contains(alarm) {
            events.alarmChanged(alarm, isActive: true)
        }
        observers.replaced()
        callObservers()
    }
}
