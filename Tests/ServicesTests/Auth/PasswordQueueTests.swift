// Many try to log in at once: whom the thread of passwords serves, and in which order.

import API
import TestSupport
import Testing

@testable import Services

/// What was run, in order.
///
/// Unchecked: confined to the test's thread.
private final class Ran: @unchecked Sendable { var names: [String] = [] }

@Suite("Passwords that wait to be compared")
struct PasswordQueueTests {
    private let ran = Ran()

    private func job(_ name: String, for waiter: Waiter? = nil) -> PasswordQueue.Job {
        PasswordQueue.Job(work: { [ran] in ran.names.append(name) }, waiter: waiter)
    }

    private func run(_ queue: inout PasswordQueue) {
        while let job = queue.next() { job.work() }
    }

    @Test("take turns by name, behind the work of those who were recognized")
    func turns() {
        var queue = PasswordQueue()
        func add(_ job: PasswordQueue.Job, _ lane: PasswordQueue.Lane) -> Bool {
            queue.add(job, lane)
        }
        for number in 0..<3 {
            #expect(add(job("root \(number)"), .login(.root)))
        }
        #expect(add(job("bob"), .login(AuthName("bob"))))
        #expect(add(job("signs"), .recognized))
        run(&queue)
        #expect(ran.names == ["signs", "root 0", "bob", "root 1", "root 2"])
        #expect(queue.count == 0)
    }

    @Test("are bounded for each name, and in all")
    func bounds() {
        var queue = PasswordQueue()
        func add(_ job: PasswordQueue.Job, _ lane: PasswordQueue.Lane) -> Bool {
            queue.add(job, lane)
        }
        let taken = (0..<100).filter { _ in add(job("root"), .login(.root)) }.count
        #expect(taken == PasswordQueue.nameLimit)
        #expect(add(job("bob"), .login(AuthName("bob"))))
        for number in 0..<2000 {
            _ = add(job("other"), .login(AuthName("user \(number)")))
        }
        #expect(queue.count == PasswordQueue.limit)
        #expect(!add(job("signs"), .recognized))
        run(&queue)
        #expect(ran.names.count == PasswordQueue.limit)
    }

    @Test("are not compared for who has gone, and make room")
    func gone() {
        var queue = PasswordQueue()
        func add(_ job: PasswordQueue.Job, _ lane: PasswordQueue.Lane) -> Bool {
            queue.add(job, lane)
        }
        let waiter = Waiter()
        for _ in 0..<PasswordQueue.nameLimit {
            #expect(add(job("gone", for: waiter), .login(.root)))
        }
        #expect(!add(job("root"), .login(.root)))
        waiter.leave()
        #expect(add(job("root"), .login(.root)))
        #expect(queue.count == 1)
        for number in 0..<2000 {
            _ = add(job("gone", for: waiter), .login(AuthName("user \(number)")))
        }
        #expect(add(job("bob"), .login(AuthName("bob"))))
        run(&queue)
        #expect(ran.names == ["root", "bob"])
        #expect(queue.count == 0)
    }
}

@Suite("The thread of passwords")
struct PasswordWorkerTests {
    private let executor = DeterministicExecutor()
    private let bob = AuthName("bob")

    private func verify(
        _ password: String, of name: AuthName, with hash: [UInt8], by worker: PasswordWorker,
        for waiter: Waiter, _ ran: Ran
    ) {
        let text = "\(String(decoding: name.bytes, as: UTF8.self)) \(password)"
        worker.verify(Array(password.utf8), of: name, against: hash, for: waiter) {
            if let isRight = try? $0.get() { ran.names.append("\(text) \(isRight)") }
        }
    }

    @Test("serves another between wrong guesses, and nobody who has gone")
    func fair() throws {
        let worker = PasswordWorker(on: executor, random: SeededRandom(seed: 1))
        let hash = try Bcrypt.hash(Array("b".utf8), cost: 4, random: SeededRandom(seed: 2))
        let (ran, gone, waiter) = (Ran(), Waiter(), Waiter())
        for number in 0..<5 {
            verify(
                "\(number)", of: .root, with: hash, by: worker, for: number == 1 ? gone : waiter,
                ran)
        }
        verify("b", of: bob, with: hash, by: worker, for: waiter, ran)
        gone.leave()
        executor.runUntilIdle()
        #expect(
            ran.names == [
                "root 0 false", "bob b true", "root 2 false", "root 3 false", "root 4 false",
            ])
        // What is known is answered at once.
        verify("b", of: bob, with: hash, by: worker, for: waiter, ran)
        #expect(ran.names.count == 6)
    }

    @Test("keeps no more of a password than counts, and none with a zero byte passes")
    func bytes() throws {
        let member = try PlayedMember()
        let reads = member.life.reads
        let service = AuthService(
            gate: member.life.gate, reads: reads,
            passwords: PasswordWorker(on: executor, random: SeededRandom(seed: 1)),
            clock: PlayedClock())
        let login = Login(
            bob, Array(repeating: 1, count: 1 << 20), by: service, for: Waiter(), reply: Caller())
        #expect(login.password.count == 72)
        let (random, b) = (SeededRandom(seed: 2), Array("b".utf8))
        let hash = try Bcrypt.hash(b, cost: 4, random: random)
        #expect(Bcrypt.verify(b, hash))
        #expect(!Bcrypt.verify(b + [0], hash))
        #expect(!Bcrypt.verify(b + [0] + b, hash))
        #expect(throws: Status.notHashed) { try Bcrypt.hash(b + [0] + b, cost: 4, random: random) }
    }
}
