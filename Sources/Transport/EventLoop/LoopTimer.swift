// Timers of a loop, on uv_timer.
//
// A request may set a timer and cancel it a moment later, so the handles are kept and used again
// instead of being closed each time.

import API
import CLibuv

/// One libuv timer handle; belongs to the loop until it stops.
final class TimerSlot: LoopHandle {
    let raw = UnsafeMutablePointer<uv_timer_t>.allocate(capacity: 1)
    /// The timer that uses this slot now.
    var timer: LoopTimer?

    override init(loop: EventLoop) {
        super.init(loop: loop)
        uv_timer_init(loop.uv, raw)  // cannot fail
        adopt(raw)
    }

    override func loopStops() {
        timer?.forget()
        timer = nil
        closeHandle(raw)
    }

    override func released() { raw.deallocate() }
}

/// What `EventLoop.schedule` returns. `@unchecked Sendable`: it may be carried anywhere, but
/// `cancel` insists on the loop's thread, and nothing else touches the state from outside.
final class LoopTimer: TimerHandle, @unchecked Sendable {
    private var slot: TimerSlot?
    private var work: (() -> Void)?

    init(slot: TimerSlot, work: @escaping () -> Void) {
        self.slot = slot
        self.work = work
    }

    func start(afterMilliseconds milliseconds: UInt64) {
        guard let slot else { return }
        slot.timer = self
        uv_timer_start(
            slot.raw,
            { raw in
                let slot = LoopHandle.owner(raw?.pointee.data)
                guard let slot else { return }
                unsafeDowncast(slot, to: TimerSlot.self).timer?.fire()
            }, milliseconds, 0)
    }

    func cancel() {
        guard let slot else { return }
        precondition(slot.loop.isCurrent, "a timer is cancelled on its loop")
        uv_timer_stop(slot.raw)
        giveBack()
    }

    /// The slot goes; without running the work.
    func forget() {
        slot = nil
        work = nil
    }

    private func fire() {
        let work = self.work
        slot?.loop.timerFires()
        giveBack()
        work?()
    }

    private func giveBack() {
        guard let slot else { return }
        slot.timer = nil
        slot.loop.reuse(slot)
        forget()
    }
}
