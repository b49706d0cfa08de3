// Waiting until a descriptor is ready, for sockets that are not streams yet.

import CLibuv

/// A descriptor watched by libuv; the descriptor itself stays its owner's.
final class PollHandle: LoopHandle {
    enum Direction { case readable, writable }

    private let raw = UnsafeMutablePointer<uv_poll_t>.allocate(capacity: 1)
    private let direction: Direction
    private var onReady: (() -> Void)?
    private var onLoopStop: (() -> Void)?

    init(
        _ descriptor: Int32, _ direction: Direction, on loop: EventLoop,
        onReady: @escaping () -> Void, onLoopStop: @escaping () -> Void
    ) throws(TransportError) {
        self.direction = direction
        self.onReady = onReady
        self.onLoopStop = onLoopStop
        super.init(loop: loop)
        let code = uv_poll_init(loop.uv, raw, descriptor)
        guard code == 0 else {
            raw.deallocate()  // libuv does not know the handle
            throw TransportError(code: code, "watch a socket")
        }
        adopt(raw)
    }

    func start() {
        let events = direction == .readable ? UV_READABLE : UV_WRITABLE
        uv_poll_start(raw, Int32(events.rawValue)) { raw, _, _ in
            // An error of the descriptor shows in the call that is made next.
            guard let handle = LoopHandle.owner(raw?.pointee.data) else { return }
            unsafeDowncast(handle, to: PollHandle.self).onReady?()
        }
    }

    func stop() { uv_poll_stop(raw) }

    /// Ends watching; the descriptor may be closed or used otherwise at once.
    func close() {
        onReady = nil
        onLoopStop = nil
        closeHandle(raw)
    }

    override func loopStops() {
        let tell = onLoopStop
        close()
        tell?()
    }

    override func released() { raw.deallocate() }
}
