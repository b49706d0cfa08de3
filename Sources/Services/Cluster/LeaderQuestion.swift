// What only the leader can answer, asked of it by any member: a client may talk to whomever it
// likes (etcd: LeaseRenew, LeaseTimeToLive, PromoteMember).

import API
import DequeModule

/// One question, until it is answered or its time is over. A leader that is not reached, or that
/// leads no more, is not the end of it: there may be another soon.
///
/// `@unchecked Sendable`: confined to the executor of the applied state.
final class LeaderQuestion: @unchecked Sendable {
    private let applier: Applier
    private let method: PeerMethod
    private let request: [UInt8]
    private let deadline: MonotonicTime
    private let here: @Sendable (isolated Applier, LeaderQuestion) -> Void
    private let answered: @Sendable (Result<[UInt8], Status>) -> Void

    /// Between two attempts, as etcd waits.
    private static let pauseNanoseconds: UInt64 = 50_000_000

    /// - Parameter here: called when this member leads; it answers by itself, then calls `settled`,
    ///   or `again` when it turns out to lead no more.
    /// - Parameter done: called with the leader's answer, or why there is none.
    init(
        of applier: isolated Applier, _ method: PeerMethod, _ request: [UInt8],
        here: @escaping @Sendable (isolated Applier, LeaderQuestion) -> Void,
        done: @escaping @Sendable (Result<[UInt8], Status>) -> Void
    ) {
        self.applier = applier
        self.method = method
        self.request = request
        self.here = here
        answered = done
        deadline = applier.executor.now.advanced(
            byNanoseconds: applier.settings.requestTimeoutNanoseconds)
    }

    /// Asks, or waits until not too much is asked.
    func ask() {
        applier.assumeIsolated { applier in
            switch applier.questions.enter(self) {
            case .asked: ask(applier)
            case .waits: break
            case .refused: answered(.failure(.tooManyRequests))
            }
        }
    }

    /// The leader was not this member any more.
    func again() { askLater() }

    /// `here` has answered, or the answer is on its way.
    func settled() {
        applier.assumeIsolated { applier in
            // Not from within this one's end: a row of failures would be a row of frames.
            guard let next = applier.questions.leave() else { return }
            applier.executor.post { next.applier.assumeIsolated { next.ask($0) } }
        }
    }

    /// It was never asked.
    func stop() { answered(.failure(.stopped)) }

    private func done(_ result: Result<[UInt8], Status>) {
        settled()
        answered(result)
    }

    private func ask(_ applier: isolated Applier) {
        let now = applier.executor.now
        guard !applier.isDetached else { return done(.failure(.stopped)) }
        let leader = applier.leader
        guard now < deadline else {
            return done(.failure(leader == .none ? .noLeader : .requestTimeout))
        }
        if leader == applier.identity.member { return here(applier, self) }
        guard leader != .none else { return askLater() }
        applier.others.call(
            leader, method, request, timeoutNanoseconds: deadline.nanoseconds(since: now)
        ) { [self] result in
            switch result {
            case .failure(let status) where status.code == .unavailable || status == .notLeader:
                askLater()
            case .success, .failure: done(result)
            }
        }
    }

    private func askLater() {
        applier.executor.schedule(afterNanoseconds: Self.pauseNanoseconds) { [self] in
            applier.assumeIsolated { ask($0) }
        }
    }
}

/// How much is asked at once: thousands of leases may be renewed by way of one follower.
struct LeaderQuestions {
    enum Entry {
        case asked, waits, refused
    }
    private static let atOnce = 1000
    private static let waitingLimit = 100_000
    private var underWay = 0
    private var waiting: Deque<LeaderQuestion> = []

    fileprivate mutating func enter(_ question: LeaderQuestion) -> Entry {
        if underWay < Self.atOnce {
            underWay += 1
            return .asked
        }
        guard waiting.count < Self.waitingLimit else { return .refused }
        waiting.append(question)
        return .waits
    }

    /// - Returns: who takes the place.
    fileprivate mutating func leave() -> LeaderQuestion? {
        if let next = waiting.popFirst() { return next }
        underWay -= 1
        return nil
    }

    mutating func takeWaiting() -> [LeaderQuestion] {
        defer { waiting = [] }
        return Array(waiting)
    }
}

extension Applier {
    /// Answers with what another member said, under a header of this one's.
    func pass(
        _ answer: Result<[UInt8], Status>, under header: HeaderFields, to reply: any Replying
    ) {
        switch answer {
        case .success(let message):
            response.bytes.appendResponseHeader(header)
            message.withUnsafeBytes { response.bytes.append(ResponseHeader.skipped(in: $0)) }
            response.take { reply.respond($0) }
        case .failure(let status): reply.fail(status)
        }
    }
}

extension ResponseHeader {
    /// An encoded response without its header, which is its first field.
    static func skipped(in message: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        var reader = ProtobufReader(message)
        do throws(WireError) {
            guard let header = try reader.next(), header.number == 1 else { return message }
        } catch {
            return message
        }
        return UnsafeRawBufferPointer(rebasing: message[reader.offset...])
    }
}
