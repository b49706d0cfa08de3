import API
import Glibc
import Synchronization
import Testing

@testable import Transport

/// An actor that lives on a loop and keeps what it is told, in order.
private actor Diary {
    private let loop: EventLoop
    private(set) var lines: [String] = []
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    init(on loop: EventLoop) { self.loop = loop }

    func write(_ line: String) { lines.append(line) }

    var isOnItsLoop: Bool { loop.isCurrent }
}

@Suite("An event loop")
struct EventLoopTests {
    @Test("runs what is posted, in order, on its own thread")
    func postsInOrder() async throws {
        try await withLoop { loop in
            let diary = Diary(on: loop)
            #expect(!loop.isCurrent)
            #expect(EventLoop.current == nil)
            for line in ["a", "b", "c"] {
                loop.post { diary.assumeIsolated { $0.write(line) } }
            }
            let (isCurrent, current) = await onLoop(loop) { (loop.isCurrent, EventLoop.current) }
            #expect(isCurrent)
            #expect(current === loop)
            #expect(await diary.lines == ["a", "b", "c"])
        }
    }

    @Test("lets a plain timer callback enter an actor")
    func assumeIsolatedFromCallback() async throws {
        try await withLoop { loop in
            let diary = Diary(on: loop)
            await handedOver { done in
                loop.post {
                    loop.schedule(afterNanoseconds: 0) {
                        diary.assumeIsolated { $0.write("from libuv") }
                        done(())
                    }
                }
            }
            #expect(await diary.lines == ["from libuv"])
        }
    }

    @Test("stops a program that enters an actor of another loop")
    func wrongLoopIsCaught() async {
        await #expect(processExitsWith: .failure) {
            let (here, there) = (try EventLoop(name: "here"), try EventLoop(name: "there"))
            let diary = Diary(on: there)
            await onLoop(here) { diary.assumeIsolated { $0.write("trespass") } }
        }
    }

    @Test("runs an actor's methods, whoever calls them")
    func actorRunsOnLoop() async throws {
        try await withLoop { loop in
            #expect(await Diary(on: loop).isOnItsLoop)
        }
    }

    @Test("keeps a task that prefers it, across suspensions")
    func taskStays() async throws {
        try await withLoop { loop in
            try await withLoop { other in
                let places = await Task(executorPreference: loop) {
                    let before = loop.isCurrent
                    await Task.yield()
                    let elsewhere = await Diary(on: other).isOnItsLoop
                    return [before, elsewhere, loop.isCurrent]
                }.value
                #expect(places == [true, true, true])
            }
        }
    }

    @Test("gathers all before it transmits, within the turn, even what is added meanwhile")
    func phases() async throws {
        try await withLoop { loop in
            let diary = Diary(on: loop)
            @Sendable func write(_ line: String) { diary.assumeIsolated { $0.write(line) } }
            await handedOver { done in
                loop.post {
                    loop.atTurnEnd(.transmit) {
                        write("transmit 1")
                        loop.atTurnEnd(.gather) {
                            write("gather 3")
                            loop.atTurnEnd(.transmit) {
                                write("transmit 2")
                                done(())
                            }
                        }
                    }
                    loop.atTurnEnd(.gather) {
                        write("gather 1")
                        loop.atTurnEnd(.gather) { write("gather 2") }
                    }
                    write("work")
                }
            }
            #expect(
                await diary.lines == [
                    "work", "gather 1", "gather 2", "transmit 1", "gather 3", "transmit 2",
                ])
        }
    }

    @Test("reads the clock once per turn, and it goes on between turns")
    func clock() async throws {
        try await withLoop { loop in
            let (first, again) = await onLoop(loop) { () -> (MonotonicTime, MonotonicTime) in
                let first = loop.now
                while MonotonicTime(nanoseconds: nanosecondsOfClock()) == first {}
                return (first, loop.now)
            }
            #expect(first == again)
            #expect(await onLoop(loop) { loop.now } > first)
        }
    }

    @Test("fires timers in order of their deadlines and never early")
    func timers() async throws {
        try await withLoop { loop in
            let diary = Diary(on: loop)
            let waited = await handedOver { done in
                loop.post {
                    let start = loop.now
                    loop.schedule(afterNanoseconds: 6_300_000) {
                        diary.assumeIsolated { $0.write("late") }
                        done(loop.now.nanoseconds(since: start))
                    }
                    loop.schedule(afterNanoseconds: 1_000_000) {
                        diary.assumeIsolated { $0.write("early") }
                    }
                }
            }
            #expect(waited >= 6_300_000)
            #expect(await diary.lines == ["early", "late"])
        }
    }

    @Test("forgets a timer that is cancelled, and cancelling again harms no later timer")
    func cancelledTimers() async throws {
        try await withLoop { loop in
            let diary = Diary(on: loop)
            await handedOver { done in
                loop.post {
                    let cancelled = loop.schedule(afterNanoseconds: 0) {
                        diary.assumeIsolated { $0.write("cancelled") }
                    }
                    cancelled.cancel()
                    // Takes over the handle of the first.
                    loop.schedule(afterNanoseconds: 1_000_000) {
                        diary.assumeIsolated { $0.write("fired") }
                        done(())
                    }
                    cancelled.cancel()
                }
            }
            #expect(await diary.lines == ["fired"])
        }
    }

    @Test("a timer that sets itself again lets others run, even after a turn that took long")
    func timerAfterLongTurn() async throws {
        try await withLoop { loop in
            let isOver = Atomic<Bool>(false)
            @Sendable func tick() {
                loop.schedule(afterNanoseconds: 1_000_000) {
                    if !isOver.load(ordering: .relaxed) { tick() }
                }
            }
            var pipe: [Int32] = [0, 0]
            #expect(Glibc.pipe(&pipe) == 0)
            let (input, output) = (pipe[0], pipe[1])
            defer {
                close(input)
                close(output)
            }
            await withCheckedContinuation { done in
                loop.post {
                    tick()
                    var poll: PollHandle?
                    poll = try? PollHandle(
                        input, .readable, on: loop,
                        onReady: {
                            poll?.close()
                            poll = nil
                            // The turn's time is asked for, then much time passes: it is in the
                            // past when the timer fires.
                            let start = loop.now.nanoseconds
                            while nanosecondsOfClock() < start + 20_000_000 {}
                            loop.post { done.resume() }
                        }, onLoopStop: {})
                    poll?.start()
                    _ = write(output, "x", 1)
                }
            }
            isOver.store(true, ordering: .relaxed)
        }
    }

    @Test("serves timers while work posts itself again and again")
    func noStarvation() async throws {
        try await withLoop { loop in
            let enough = Atomic<Bool>(false)
            @Sendable func again() {
                if !enough.load(ordering: .relaxed) { loop.post(again) }
            }
            @Sendable func gatherAgain() {
                if !enough.load(ordering: .relaxed) { loop.atTurnEnd(.gather, gatherAgain) }
            }
            await handedOver { done in
                loop.post {
                    again()
                    gatherAgain()
                    loop.schedule(afterNanoseconds: 1_000_000) {
                        enough.store(true, ordering: .relaxed)
                        done(())
                    }
                }
            }
        }
    }

    @Test("takes a million posts from four threads and loses none")
    func manyPosts() async throws {
        try await withLoop { loop in
            let tally = Tally()
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        for _ in 0..<250_000 { loop.post { tally.count += 1 } }
                    }
                }
            }
            #expect(await onLoop(loop) { tally.count } == 1_000_000)
        }
    }

    @Test("stops after running what was posted, and lets go of timers and closures")
    func stopWithPendingWork() throws {
        let loop = try EventLoop(name: "stopping")
        weak var witness: Tally?
        do {
            let tally = Tally()
            witness = tally
            for _ in 0..<1000 {
                loop.post {
                    tally.count += 1
                    loop.atTurnEnd(.gather) { tally.count += 1 }
                    loop.schedule(afterNanoseconds: .max) { tally.count = -1 }
                }
            }
            loop.stop()
            loop.stop()
            #expect(tally.count == 2000)
            loop.post { tally.count = -1 }
            #expect(tally.count == 2000)
        }
        #expect(witness == nil)
    }

    @Test("stops although work posts itself again for ever")
    func stopCutsOff() throws {
        let loop = try EventLoop(name: "endless")
        @Sendable func again() { loop.post(again) }
        loop.post(again)
        loop.stop()
    }

    @Test("is freed once stopped")
    func freed() throws {
        weak var witness: EventLoop?
        do {
            let loop = try EventLoop(name: "brief")
            witness = loop
            loop.stop()
        }
        #expect(witness == nil)
    }
}
