// The deadlines of calls: one timer for all of them.
//
// Nearly every call has a deadline and ends long before it, so what must be cheap is to add and to
// remove. Calls hang in the slots of a wheel by links in the call itself; the timer is set to the
// next slot in which a call hangs, and rests while there is none. So calls that all end in time wake
// nobody but once in a deadline. A deadline is met at most one tick late.

import API

final class DeadlineWheel {
    private static let tickNanoseconds: UInt64 = 5_000_000
    private static let slotCount = 1024
    private let executor: any ActorExecutor
    private var slots: [HTTP2Stream?]
    private var taken = SlotSet(count: slotCount)
    private var count = 0
    /// Whose calls have a deadline lives until it, held by nobody else; the timer holds nothing.
    private var whileTaken: DeadlineWheel?
    /// The last tick whose slot was looked at. From there to the timer's all slots are free.
    private var currentTick: UInt64 = 0
    private var timer: (any TimerHandle)?
    /// When the timer fires.
    private var timerTick: UInt64 = 0

    init(_ executor: any ActorExecutor) {
        self.executor = executor
        slots = Array(repeating: nil, count: Self.slotCount)
    }

    /// `stream.deadlineExpired` is called once `deadline` has passed, unless removed before.
    func add(_ stream: HTTP2Stream, deadline: MonotonicTime) {
        precondition(stream.wheelSlot < 0, "stream \(stream.id) has a deadline")
        let nowTick = executor.now.nanoseconds / Self.tickNanoseconds
        if timer == nil || nowTick < timerTick { currentTick = max(nowTick, currentTick) }
        if count == 0 { whileTaken = self }
        count += 1
        stream.deadline = deadline
        let tick = max(deadline.nanoseconds / Self.tickNanoseconds + 1, currentTick + 1)
        let slot = Int(tick % UInt64(Self.slotCount))
        stream.wheelSlot = slot
        stream.nextInSlot = slots[slot]
        slots[slot]?.previousInSlot = stream
        slots[slot] = stream
        taken.insert(slot)
        if timer == nil || timerTick > currentTick + distance(to: slot) { arm() }
    }

    func remove(_ stream: HTTP2Stream) {
        guard stream.wheelSlot >= 0 else { return }
        let slot = stream.wheelSlot
        stream.nextInSlot?.previousInSlot = stream.previousInSlot
        if let previous = stream.previousInSlot {
            previous.nextInSlot = stream.nextInSlot
        } else {
            slots[slot] = stream.nextInSlot
            if stream.nextInSlot == nil { taken.remove(slot) }
        }
        stream.previousInSlot = nil
        stream.nextInSlot = nil
        stream.wheelSlot = -1
        count -= 1
        if count == 0 { whileTaken = nil }
    }

    /// Ticks from the current one until `slot` is looked at: what hangs there may be meant for a
    /// later round.
    private func distance(to slot: Int) -> UInt64 {
        let current = Int(currentTick % UInt64(Self.slotCount))
        let distance = slot - current
        return UInt64(distance > 0 ? distance : distance + Self.slotCount)
    }

    /// Sets the timer to the next slot that is taken.
    private func arm() {
        timer?.cancel()
        timer = nil
        let behind = Int((currentTick + 1) % UInt64(Self.slotCount))
        guard let slot = taken.next(from: behind) else { return }
        timerTick = currentTick + distance(to: slot)
        let due = MonotonicTime(nanoseconds: timerTick * Self.tickNanoseconds)
        timer = executor.schedule(afterNanoseconds: due.nanoseconds(since: executor.now)) {
            [weak self] in
            guard let self else { return }
            timer = nil
            expire()
            if count > 0, timer == nil { arm() }
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

/// Which slots of a wheel are taken: a bit for each.
private struct SlotSet {
    private var words: [UInt64]

    /// - Parameter count: a multiple of 64.
    init(count: Int) { words = Array(repeating: 0, count: count / 64) }

    mutating func insert(_ slot: Int) { words[slot / 64] |= 1 << UInt64(slot % 64) }
    mutating func remove(_ slot: Int) { words[slot / 64] &= ~(1 << UInt64(slot % 64)) }

    /// The first that is taken from `slot` on, round to those before it.
    func next(from slot: Int) -> Int? {
        let here = words[slot / 64] & (~0 << UInt64(slot % 64))
        if here != 0 { return slot / 64 * 64 + here.trailingZeroBitCount }
        for step in 1...words.count {
            let place = (slot / 64 + step) % words.count
            if words[place] != 0 { return place * 64 + words[place].trailingZeroBitCount }
        }
        return nil
    }
}
