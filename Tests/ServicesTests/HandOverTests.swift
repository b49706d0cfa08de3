import API
import Dispatch
import TestSupport
import Testing
import Transport

@testable import Services

/// Messages in the order they came; of one executor.
private final class Delivered: @unchecked Sendable {
    var messages: [Int] = []
}

@Suite("Messages go over to another executor in batches")
struct HandOverTests {
    @Test("On the executor itself a message is delivered at once")
    func atOnce() {
        let executor = DeterministicExecutor()
        let delivered = Delivered()
        let handOver = HandOver<Int>(to: executor, limit: 1) { delivered.messages.append($0) }
        executor.turn {
            for message in 1...3 {
                #expect(handOver.send(message))
                #expect(delivered.messages.last == message)
            }
        }
    }

    @Test("From outside, what gathers until the executor runs is one wake, in order")
    func batches() {
        let executor = DeterministicExecutor()
        let delivered = Delivered()
        let handOver = HandOver<Int>(to: executor, limit: 100) { delivered.messages.append($0) }
        for message in 1...50 { #expect(handOver.send(message)) }
        #expect(delivered.messages.isEmpty)
        executor.runUntilIdle()
        #expect(delivered.messages == Array(1...50))
        #expect(executor.turns == 1)
        #expect(handOver.send(51))
        executor.runUntilIdle()
        #expect(delivered.messages.last == 51)
    }

    @Test("So many may wait; the next is not delivered, and its sender knows")
    func bounded() {
        let executor = DeterministicExecutor()
        let delivered = Delivered()
        let handOver = HandOver<Int>(to: executor, limit: 2) { delivered.messages.append($0) }
        #expect((1...4).map { handOver.send($0) } == [true, true, false, false])
        executor.runUntilIdle()
        #expect(delivered.messages == [1, 2])
        #expect(handOver.send(5), "there is room again")
        executor.runUntilIdle()
        #expect(delivered.messages == [1, 2, 5])
    }

    @Test("From four threads to an event loop nothing is lost, and each thread's order is kept")
    func threads() throws {
        let loop = try EventLoop(name: "test")
        let delivered = Delivered()
        let handOver = HandOver<Int>(to: loop, limit: .max) { delivered.messages.append($0) }
        DispatchQueue.concurrentPerform(iterations: 4) { thread in
            for message in 0..<5000 { _ = handOver.send(thread * 5000 + message) }
        }
        loop.stop()  // after all that was posted
        #expect(delivered.messages.count == 20_000)
        for thread in 0..<4 {
            let own = delivered.messages.filter { $0 / 5000 == thread }
            #expect(own == Array(thread * 5000..<(thread + 1) * 5000))
        }
    }
}

@Suite("Arenas of answered requests serve the next")
struct ArenaPoolTests {
    @Test("The last one put back is the first taken")
    func reuse() {
        let pool = ArenaPool()
        let arena = pool.take()
        _ = arena.allocate(100)
        pool.putBack(arena)
        #expect(pool.count == 1)
        let again = pool.take()
        #expect(again === arena && again.usedBytes == 0)
        #expect(pool.count == 0)
        #expect(pool.take() !== arena, "an arena has one user at a time")
    }

    @Test("What rests is bounded in bytes, whether it is many small arenas or few large ones")
    func bounded() {
        let pool = ArenaPool(limitBytes: 100_000)
        func rest(_ bytes: Int) -> Int {
            let arenas = (0..<50).map { _ in pool.take() }
            for arena in arenas {
                _ = arena.allocate(bytes)
                pool.putBack(arena)
            }
            return pool.count
        }
        let small = rest(100)
        #expect(small == 100_000 / (4096 + 256))
        let large = rest(60_000)
        #expect(large == 1)
        let arenas = (0..<50).map { _ in pool.take() }
        #expect(arenas.reduce(0) { $0 + $1.heldBytes } <= 100_000)
    }

    @Test("Threads take and put back without sharing an arena")
    func threads() {
        let pool = ArenaPool()
        DispatchQueue.concurrentPerform(iterations: 4) { thread in
            for round in 0..<2000 {
                let arena = pool.take()
                guard let place = arena.allocate(8) else { continue }
                let mark = thread << 32 | round
                place.storeBytes(of: mark, as: Int.self)
                precondition(place.load(as: Int.self) == mark)
                pool.putBack(arena)
            }
        }
        #expect(pool.count <= 4 && pool.count > 0)
    }

    @Test("Ids of one member are never given twice, whatever thread asks")
    func ids() {
        let source = RequestIDSource(member: MemberID(0xA1), startMilliseconds: 5)
        let given = Locked<[RequestID]>([])
        DispatchQueue.concurrentPerform(iterations: 4) { _ in
            let own = (0..<1000).map { _ in source.next() }
            given.withLock { $0 += own }
        }
        let all = given.withLock { $0 }
        #expect(Set(all).count == 4000)
        #expect(all.allSatisfy { $0.rawValue >> 48 == 0xA1 })
    }
}

@Suite("Requests are given up in the order they came")
struct RequestDeadlinesTests {
    private final class Waiter: Expiring {
        var isSettled = false
        private(set) var expired = 0
        func expire(_ status: Status) {
            expired += 1
            isSettled = true
        }
    }

    private func at(_ nanoseconds: UInt64) -> MonotonicTime {
        MonotonicTime(nanoseconds: nanoseconds)
    }

    @Test("At their deadline, not before it, and once")
    func expiry() {
        var deadlines = RequestDeadlines(timeoutNanoseconds: 100)
        let waiters = (0..<3).map { _ in Waiter() }
        for (place, waiter) in waiters.enumerated() {
            deadlines.add(waiter, now: at(UInt64(place) * 10))
        }
        deadlines.expire(now: at(99)) { _ in .requestTimeout }
        #expect(waiters.map(\.expired) == [0, 0, 0])
        deadlines.expire(now: at(110)) { _ in .requestTimeout }
        #expect(waiters.map(\.expired) == [1, 1, 0])
        deadlines.expire(now: at(1000)) { _ in .requestTimeout }
        deadlines.expire(now: at(2000)) { _ in .requestTimeout }
        #expect(waiters.map(\.expired) == [1, 1, 1])
        #expect(deadlines.count == 0)
    }

    @Test("Answered ones leave at the front as others come, and are not told")
    func settled() {
        var deadlines = RequestDeadlines(timeoutNanoseconds: 100)
        for round in 0..<1000 {
            let waiter = Waiter()
            deadlines.add(waiter, now: at(UInt64(round)))
            waiter.isSettled = true
        }
        #expect(deadlines.count == 1)
        deadlines.expire(now: at(1000)) { _ in .requestTimeout }
        #expect(deadlines.count == 0)
    }
}
