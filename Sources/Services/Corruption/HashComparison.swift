// Whose keys differ: the rules by which hashes of several members are judged (etcd:
// server/etcdserver/corrupt.go). Hashes can be compared only at one revision and behind the same
// compaction; whoever lags, or has compacted otherwise, tells nothing.

import API

/// What a comparison says of itself, each of which is a line in the log.
public enum HashFinding: Hashable, Sendable {
    /// At the start: a member has other keys than this one.
    case differsAtStart(own: HashReport, peer: HashReport)
    /// At the start: nothing to compare, for the two have compacted differently.
    case otherCompactionAtStart(own: HashReport, peer: HashReport)
    /// At the start: no hash of that revision was to be had.
    case noHashAtStart(own: HashReport, peer: MemberID, Status)
    /// The leader's own keys changed under one revision.
    case ownChanged(before: HashReport, after: HashReport)
    /// A follower has a later revision than the leader.
    case newerThanLeader(leader: HashReport, peer: HashReport)
    /// A follower has compacted what the leader has not.
    case compactedBeyondLeader(leader: HashReport, peer: HashReport)
    case differsFromLeader(leader: HashReport, peer: HashReport)
    /// A compaction's hash could not be compared with that of a member.
    case skipped(leader: HashReport, peer: MemberID, reason: String)
    /// Members that share a compaction's hash which the majority does not have.
    case minority(leader: HashReport, members: [MemberID], hash: UInt32, revision: Revision)
    /// Hashes of a compaction differ, and none is that of a majority.
    case noMajority(leader: HashReport)
}

/// What came of a comparison.
struct HashVerdict {
    var findings: [HashFinding] = []
    /// Members that are to have the alarm; `.none` stands for the whole cluster.
    var corrupt: [MemberID] = []
    /// Members whose hash could be judged.
    var checked = 0
}

enum HashComparison {
    /// Before a member serves: whether it holds what the others do.
    static func atStart(_ own: HashReport, _ answers: [HashAnswer]) -> HashVerdict {
        var verdict = HashVerdict()
        for answer in answers {
            switch answer.report {
            case .success(let peer) where peer.value == own.value: verdict.checked += 1
            case .success(let peer) where peer.compacted == own.compacted:
                verdict.checked += 1
                verdict.findings.append(.differsAtStart(own: own, peer: peer))
                if verdict.corrupt.isEmpty { verdict.corrupt = [own.member] }
            case .success(let peer):
                verdict.findings.append(.otherCompactionAtStart(own: own, peer: peer))
            case .failure(let status):
                verdict.findings.append(.noHashAtStart(own: own, peer: answer.member, status))
            }
        }
        return verdict
    }

    /// From time to time, by the leader. It is asked `after` a read barrier that follows the
    /// others' answers, so that none of them can rightly know more than it does then.
    /// - Parameter before: of the revision that the others were asked for.
    static func running(
        before: HashReport, after: HashReport, _ answers: [HashAnswer]
    ) -> HashVerdict {
        var verdict = HashVerdict()
        func found(_ finding: HashFinding, of member: MemberID) {
            verdict.findings.append(finding)
            // One alarm forbids all that several do.
            if verdict.corrupt.isEmpty { verdict.corrupt = [member] }
        }
        if before.value != after.value, before.revision == after.revision,
            before.compacted == after.compacted
        {
            found(.ownChanged(before: before, after: after), of: before.member)
        }
        for answer in answers {
            guard case .success(let peer) = answer.report else { continue }
            verdict.checked += 1
            if peer.newest > after.newest {
                found(.newerThanLeader(leader: after, peer: peer), of: peer.member)
            }
            if peer.compacted > after.compacted {
                found(.compactedBeyondLeader(leader: after, peer: peer), of: peer.member)
            }
            if peer.compacted == before.compacted, peer.value != before.value {
                found(.differsFromLeader(leader: before, peer: peer), of: peer.member)
            }
        }
        return verdict
    }

    /// The hash that a finished compaction left, by the leader: the majority is right.
    static func compaction(_ leader: HashReport, _ answers: [HashAnswer]) -> HashVerdict {
        var verdict = HashVerdict()
        var members = [leader.value: [leader.member]]
        for answer in answers {
            guard case .success(let peer) = answer.report else {
                verdict.findings.append(
                    .skipped(leader: leader, peer: answer.member, reason: "no response"))
                continue
            }
            guard peer.compacted == leader.compacted else {
                verdict.findings.append(
                    .skipped(
                        leader: leader, peer: answer.member,
                        reason: "the peer's CompactRevision \(peer.compacted.rawValue) "
                            + "doesn't match leader's CompactRevision "
                            + "\(leader.compacted.rawValue)"))
                continue
            }
            verdict.checked += 1
            members[peer.value, default: []].append(peer.member)
        }
        guard members.count > 1 else { return verdict }
        let quorum = (answers.count + 1) / 2 + 1
        if let right = members.first(where: { $0.value.count >= quorum }) {
            members[right.key] = nil
            verdict.corrupt = members.values.flatMap { $0 }.sorted()
        } else {
            verdict.findings.append(.noMajority(leader: leader))
            verdict.corrupt = [.none]
        }
        for (hash, group) in members.sorted(by: { $0.value[0] < $1.value[0] }) {
            verdict.findings.append(
                .minority(leader: leader, members: group, hash: hash, revision: leader.revision))
        }
        return verdict
    }
}
