// Members come and go by entries of the log (thesis, chapter 4; etcd raft, confchange).
//
// As in etcd, a configuration counts from the moment its entry is applied, not when it is
// appended. So a log that is cut takes no configuration back, and the rules that keep two
// majorities overlapping are: one change at a time, the next only when the one before is applied
// here; a leader begins with none before an entry of its own term is applied; and nobody
// campaigns with a committed change that it has not applied.

import API

extension RaftCore {
    /// A linear search: a cluster has a handful of members.
    func position(of member: MemberID) -> Int? {
        progress.firstIndex { $0.member == member }
    }

    mutating func resetProgress() {
        progress = membership.members.map { freshProgress($0) }
    }

    private func freshProgress(_ member: MemberID) -> Progress {
        // Our own match is what our disk has said (thesis, section 10.2.1).
        var fresh = Progress(
            member, match: member == id ? log.stored : .zero, next: log.last.next)
        if member == id { fresh.startReplicating() }
        return fresh
    }

    /// Why a leader does not take on these entries, if it does not because of what they change.
    func refusal(of proposed: [ProposedEntry]) -> ProposalRefusal? {
        let changes = proposed.filter { $0.kind != .normal }
        guard let entry = changes.first else { return nil }
        // Two at once could elect two leaders (thesis, section 4.1).
        guard changes.count == 1, pendingChange <= applied else {
            return .configurationChangePending
        }
        guard let change = ConfChangeV2(entry.kind, data: entry.data) else {
            return .invalidConfigurationChange(.malformed)
        }
        // No other change comes between now and its being applied.
        do throws(MembershipViolation) { _ = try membership.applying(change) } catch {
            return .invalidConfigurationChange(error)
        }
        return nil
    }

    /// An applied entry says so.
    mutating func change(_ change: ConfChangeV2) {
        #if CAIRN_BUGS
            if DeliberateBug.made == .skipMembershipEntry, role == .follower,
                membership.quorum.members.count > 1
            {
                return
            }
        #endif
        do throws(MembershipViolation) {
            adopt(try membership.applying(change))
        } catch {
            actions.changes.append(.membershipUnchanged(error))
            return
        }
        // The entry is one of those handed out; which, does not matter.
        membershipSince = handedToApply
        if isVoter { departure = nil }
        guard role == .leader else { return }
        if !isVoter { prepareToLeave() }
        // A smaller quorum may have what the larger had not.
        if commitWhatQuorumHas() { releaseWaitingReads() }
        broadcastAppend()
        answerConfirmedReads()
        abortTransferWithoutVote()
    }

    /// Counts with another configuration from now on.
    mutating func adopt(_ next: Membership) {
        membership = next
        for peer in progress where peer.isSnapshotting && !next.contains(peer.member) {
            actions.snapshots.append(.cancel(to: peer.member))
        }
        progress = next.members.map { member in
            if let place = position(of: member) { return progress[place] }
            var fresh = freshProgress(member)
            // Or the leader would step down before it could be heard of.
            fresh.isActive = true
            return fresh
        }
    }

    /// A leader without a vote takes nothing on any more and leads only until a quorum of the
    /// others knows that its change is committed (thesis, section 4.2.2). If it left before, the
    /// others might still need its vote, and its log could be longer than theirs: of two members
    /// the one that stays would wait for ever. For the same reason it may campaign once more if
    /// it loses office before, or is asked for a vote that it cannot give.
    private mutating func prepareToLeave() {
        departure = membershipSince
        abortTransfer()
        broadcastHeartbeat()
    }

    mutating func leaveOfficeIfDue() {
        guard let departure, role == .leader else { return }
        let known = membership.quorum.highestReached { member in
            position(of: member).map { progress[$0].knownCommit.rawValue } ?? 0
        }
        guard known >= departure.rawValue else { return }
        self.departure = nil
        if let heir { send(.timeoutNow, to: heir) }
        actions.changes.append(.steppedDownRemoved(term))
        becomeFollower(term, leader: .none)
    }

    /// A joint configuration that leaves itself is left once it is applied (etcd raft,
    /// appliedTo), also by a leader that found it there.
    mutating func leaveJointIfDue() {
        guard role == .leader, membership.isJoint, membership.confState.autoLeave,
            pendingChange <= applied, !hasStorageFailed
        else { return }
        // An empty ConfChangeV2 (etcd raft, ConfChangeV2.LeaveJoint).
        let entry = Entry(term: term, index: log.last.next, kind: .configurationChangeV2)
        pendingChange = entry.index
        log.append(entry)
        broadcastAppend()
    }
}
