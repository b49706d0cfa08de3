import API
import Testing

@testable import Transport

@Suite("A loop with long work under way")
struct SliceRestsTests {
    @Test("goes on with it at once while no requests come")
    func alone() {
        var rests = SliceRests()
        rests.sliceRan(from: 1_000, to: 1_500)
        #expect(rests.rest(at: 1_500) == 0)
        rests.requestCame(at: 1_000_000)
        let later = 1_000_000 + SliceRests.requestInterval
        rests.sliceRan(from: later - 400, to: later)
        #expect(rests.rest(at: later) == 0)
    }

    @Test("sleeps as long as a slice took while they do, less what the requests took")
    func beside() {
        var rests = SliceRests()
        rests.requestCame(at: 1_000)
        rests.sliceRan(from: 1_000, to: 1_500)
        #expect(rests.rest(at: 1_500) == 500)
        #expect(rests.rest(at: 1_900) == 100)
        #expect(rests.rest(at: 2_000) == 0)
    }

    @Test("does not sleep for all the time that the system gave to others")
    func bounded() {
        var rests = SliceRests()
        rests.requestCame(at: 0)
        rests.sliceRan(from: 0, to: 9_000_000)
        #expect(rests.rest(at: 9_000_000) == SliceRests.longest)
    }

    @Test("does all of it, beside requests and what other threads post")
    func goesOn() async throws {
        let loop = try EventLoop(name: "slices")
        defer { loop.stop() }
        let posted = Locked(0)
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            loop.post { LongWork(100, on: loop) { done.resume() }.goOn() }
            for _ in 0..<100 { loop.post { posted.withLock { $0 += 1 } } }
        }
        await withCheckedContinuation { (seen: CheckedContinuation<Void, Never>) in
            loop.post { seen.resume() }
        }
        #expect(posted.withLock { $0 } == 100)
    }
}

/// Slices, each with something gathered as requests are.
private final class LongWork: @unchecked Sendable {
    private var left: Int
    private let loop: EventLoop
    private let done: () -> Void

    init(_ slices: Int, on loop: EventLoop, done: @escaping () -> Void) {
        left = slices
        self.loop = loop
        self.done = done
    }

    func goOn() {
        loop.atTurnEnd(.gather) {}
        loop.postSlice { [self] in
            left -= 1
            if left == 0 { done() } else { goOn() }
        }
    }
}
