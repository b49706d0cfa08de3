// Leadership handed over on purpose (thesis, section 3.10).
//
// The leader brings the target's log up to its own, takes nothing on meanwhile, and tells it to
// campaign at once. If nothing came of that within an election timeout, it goes on leading.

import API

/// A transfer under way.
struct LeaderTransfer: Equatable, Sendable {
    let target: MemberID
    /// In ticks.
    var elapsed = 0
}

extension RaftCore {
    /// Who is to lead next, if leadership is being handed over.
    public var transferTarget: MemberID? { transfer?.target }

    /// The voter that can best lead instead of this member: one that is heard of, and of those
    /// one with most of the log.
    public var heir: MemberID? {
        progress.filter {
            $0.member != id && membership.quorum.contains($0.member)
                && ($0.isActive || $0.wasActive)
        }
        .max { ($0.match, $1.member) < ($1.match, $0.member) }?.member
    }

    mutating func transferLeadership(to target: MemberID) {
        guard role == .leader, isVoter, target != id, membership.quorum.contains(target),
            let place = position(of: target), transfer?.target != target
        else { return }
        abortTransfer()
        lease.isVoid = true
        transfer = LeaderTransfer(target: target)
        if progress[place].match == log.last {
            send(.timeoutNow, to: target)
        } else {
            sendAppend(place)
        }
    }

    /// `member` has answered: if it is the one to lead, and has everything, it is told to.
    /// Repeated, for the word may have been lost.
    mutating func continueTransfer(to member: MemberID) {
        guard transfer?.target == member, let place = position(of: member),
            progress[place].match == log.last
        else { return }
        send(.timeoutNow, to: member)
    }

    mutating func tickTransfer() {
        transfer?.elapsed += 1
        if let transfer, transfer.elapsed >= options.electionTicks { abortTransfer() }
    }

    mutating func abortTransferWithoutVote() {
        if let transfer, !membership.quorum.contains(transfer.target) { abortTransfer() }
    }

    mutating func abortTransfer() {
        guard let target = transfer?.target else { return }
        transfer = nil
        actions.changes.append(.transferAborted(to: target))
    }
}
