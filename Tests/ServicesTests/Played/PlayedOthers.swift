// The other members of a played one, as far as it knows them: what it sends to them and asks of
// them, and what they say. Confined to the test's thread, hence unchecked.

import API
import Consensus

@testable import Services

final class PlayedOthers: PeerSender, OtherMembers, @unchecked Sendable {
    /// One question to another member.
    struct Call {
        let member: MemberID
        let method: PeerMethod
        let request: [UInt8]
        let timeoutNanoseconds: UInt64
        let answer: @Sendable (Result<[UInt8], Status>) -> Void
    }

    /// To whom messages get through.
    var reached: Set<MemberID> = []
    /// For how long they have, in nanoseconds; nobody else is connected.
    var connected: [MemberID: UInt64] = [:]
    private(set) var sent: [Message] = []
    private var calls: [Call] = []

    func send(_ messages: [Message]) { sent += messages }
    func reaches(_ member: MemberID) -> Bool { reached.contains(member) }
    func connectedTime(of member: MemberID) -> UInt64? { connected[member] }

    func call(
        _ member: MemberID, _ method: PeerMethod, _ request: [UInt8], timeoutNanoseconds: UInt64,
        completion: @escaping @Sendable (Result<[UInt8], Status>) -> Void
    ) {
        calls.append(
            Call(
                member: member, method: method, request: request,
                timeoutNanoseconds: timeoutNanoseconds, answer: completion))
    }

    /// What was sent since the last time.
    func takeSent() -> [Message] {
        defer { sent = [] }
        return sent
    }

    /// The question that waits for an answer; nil when there is none or more.
    func takeCall() -> Call? {
        defer { calls = [] }
        return calls.count == 1 ? calls[0] : nil
    }

    /// All questions that wait for an answer.
    func takeCalls() -> [Call] {
        defer { calls = [] }
        return calls
    }

    /// The proposed changes of members among what was sent to `member` since the last time.
    func takeConfChanges(to member: MemberID) -> [[UInt8]] {
        takeSent().flatMap { message -> [[UInt8]] in
            guard message.to == member, case .proposal(let entries) = message.body else {
                return []
            }
            return entries.filter { $0.kind != .normal }.map(\.data)
        }
    }

    /// The proposals among what was sent to `member` since the last time.
    func takeProposals(to member: MemberID) -> [[UInt8]] {
        takeSent().flatMap { message -> [[UInt8]] in
            guard message.to == member, case .proposal(let entries) = message.body else {
                return []
            }
            return entries.map(\.data)
        }
    }
}

extension PlayedMember {
    /// Another member says something.
    func hear(from member: MemberID, term: Term, _ body: Message.Body) {
        let raft = life.raft
        let message = Message(from: member, to: Self.identity.member, term: term, body: body)
        life.core.turn { raft.assumeIsolated { $0.receive([message]) } }
    }

    /// `members` take what this one, the leader, sends, until there is nothing more.
    func followed(by members: MemberID...) {
        for _ in 0..<20 {
            for message in others.takeSent() where members.contains(message.to) { answer(message) }
        }
    }

    /// `member` takes entries, and its answers to heartbeats are on their way.
    func entries(takenBy member: MemberID) {
        for _ in 0..<20 {
            for message in others.takeSent() where message.to == member {
                if case .heartbeat = message.body { late.append(message) } else { answer(message) }
            }
        }
    }

    /// Those answers come, and all that follow.
    func heartbeats(answeredBy member: MemberID) {
        for message in late { answer(message) }
        late = []
        followed(by: member)
    }

    private func answer(_ message: Message) {
        switch message.body {
        case .append(let append):
            let last = append.entries.last?.index ?? append.previous.index
            hear(
                from: message.to, term: message.term, .appendResponse(.accepted(through: last)))
        case .heartbeat(let commit, let round):
            hear(
                from: message.to, term: message.term,
                .heartbeatResponse(round: round, commit: commit, promise: .none))
        case _: break
        }
    }

    /// `leader` has been elected, and has `entries` behind this member's log, all committed.
    func led(
        by leader: MemberID, term: Term, _ entries: [[UInt8]] = [], kind: Entry.Kind = .normal
    ) {
        let raft = life.raft
        let last = life.core.turn { raft.assumeIsolated { $0.status.stored } }
        let behind = entries.enumerated().map { offset, data in
            Entry(
                term: term, index: LogIndex(last.rawValue + UInt64(offset) + 1), kind: kind,
                data: data)
        }
        let append = Message.Append(
            previous: LogPosition(index: last, term: foreignTerm ?? Term(2)), entries: behind,
            commit: LogIndex(last.rawValue + UInt64(entries.count)))
        hear(from: leader, term: term, .append(append))
        if !entries.isEmpty { foreignTerm = term }
    }

    /// `leader` has entries of an older term, behind this member's log, and its own first one.
    func hearOld(_ entries: [[UInt8]], term: Term, from leader: MemberID, in newTerm: Term) {
        let raft = life.raft
        let last = life.core.turn { raft.assumeIsolated { $0.status.stored } }
        var behind = entries.enumerated().map { offset, data in
            Entry(term: term, index: LogIndex(last.rawValue + UInt64(offset) + 1), data: data)
        }
        let end = LogIndex(last.rawValue + UInt64(entries.count) + 1)
        behind.append(Entry(term: newTerm, index: end))
        let append = Message.Append(
            previous: LogPosition(index: last, term: foreignTerm ?? Term(2)), entries: behind,
            commit: end)
        hear(from: leader, term: newTerm, .append(append))
        foreignTerm = newTerm
    }

    /// Proposes an entry as the leader, which `member` takes.
    func applyOwn(_ payload: [UInt8], followedBy member: MemberID) {
        let raft = life.raft
        life.core.turn {
            raft.assumeIsolated { try? $0.propose(payload, proposal: nil) }
        }
        followed(by: member)
    }

    /// Seconds go by in which `member` follows this one, its leader.
    func passSeconds(_ seconds: Int, followedBy member: MemberID) {
        for _ in 0..<seconds * 10 {
            advance(milliseconds: 100)
            followed(by: member)
        }
    }

    /// A started member says its name, as a follower that leaves it to the leader.
    func published(_ member: MemberID, as name: String) {
        let payload = encoded {
            $0.appendClusterMemberAttrSet(
                ProposalHeader(id: RequestID(member.rawValue << 8)), member: member, name: name,
                clientURLs: ["http://\(name):1"])
        }
        hear(from: member, term: .zero, .proposal([ProposedEntry(data: payload)]))
    }

    // MARK: Calls of etcdserverpb.Cluster

    func addMember(_ urls: [String], isLearner: Bool = false) -> Caller {
        let request = encoded { buffer in
            for url in urls { buffer.appendField(1, string: url) }
            buffer.appendField(2, bool: isLearner)
        }
        return call { life, caller in request.withUnsafeBytes { life.cluster.add($0, caller) } }
    }

    func removeMember(_ id: MemberID) -> Caller {
        let request = encoded { $0.appendField(1, uint64: id.rawValue) }
        return call { life, caller in request.withUnsafeBytes { life.cluster.remove($0, caller) } }
    }

    func promoteMember(_ id: MemberID) -> Caller {
        let request = encoded { $0.appendField(1, uint64: id.rawValue) }
        return call { life, caller in request.withUnsafeBytes { life.cluster.promote($0, caller) } }
    }

    func updateMember(_ id: MemberID, _ urls: [String]) -> Caller {
        let request = encoded { buffer in
            buffer.appendField(1, uint64: id.rawValue)
            for url in urls { buffer.appendField(2, string: url) }
        }
        return call { life, caller in request.withUnsafeBytes { life.cluster.update($0, caller) } }
    }

    func moveLeader(to id: MemberID) -> Caller {
        let request = encoded { $0.appendField(1, uint64: id.rawValue) }
        return call { life, caller in
            request.withUnsafeBytes { life.maintenance.moveLeader($0, caller) }
        }
    }

    /// The id that a member with these addresses has, all of whose additions fall into one second.
    func memberID(_ urls: [String]) -> MemberID {
        MemberIdentity.member(
            peerURLs: urls.sorted(), token: "",
            addedAt: PlayedClock().nanosecondsSinceEpoch / 1_000_000_000)
    }

    var members: [ClusterMember] { state { $0.membership.sorted } }
}
