// /debug/vars: what etcd publishes of its process for whoever looks into it (Go's expvar).

import API
import Consensus

/// The body of the answer.
struct DebugVariables {
    let raft: RaftStatus?
    /// As the leader knows the others; empty elsewhere.
    let followers: [MemberProgress]

    /// One variable a line, in the order of their names.
    var json: [UInt8] {
        var text = JSONText()
        text.raw("{\n\"cmdline\": ")
        text.list(CommandLine.arguments) { $0.string($1) }
        text.raw(",\n\"file_descriptor_limit\": \(FileDescriptors.limit)")
        text.raw(",\n\"memstats\": ")
        Self.memory(&text)
        text.raw(",\n\"raft.status\": ")
        if let raft { writeStatus(raft, &text) } else { text.raw("null") }
        text.raw("\n}\n")
        return text.bytes
    }

    /// Of Go's runtime.MemStats, what is the same for every process: the memory that it has from
    /// the system. What malloc knows of its heap it finds out by a walk through all that is free
    /// (mallinfo2(3)), which is too long for the executor that answers.
    private static func memory(_ text: inout JSONText) {
        text.raw("{\"Sys\":\(ProcessStatistics.current()?.residentBytes ?? 0)}")
    }

    /// As etcd's raft writes its Status.
    private func writeStatus(_ raft: RaftStatus, _ text: inout JSONText) {
        let role =
            switch raft.role {
            case .follower: "StateFollower"
            case .preCandidate: "StatePreCandidate"
            case .candidate: "StateCandidate"
            case .leader: "StateLeader"
            }
        text.raw("{\"id\":\"\(raft.id.hex)\",\"term\":\(raft.term.rawValue)")
        text.raw(",\"vote\":\"\(raft.vote.hex)\",\"commit\":\(raft.committed.rawValue)")
        text.raw(",\"lead\":\"\(raft.leader.hex)\",\"raftState\":\"\(role)\"")
        text.raw(",\"applied\":\(raft.applied.rawValue),\"progress\":{")
        // Of itself too, even in its last moments after it was removed.
        if raft.role == .leader {
            writeProgress(
                raft.id, match: raft.stored, next: raft.last.next, .replicating, &text)
            for follower in followers {
                text.raw(",")
                writeProgress(
                    follower.member, match: follower.match, next: follower.next, follower.state,
                    &text)
            }
        }
        text.raw("},\"leadtransferee\":\"\((raft.transferTarget ?? .none).hex)\"}")
    }

    private func writeProgress(
        _ member: MemberID, match: LogIndex, next: LogIndex, _ state: MemberProgress.State,
        _ text: inout JSONText
    ) {
        text.raw("\"\(member.hex)\":{\"match\":\(match.rawValue),\"next\":\(next.rawValue)")
        text.raw(",\"state\":\"\(state.rawValue)\"}")
    }
}
