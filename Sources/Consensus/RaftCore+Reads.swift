// Linearizable reads without a log entry: ReadIndex (thesis, section 6.4).
//
// A leader notes its commit index, makes sure by a round of heartbeats that it still led after
// the read began, and answers with the index; the reader waits until that is applied. Rounds are
// numbered, a quorum that has confirmed round n has confirmed all before it, so many reads share
// one, and every later heartbeat repeats the newest number in case a message was lost.

import API
import DequeModule

/// Who asks.
struct ReadRequest: Equatable, Sendable {
    let member: MemberID
    let context: ReadContext
}

/// A leader's reads under way.
struct ReadRounds: Equatable, Sendable {
    struct Pending: Equatable, Sendable {
        let round: ReadRound
        let request: ReadRequest
        let index: LogIndex
    }

    private(set) var newest = ReadRound.none
    /// Ascending by round.
    private var pending: Deque<Pending> = []
    /// They wait for the leader's first commit in its term.
    var waiting: [ReadRequest] = []

    var isEmpty: Bool { pending.isEmpty && waiting.isEmpty }

    mutating func begin(_ requests: [ReadRequest], at index: LogIndex) {
        newest = ReadRound(newest.rawValue + 1)
        for request in requests {
            pending.append(Pending(round: newest, request: request, index: index))
        }
    }

    /// A round that nobody reads in.
    mutating func beginEmpty() { newest = ReadRound(newest.rawValue + 1) }

    mutating func popConfirmed(through round: ReadRound) -> Pending? {
        guard let first = pending.first, first.round <= round else { return nil }
        return pending.removeFirst()
    }
}

extension RaftCore {
    mutating func read(_ request: ReadRequest) {
        switch role {
        case .leader: begin([request])
        case .follower where leader != .none:
            actions.send.append(
                Message(
                    from: request.member, to: leader, term: .zero,
                    body: .readIndex(request.context)))
        // Nobody can answer now: the reader asks again.
        case .follower, .preCandidate, .candidate: break
        }
    }

    private mutating func begin(_ requests: [ReadRequest]) {
        // Until an entry of its own term is committed, a leader does not know what is committed
        // (Raft paper, section 8). It is bounded; who is dropped asks again.
        guard log.term(at: committed) == term else {
            if reads.waiting.count + requests.count <= options.maxWaitingReads {
                reads.waiting += requests
            }
            return
        }
        if isOnlyVoter || holdsLease {
            for request in requests { answer(request, index: committed) }
            return
        }
        #if CAIRN_BUGS
            if DeliberateBug.made == .staleRead {
                for request in requests { answer(request, index: committed) }
                return
            }
        #endif
        reads.begin(requests, at: committed)
        broadcastHeartbeat()
    }

    mutating func releaseWaitingReads() {
        guard !reads.waiting.isEmpty else { return }
        let requests = reads.waiting
        reads.waiting = []
        begin(requests)
    }

    mutating func answerConfirmedReads() {
        let confirmed = membership.quorum.highestReached { member in
            if member == id { return reads.newest.rawValue }
            return position(of: member).map { progress[$0].confirmedRound.rawValue } ?? 0
        }
        while let read = reads.popConfirmed(through: ReadRound(confirmed)) {
            answer(read.request, index: read.index)
        }
    }

    private mutating func answer(_ request: ReadRequest, index: LogIndex) {
        if request.member == id {
            actions.reads.append(ReadState(context: request.context, index: index))
        } else {
            send(.readIndexResponse(request.context, index: index), to: request.member)
        }
    }
}
