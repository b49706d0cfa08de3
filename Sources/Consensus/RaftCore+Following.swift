// A follower's side of replication: Raft paper, figure 2, AppendEntries, receiver.

import API

extension RaftCore {
    mutating func accept(_ append: Message.Append, from member: MemberID) {
        guard append.isWellFormed(from: term) else {
            return ignore(.append(append), from: member, .malformedEntries)
        }
        // What is committed never changes; say so and let the leader go on from there.
        if append.previous.index < committed {
            return promise(.appendResponse(.accepted(through: committed)), to: member)
        }
        #if CAIRN_BUGS
            let fits =
                log.contains(append.previous)
                || (DeliberateBug.made == .appendWithoutMatch
                    && append.previous.index <= log.last)
        #else
            let fits = log.contains(append.previous)
        #endif
        guard fits else {
            let end = min(append.previous.index, log.last)
            let hint = log.possibleMatch(LogPosition(index: end, term: append.previous.term))
            return send(
                .appendResponse(.rejected(previous: append.previous.index, hint: hint)),
                to: member)
        }
        let present = log.countPresent(of: append.entries)
        let matched = append.previous.index + append.entries.count
        if present < append.entries.count {
            let keep = append.previous.index + present
            if keep < log.last {
                truncate(after: keep)
                actions.truncatedAfter = keep
            }
            for entry in append.entries[present...] { log.append(entry) }
        }
        committed = max(committed, min(append.commit, matched))
        promise(.appendResponse(.accepted(through: matched)), to: member)
    }

    mutating func answerHeartbeat(_ message: Message, commit: LogIndex, round: ReadRound) {
        guard commit <= log.last else {
            return ignore(message.body, from: message.from, .commitPastEnd)
        }
        committed = max(committed, commit)
        send(
            .heartbeatResponse(round: round, commit: committed, promise: promiseVote()),
            to: message.from)
    }
}
