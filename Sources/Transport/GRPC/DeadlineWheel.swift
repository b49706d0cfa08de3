// The deadlines of calls: one timer for all of them.
//
// Nearly every call has a deadline and ends long before it, so what must be cheap is to add and to
// remove. Calls hang in the slots of a wheel by links in the call itself; a timer runs only while
// some call has a deadline, and looks at one slot per tick. A deadline is met at most one tick late.

import API

final class DeadlineWheel {
    private static let tickNanoseconds: UInt64 = 5_000_000
    private static let slotCount = 1024
    private let executor: any ActorExecutor
    private var slots: [HTTP2Stream?]
    private var count = 0
    /// The last tick whose slot was looked at.
    private var currentTick: UInt64 = 0
    private var timer: (any TimerHandle)?

    init(_ executor: any ActorExecutor) {
        self.executor = executor
        slots = Array(repeating: nil, count: Self.slotCount)
    }

    /// `stream.deadlineExpired` is called once `deadline` has passed, unless removed before.
    func add(_ stream: HTTP2Stream, deadline: MonotonicTime) {
        precondition(stream.wheelSlot < 0, "stream \(stream.id) has a deadline")
        if count == 0 { currentTick = executor.now.nanoseconds / Self.tickNanoseconds }
        count += 1
        stream.deadline = deadline
        let tick = max(deadline.nanoseconds / Self.tickNanoseconds + 1, currentTick + 1)
        let slot = Int(tick % UInt64(Self.slotCount))
        stream.wheelSlot = slot
        stream.nextInSlot = slots[slot]
        slots[slot]?.previousInSlot = stream
        slots[slot] = stream
        if timer == nil { arm() }
    }

    func remove(_ stream: HTTP2Stream) {
        guard stream.wheelSlot >= 0 else { return }
        let slot = stream.wheelSlot
        stream.nextInSlot?.previousInSlot = stream.previousInSlot
        if let previous = stream.previousInSlot {
            previous.nextInSlot = stream.nextInSlot
        } else {
            slots[slot] = stream.nextInSlot
        }
        stream.previousInSlot = nil
        stream.nextInSlot = nil
        stream.wheelSlot = -1
        count -= 1
    }

    private func arm() {
        timer = executor.schedule(afterNanoseconds: Self.tickNanoseconds) { [self] in
            timer = nil
            expire()
            if count > 0 && timer == nil { arm() }
        }
    }

    private func expire() {
        let now = executor.now
        let nowTick = now.nanoseconds / Self.tickNanoseconds
        // After a long sleep every slot is looked at once.
        let first = max(currentTick + 1, nowTick > 1023 ? nowTick - 1023 : 0)
        currentTick = max(nowTick, currentTick)
        guard first <= nowTick else { return }
        var expired: [HTTP2Stream] = []
        for tick in first...nowTick {
            var next = slots[Int(tick % UInt64(Self.slotCount))]
            while let stream = next {
                next = stream.nextInSlot
                if let deadline = stream.deadline, deadline <= now {
                    remove(stream)
                    expired.append(stream)
                }
            }
        }
        for stream in expired { stream.deadlineExpired() }
    }
}
