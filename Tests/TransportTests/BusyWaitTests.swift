import Testing

@testable import Transport

@Suite("A thread without work")
struct BusyWaitTests {
    @Test("sleeps at once until work has come quickly twice in a row")
    func learns() {
        var wait = BusyWait(window: 100)
        #expect(wait.shouldLook(at: 0) == false)
        wait.workCame(at: 50)
        #expect(wait.shouldLook(at: 60) == false)
        wait.workCame(at: 159)
        #expect(wait.shouldLook(at: 1000) == true)
    }

    @Test("looks on until its window is over, then sleeps")
    func givesUp() {
        var wait = trusting(window: 100, at: 1000)
        #expect(wait.shouldLook(at: 1000) == true)
        #expect(wait.shouldLook(at: 1099) == true)
        #expect(wait.shouldLook(at: 1100) == false)
        #expect(wait.shouldLook(at: 1101) == false)
    }

    @Test("does not look again after one wait was long")
    func forgets() {
        var wait = trusting(window: 100, at: 1000)
        _ = wait.shouldLook(at: 1000)
        wait.workCame(at: 1100)
        #expect(wait.shouldLook(at: 1110) == false)
        wait.workCame(at: 1120)
        #expect(wait.shouldLook(at: 1130) == false)
        wait.workCame(at: 1140)
        #expect(wait.shouldLook(at: 1150) == true)
    }

    @Test("counts a wait from its first moment, however often it looked")
    func countsFromBegin() {
        var wait = trusting(window: 100, at: 1000)
        for now in UInt64(1000)...1200 { _ = wait.shouldLook(at: now) }
        wait.workCame(at: 1201)
        #expect(wait.shouldLook(at: 1202) == false)
    }

    @Test("never looks with a window of nothing")
    func never() {
        var wait = trusting(window: 0, at: 1000)
        #expect(wait.shouldLook(at: 1000) == false)
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
