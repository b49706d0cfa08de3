// A streaming call of which one answer is wanted.

import API

extension WorkloadRun {
    /// Sends one message on a stream of its own; `done` gets the first answer, or nil when the
    /// stream has ended before or time is over.
    func streamOnce(
        _ method: String, _ wire: WireCall, by client: Int,
        _ done: @escaping ([UInt8]?) -> Void
    ) {
        let call = OneAnswer(done)
        let member = random(below: world.memberCount)
        let session = session(of: client)
        session.withToken(at: member) { [world] token in
            guard let token else { return call.finish(nil) }
            guard call.isAwaited else { return }
            let stream = world.openStream(
                method, to: member, token: token.bytes, received: { call.finish($0) },
                ended: { status in
                    // A stream ends for its token, or for something else: a new one does no harm.
                    session.forget(token)
                    session.noteDenial(status.message, method)
                    call.finish(nil)
                })
            call.stream = stream
            stream.send(wire.request)
        }
        world.schedule(afterNanoseconds: options.callTimeout) { call.finish(nil) }
    }
}

private final class OneAnswer {
    private var done: (([UInt8]?) -> Void)?
    var stream: (any ClientStream)?

    init(_ done: @escaping ([UInt8]?) -> Void) { self.done = done }

    var isAwaited: Bool { done != nil }

    func finish(_ answer: [UInt8]?) {
        guard let done else { return }
        self.done = nil
        let stream = self.stream
        self.stream = nil
        stream?.cancel()
        done(answer)
    }
}
