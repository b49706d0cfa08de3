// A streaming call of which one answer is wanted.

import API

extension WorkloadRun {
    /// Sends one message on a stream of its own; `done` gets the first answer, or nil when the
    /// stream has ended before or time is over.
    func streamOnce(
        _ method: String, _ wire: WireCall, _ done: @escaping ([UInt8]?) -> Void
    ) {
        let call = OneAnswer(done)
        let stream = world.openStream(
            method, to: random(below: world.memberCount),
            received: { call.finish($0) }, ended: { _ in call.finish(nil) })
        call.stream = stream
        stream.send(wire.request)
        world.schedule(afterNanoseconds: options.callTimeout) { call.finish(nil) }
    }
}

private final class OneAnswer {
    private var done: (([UInt8]?) -> Void)?
    var stream: (any ClientStream)?

    init(_ done: @escaping ([UInt8]?) -> Void) { self.done = done }

    func finish(_ answer: [UInt8]?) {
        guard let done else { return }
        self.done = nil
        let stream = self.stream
        self.stream = nil
        stream?.cancel()
        done(answer)
    }
}
