// One LeaseKeepAlive call: a client renews its leases by one message each, and each is answered.
//
// etcd answers in order, so that a lease whose time is over holds up all behind it until it is
// revoked, and those may be lost too. Here every answer goes out when it is known: it names its
// lease.

import API
import Transport

/// The call's messages and answers. On the executor of its connection but for `renewed`.
///
/// `@unchecked Sendable`: `renewed` touches nothing but `answers`, a Sendable constant.
final class KeepAliveStream: StreamingHandler, RenewalReceiver, @unchecked Sendable {
    private struct Answer: Sendable {
        let lease: LeaseID
        let header: HeaderFields
        let ttl: Result<Int64, Status>
    }

    private let call: StreamingCall
    private let visitor: Visitor
    private let renewals: RenewalGate
    private let failures: Counter
    private let answers: HandOver<Answer>
    private var message = ByteBuffer(capacity: 64)

    /// Requests without answer yet, those that wait to be sent included.
    private var underWay = 0
    private var unsent: [Answer] = []
    private var isPaused = false
    private var hasEnded = false
    private var isOver = false

    /// Beyond it the client has to wait: what a call holds is bounded.
    private static let underWayLimit = 1000

    /// - Parameter failures: counts the requests that are none.
    init(
        _ call: StreamingCall, of visitor: Visitor, renewals: RenewalGate, failures: Counter
    ) {
        self.call = call
        self.visitor = visitor
        self.renewals = renewals
        self.failures = failures
        let place = Place()
        answers = HandOver(to: call.executor, limit: .max) { place.stream?.answer($0) }
        place.stream = self
    }

    /// Breaks the circle between the call and its answers.
    private final class Place: @unchecked Sendable {
        weak var stream: KeepAliveStream?
    }

    // MARK: From the lessor

    func renewed(_ lease: LeaseID, _ header: HeaderFields, ttl: Result<Int64, Status>) {
        _ = answers.send(Answer(lease: lease, header: header, ttl: ttl))
    }

    // MARK: From the client

    func received(_ message: sending UnsafeRawBufferPointer) {
        let lease: LeaseID
        do throws(WireError) {
            lease = try LeaseKeepAliveRequest.id(in: message)
        } catch {
            failures.increment()
            return end(.malformedRequest(error))
        }
        underWay += 1
        renew(lease)
        if underWay >= Self.underWayLimit, !isOver {
            isPaused = true
            call.pauseReceiving()
        }
    }

    private func renew(_ lease: LeaseID) {
        switch visitor.identify(now: call.context.now) {
        case .admitted(let caller):
            // A lease without keys is some user's too.
            if let refusal = visitor.refusalOfUser(caller) { return end(refusal) }
            guard renewals.renew(lease, as: caller, for: self) else {
                return end(.tooManyRequests)
            }
        case .refused(let status): end(status)
        case .later(let index):
            visitor.wait(for: index) { [self] in
                call.onExecutor { [self] in
                    if !isOver { renew(lease) }
                }
            } given: { [self] in
                call.onExecutor { [self] in end(.invalidAuthToken) }
            }
        }
    }

    func halfClosed() {
        hasEnded = true
        finishIfDone()
    }

    func writable() {
        let waiting = unsent
        unsent = []
        for answer in waiting { send(answer) }
        goOn()
    }

    func cancelled() { isOver = true }

    // MARK: Answers

    private func answer(_ answer: Answer) {
        guard !isOver else { return }
        send(answer)
        goOn()
    }

    private func send(_ answer: Answer) {
        switch answer.ttl {
        case .success(let ttl):
            guard call.isWritable else { return unsent.append(answer) }
            underWay -= 1
            message.removeAll()
            message.appendLeaseKeepAliveResponse(answer.header, id: answer.lease, ttl: ttl)
            message.withUnsafeBytes { _ = call.send($0) }
        case .failure(let status):
            end(status)
        }
    }

    private func goOn() {
        guard !isOver else { return }
        finishIfDone()
        guard isPaused, underWay < Self.underWayLimit / 2 else { return }
        isPaused = false
        call.resumeReceiving()
    }

    private func finishIfDone() {
        if hasEnded, underWay == 0 { end(nil) }
    }

    private func end(_ status: Status?) {
        guard !isOver else { return }
        isOver = true
        unsent = []
        call.finish(status)
    }
}
