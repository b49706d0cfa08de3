// Every message passes here: terms first, then who it is for.

import API

extension RaftCore {
    mutating func receive(_ message: Message) {
        // Until someone wants it.
        if case .snapshot(let mark) = message.body { actions.discard = mark }
        if message.term > term {
            guard admitNewerTerm(message) else { return }
        } else if message.term < term, message.term != .zero {
            answerOlderTerm(message)
            return
        }
        switch message.body {
        case .proposal(let entries):
            _ = propose(entries)
        case .append(let append):
            // Without a disk it can follow, but not keep.
            if follow(message), !hasStorageFailed { accept(append, from: message.from) }
        case .heartbeat(let commit, let round):
            if follow(message) { answerHeartbeat(message, commit: commit, round: round) }
        case .snapshot(let mark):
            if follow(message) { restore(mark, from: message.from) }
        case .timeoutNow:
            if role == .follower { campaignIfAllowed(isTransfer: true) }
        case .vote(let last, let isTransfer):
            answerVote(
                message, last: last, isPreVote: false, mayElect: isTransfer || !isBoundByPromise)
        case .preVote(let last):
            answerVote(message, last: last, isPreVote: true, mayElect: !isBoundByPromise)
        case .voteResponse(let granted):
            if role == .candidate { count(ballot: granted, of: message.from) }
        case .preVoteResponse(let granted):
            // A grant counts for the term it names, not for one that was asked for before.
            if role == .preCandidate, !granted || message.term == term.next {
                count(ballot: granted, of: message.from)
            }
        case .appendResponse(let response):
            if role == .leader { receive(response, from: message.from) }
        case .heartbeatResponse(let round, let commit, let promise):
            if role == .leader {
                receiveHeartbeatResponse(
                    round, commit: commit, promise, from: message.from)
            }
        case .readIndex(let context):
            read(ReadRequest(member: message.from, context: context))
        case .readIndexResponse(let context, let index):
            actions.reads.append(ReadState(context: context, index: index))
        }
    }

    /// A newer term makes a follower (section 5.1), but for requests that are to be ignored and
    /// for pre-votes, which change nobody's term.
    /// - Returns: whether the message is to be looked at.
    private mutating func admitNewerTerm(_ message: Message) -> Bool {
        switch message.body {
        case .vote(_, let isTransfer):
            if hasLiveLeader, !isTransfer { return false }
            becomeFollower(message.term, leader: .none)
        case .preVote:
            return !hasLiveLeader
        case .preVoteResponse(granted: true):
            break
        case .append, .heartbeat, .snapshot:
            becomeFollower(message.term, leader: message.from)
        case .proposal, .appendResponse, .voteResponse, .preVoteResponse(granted: false),
            .heartbeatResponse, .readIndex, .readIndexResponse, .timeoutNow:
            becomeFollower(message.term, leader: .none)
        }
        return true
    }

    /// The sender missed an election. A leader or a pre-candidate is told so by our term, or it
    /// would never find out: with check-quorum a member that came back with a higher term could
    /// neither be led by it nor depose it (etcd raft, Step).
    private mutating func answerOlderTerm(_ message: Message) {
        switch message.body {
        case .append, .heartbeat, .snapshot:
            send(.appendResponse(.rejected(previous: .zero, hint: .start)), to: message.from)
        case .preVote:
            send(.preVoteResponse(granted: false), to: message.from)
        case .proposal, .appendResponse, .vote, .voteResponse, .preVoteResponse,
            .heartbeatResponse, .readIndex, .readIndexResponse, .timeoutNow:
            break
        }
    }

    /// The sender leads this term: whoever campaigns in it gives up (section 5.2).
    private mutating func follow(_ message: Message) -> Bool {
        switch role {
        case .leader:
            ignore(message.body, from: message.from, .secondLeader)
            return false
        case .candidate, .preCandidate:
            becomeFollower(term, leader: message.from)
        case .follower:
            electionElapsed = 0
            leader = message.from
        }
        departure = nil
        return true
    }

    mutating func ignore(_ body: Message.Body, from member: MemberID, _ why: Violation) {
        actions.changes.append(.ignored(body.name, from: member, why))
    }
}
