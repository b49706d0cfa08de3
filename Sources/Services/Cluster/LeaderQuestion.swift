// What only the leader can answer, asked of it by any member: a client may talk to whomever it
// likes (etcd: LeaseRenew, LeaseTimeToLive, PromoteMember).

import API

/// One question, until it is answered or its time is over. A leader that is not reached, or that
/// leads no more, is not the end of it: there may be another soon.
///
/// `@unchecked Sendable`: confined to the executor of the applied state.
final class LeaderQuestion: @unchecked Sendable {
    private let applier: Applier
    private let method: PeerMethod
    private let request: [UInt8]
    private let deadline: MonotonicTime
    private let here: @Sendable (isolated Applier) -> Void
    private let done: @Sendable (Result<[UInt8], Status>) -> Void

    /// Between two attempts, as etcd waits.
    private static let pauseNanoseconds: UInt64 = 50_000_000

    /// - Parameter here: called instead of `done` when this member leads; it answers by itself.
    /// - Parameter done: called with the leader's answer, or why there is none.
    init(
        of applier: isolated Applier, _ method: PeerMethod, _ request: [UInt8],
        here: @escaping @Sendable (isolated Applier) -> Void,
        done: @escaping @Sendable (Result<[UInt8], Status>) -> Void
    ) {
        self.applier = applier
        self.method = method
        self.request = request
        self.here = here
        self.done = done
        deadline = applier.executor.now.advanced(
            byNanoseconds: applier.settings.requestTimeoutNanoseconds)
    }

    func ask() { applier.assumeIsolated { ask($0) } }

    private func ask(_ applier: isolated Applier) {
        let now = applier.executor.now
        guard !applier.isDetached else { return done(.failure(.stopped)) }
        let leader = applier.leader
        guard now < deadline else {
            return done(.failure(leader == .none ? .noLeader : .requestTimeout))
        }
        if leader == applier.identity.member { return here(applier) }
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
        applier.executor.schedule(afterNanoseconds: Self.pauseNanoseconds) { [self] in ask() }
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
