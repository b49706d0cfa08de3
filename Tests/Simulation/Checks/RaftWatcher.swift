// Raft's promises (Raft paper, figure 3), checked from outside after every turn of a member.
//
// The watcher sees all members at once, which no member can. It keeps its own record of what was
// committed, and of what was ever in a log, and compares everything with these.

import API
import Consensus

final class RaftWatcher {
    private struct Committed {
        let term: Term
        let digest: UInt64
        /// The term of the member that was first seen to take it for committed.
        let inTerm: Term
    }

    /// Terms of a log's entries behind `first`.
    private struct SeenLog {
        var first = LogIndex.zero
        var terms: [Term] = []

        func term(at index: LogIndex) -> Term? {
            let place = index.distance(from: first) - 1
            return place >= 0 && place < terms.count ? terms[place] : nil
        }
    }

    var violated: (String) -> Void = { _ in }
    /// Somebody has given its vote to another.
    var voted: ((_ voter: SimPlace, _ candidate: MemberID) -> Void)?
    /// Somebody leads.
    var elected: ((SimPlace) -> Void)?
    /// What any member ever took for committed; the first is entry 1.
    private var committed: [Committed] = []
    private var leaders: [Term: SimPlace] = [:]
    /// By place, as of the last turn.
    private var seen: [RaftInspection?] = []
    private var logs: [SeenLog] = []
    /// What was in a log at a place of it: equal places are equal, and so is what is before.
    private var entries: [LogPosition: (digest: UInt64, before: Term)] = [:]
    private(set) var elections = 0

    var committedThrough: LogIndex { LogIndex(UInt64(committed.count)) }

    /// The process of this place is gone.
    func forget(_ place: SimPlace) {
        if place < seen.count { seen[place] = nil }
    }

    /// - Returns: whether anything is other than before.
    func observe(_ place: SimPlace, _ raft: isolated RaftNode) -> Bool {
        let now = raft.inspection
        while seen.count <= place {
            seen.append(nil)
            logs.append(SeenLog())
        }
        let old = seen[place]
        guard now != old else { return false }
        seen[place] = now
        if let old, now.term < old.term {
            violated("the term of m\(place) fell to \(now.term.rawValue)")
        }
        if let old, now.committed < old.committed {
            violated("m\(place) takes back that \(old.committed.rawValue) is committed")
        }
        if let old, now.applied < old.applied {
            violated("m\(place) takes back that \(old.applied.rawValue) is applied")
        }
        if now.applied > now.committed { violated("m\(place) applies what is not committed") }
        if now.role == .follower, now.vote != .none, now.vote != old?.vote {
            voted?(place, now.vote)
        }
        checkLog(place, now, old, raft)
        checkCommit(place, now, old, raft)
        if now.role == .leader {
            if old?.role != .leader || old?.term != now.term {
                checkElection(place, now, raft)
            }
            checkChanges(place, now, raft)
        }
        trim(place, through: now.compacted.index)
        return true
    }

    // MARK: Log matching

    private func checkLog(
        _ place: SimPlace, _ now: RaftInspection, _ old: RaftInspection?, _ raft: isolated RaftNode
    ) {
        let compacted = now.compacted.index
        if let old, compacted >= logs[place].first, compacted <= old.end.index {
            guard now.end != old.end else { return }
            // Where the log still is as it was.
            var same = min(old.end.index, now.end.index)
            while same > compacted, raft.term(at: same) != logs[place].term(at: same) {
                same = same.previous
            }
            let kept = same.distance(from: logs[place].first)
            let dropped = logs[place].terms.count - kept
            if dropped > 0 { logs[place].terms.removeLast(dropped) }
            add(raft.entries(after: same, through: now.end.index), after: same, place, now)
        } else {
            logs[place] = SeenLog(first: compacted)
            add(
                raft.entries(after: compacted, through: now.end.index), after: compacted, place,
                now)
        }
    }

    /// What a log has forgotten, once everything was checked. Not at every step: it moves the rest.
    private func trim(_ place: SimPlace, through compacted: LogIndex) {
        let forgotten = compacted.distance(from: logs[place].first)
        guard forgotten > 1000 else { return }
        logs[place].terms.removeFirst(forgotten)
        logs[place].first = compacted
    }

    private func add(
        _ added: [Entry], after: LogIndex, _ place: SimPlace, _ now: RaftInspection
    ) {
        var before =
            after == now.compacted.index ? now.compacted.term : logs[place].term(at: after)
        for entry in added {
            let position = LogPosition(index: entry.index, term: entry.term)
            let digest = Self.digest(entry)
            if let known = entries[position] {
                if known.digest != digest {
                    violated("m\(place) has another entry at \(Self.text(position)) than others")
                }
                if let before, known.before != before {
                    violated("m\(place)'s log differs from another's before \(Self.text(position))")
                }
            } else if let before {
                entries[position] = (digest, before)
            }
            before = entry.term
            logs[place].terms.append(entry.term)
        }
    }

    // MARK: Election safety, leader completeness

    private func checkElection(_ place: SimPlace, _ now: RaftInspection, _ raft: isolated RaftNode)
    {
        elections += 1
        if let other = leaders[now.term], other != place {
            violated("m\(other) and m\(place) both lead in term \(now.term.rawValue)")
        }
        leaders[now.term] = place
        elected?(place)
        let from = now.compacted.index
        if now.end.index < committedThrough {
            // Perhaps committed in a later term than its own, which another leads.
            for index in now.end.index.rawValue..<committedThrough.rawValue
            where committed[Int(index)].inTerm < now.term {
                return violated(
                    "m\(place) leads term \(now.term.rawValue) without the committed \(index + 1)")
            }
        }
        var index = from.next
        while index <= min(now.end.index, committedThrough) {
            let entry = committed[Int(index.rawValue) - 1]
            if entry.inTerm < now.term, raft.term(at: index) != entry.term {
                return violated(
                    "m\(place) leads term \(now.term.rawValue) without the committed "
                        + "\(index.rawValue)")
            }
            index = index.next
        }
    }

    /// At most one change of members is under way.
    private func checkChanges(_ place: SimPlace, _ now: RaftInspection, _ raft: isolated RaftNode) {
        guard now.applied < now.end.index, now.end.index.distance(from: now.applied) < 64 else {
            return
        }
        let changes = raft.entries(
            after: max(now.applied, now.compacted.index), through: now.end.index
        )
        .count { $0.kind != .normal }
        if changes > 1, now.end.index > LogIndex(16) {
            violated("m\(place) leads with \(changes) changes of members under way")
        }
    }

    // MARK: State machine safety

    private func checkCommit(
        _ place: SimPlace, _ now: RaftInspection, _ old: RaftInspection?, _ raft: isolated RaftNode
    ) {
        let from = max(old?.committed ?? .zero, now.compacted.index)
        guard now.committed > from else { return }
        fillGap(through: from, place, now)
        for entry in raft.entries(after: from, through: now.committed) {
            let number = Int(entry.index.rawValue) - 1
            let digest = Self.digest(entry)
            if number < committed.count {
                if committed[number].digest != digest || committed[number].term != entry.term {
                    violated(
                        "m\(place) commits another entry at \(entry.index.rawValue) than others")
                }
            } else if number == committed.count {
                committed.append(Committed(term: entry.term, digest: digest, inTerm: now.term))
            } else {
                violated("m\(place) commits \(entry.index.rawValue), and nobody what is before")
            }
        }
    }

    /// Much was committed in one step, and some of it forgotten in the same: it was seen before.
    private func fillGap(through index: LogIndex, _ place: SimPlace, _ now: RaftInspection) {
        while committedThrough < index, let term = logs[place].term(at: committedThrough.next),
            let known = entries[LogPosition(index: committedThrough.next, term: term)]
        {
            committed.append(Committed(term: term, digest: known.digest, inTerm: now.term))
        }
    }

    private static func digest(_ entry: Entry) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325 ^ UInt64(entry.kind.rawValue)
        entry.data.withUnsafeBytes { bytes in
            var place = 0
            while place + 8 <= bytes.count {
                hash =
                    (hash ^ bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self))
                    &* 0x9E37_79B9_7F4A_7C15
                hash ^= hash >> 32
                place += 8
            }
            while place < bytes.count {
                hash = (hash ^ UInt64(bytes[place])) &* 0x0000_0100_0000_01B3
                place += 1
            }
        }
        return hash
    }

    private static func text(_ position: LogPosition) -> String {
        "index \(position.index.rawValue) of term \(position.term.rawValue)"
    }
}
