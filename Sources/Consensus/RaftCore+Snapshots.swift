// Members that need more than the log holds: InstallSnapshot (Raft paper, section 7).
//
// The payload does not pass through here. A leader says who needs a snapshot of at least which
// place, and is told how that ended. A follower is shown the mark of one whose payload it holds
// durably, and takes it on in this order:
//
//     1. the payload is durable (before the core hears of it)
//     2. LogWrite.snapshot and the hard state with it are durable    -> the leader is answered
//     3. Actions.install: the payload becomes the state              -> Event.applied
//
// After a crash before 2 the payload is of no use and the old log and state hold. After a crash
// between 2 and 3 the log begins behind the old state, and the payload must become the state
// before the core starts.

import API

// MARK: - Of a leader

extension RaftCore {
    /// The log does not reach back to what a member needs.
    mutating func orderSnapshot(_ place: Int) {
        let member = progress[place].member
        if !progress[place].isBehindLog {
            progress[place].isBehindLog = true
            actions.changes.append(.memberBehindLog(member))
        }
        // One that is down would only keep the snapshot waiting.
        guard progress[place].isActive else { return }
        // It must know the member it is for: an earlier state may not have it yet.
        let least = max(log.compacted.index, membershipSince)
        progress[place].startSnapshot(atLeast: least)
        actions.snapshots.append(.send(to: member, atLeast: least))
    }

    mutating func snapshotBegan(to member: MemberID, at index: LogIndex) {
        guard role == .leader, let place = position(of: member) else { return }
        progress[place].snapshotBegan(at: index)
    }

    mutating func snapshotEnded(to member: MemberID, arrived: Bool) {
        guard role == .leader, let place = position(of: member) else { return }
        progress[place].snapshotEnded(arrived: arrived)
    }

    mutating func cancelSnapshots() {
        for peer in progress where peer.isSnapshotting {
            actions.snapshots.append(.cancel(to: peer.member))
        }
    }

    /// Forgets what is applied and not worth keeping. What a member will need behind the snapshot
    /// on its way is worth more, but not any amount of memory.
    mutating func compactLog() {
        for place in progress.indices where progress[place].catchesUpFrom != nil {
            if applied.distance(from: progress[place].match) <= options.retainedEntries {
                progress[place].endCatchingUp()
            }
        }
        guard let pin = progress.compactMap(\.pin).min() else {
            return log.compact(
                behind: applied, maxCount: options.retainedEntries,
                maxBytes: options.retainedBytes)
        }
        log.compact(
            behind: min(applied, pin), maxCount: options.retainedEntries,
            maxBytes: options.pinnedBytes)
        log.compact(behind: applied, maxCount: .max, maxBytes: options.pinnedBytes)
    }

    /// Forgets entries through `index` as far as they are applied.
    mutating func compact(through index: LogIndex) {
        let pin = progress.compactMap(\.pin).min() ?? index
        log.compact(through: min(index, applied, pin))
    }
}

// MARK: - Of a follower

extension RaftCore {
    /// Whether the state at `position` would help this member. Ask before its payload is sent.
    public func needsSnapshot(at position: LogPosition) -> Bool {
        position.index > committed && !log.contains(position) && install == nil
            && !hasStorageFailed
    }

    mutating func restore(_ mark: SnapshotMark, from member: MemberID) {
        guard install == nil, !hasStorageFailed else { return }
        guard mark.position.term <= term else {
            return ignore(.snapshot(mark), from: member, .malformedEntries)
        }
        guard mark.index > committed else {
            return promise(.appendResponse(.accepted(through: committed)), to: member)
        }
        // The log has it all: it is only news that it is committed.
        if log.contains(mark.position) {
            committed = mark.index
            return promise(.appendResponse(.accepted(through: committed)), to: member)
        }
        let membership = Membership(mark.confState)
        guard membership.contains(id) else {
            return ignore(.snapshot(mark), from: member, .notInSnapshot)
        }
        restartLog(at: mark.position)
        committed = mark.index
        adopt(membership)
        membershipSince = mark.index
        install = SnapshotInstall(mark: mark)
        actions.discard = nil
        actions.restart = mark
        // Entries behind it followed others than are committed there: they are lost for good.
        actions.truncatedAfter = mark.index
        actions.changes.append(.restoring(mark.position))
        promise(.appendResponse(.accepted(through: mark.index)), to: member)
    }
}
