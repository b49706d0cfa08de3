import Testing

@testable import Transport

@Suite("A thread without work")
struct BusyWaitTests {
    @Test("sleeps at once until work has come quickly twice in a row")
    func learns() {
        var wait = BusyWait(window: 100)
        #expect(!looks(&wait, at: 0))
        wait.workCame(at: 50)
        #expect(!looks(&wait, at: 60))
        wait.workCame(at: 159)
        #expect(looks(&wait, at: 1000))
    }

    @Test("looks on until its window is over, then sleeps")
    func givesUp() {
        var wait = trusting(window: 100, at: 1000)
        #expect(looks(&wait, at: 1000))
        #expect(looks(&wait, at: 1099))
        #expect(!looks(&wait, at: 1100))
        #expect(!looks(&wait, at: 1101))
    }

    @Test("does not look again after one wait was long")
    func forgets() {
        var wait = trusting(window: 100, at: 1000)
        _ = wait.shouldLook(at: 1000)
        wait.workCame(at: 1100)
        #expect(!looks(&wait, at: 1110))
        wait.workCame(at: 1120)
        #expect(!looks(&wait, at: 1130))
        wait.workCame(at: 1140)
        #expect(looks(&wait, at: 1150))
    }

    @Test("counts a wait from its first moment, however often it looked")
    func countsFromBegin() {
        var wait = trusting(window: 100, at: 1000)
        for now in UInt64(1000)...1200 { _ = wait.shouldLook(at: now) }
        wait.workCame(at: 1201)
        #expect(!looks(&wait, at: 1202))
    }

    @Test("never looks with a window of nothing")
    func never() {
        var wait = trusting(window: 0, at: 1000)
        #expect(!looks(&wait, at: 1000))
    }

    private func trusting(window: UInt64, at now: UInt64) -> BusyWait {
        var wait = BusyWait(window: window)
        for _ in 0..<3 {
            _ = wait.shouldLook(at: now - 1)
            wait.workCame(at: now - 1)
        }
        return wait
    }
}

/// `#expect` cannot take a call that changes its receiver.
private func looks(_ wait: inout BusyWait, at now: UInt64) -> Bool { wait.shouldLook(at: now) }
