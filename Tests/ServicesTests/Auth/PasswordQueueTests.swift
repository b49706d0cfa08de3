// Many try to log in at once: whom the thread of passwords serves, and in which order.

import API
import TestSupport
import Testing

@testable import Services

/// What was run, in order.
///
/// Unchecked: confined to the test's thread.
private final class Ran: @unchecked Sendable { var names: [String] = [] }

/// Some connection; others have other numbers.
private final class Connection: Sendable {}

/// The queue. Unchecked: confined to the test's thread.
private final class Waiting: @unchecked Sendable { var queue = PasswordQueue() }

@Suite("Passwords that wait to be compared")
struct PasswordQueueTests {
    private let ran = Ran()
    private let waiting = Waiting()
    private let connections = (0..<3).map { _ in Connection() }
    private var here: PasswordQueue.Source { ObjectIdentifier(connections[0]) }
    private var there: PasswordQueue.Source { ObjectIdentifier(connections[1]) }

    /// Somebody who tries `password`.
    private func add(
        _ password: String, of name: String, from source: PasswordQueue.Source,
        for waiter: Waiter = Waiter()
    ) -> Bool {
        let comparison = PasswordQueue.Comparison(
            digest: Array(password.utf8), password: Array(password.utf8), hash: [])
        let caller = PasswordQueue.Caller(waiter: waiter) { [ran] _ in ran.names.append(password) }
        return waiting.queue.add(comparison, of: AuthName(name), from: source, for: caller)
    }

    private func run() {
        while let job = waiting.queue.next() {
            switch job {
            case .work(let work): work()
            case .comparison(let comparison):
                for caller in comparison.callers { caller.done(.success(true)) }
            }
        }
    }

    @Test("take turns by name, behind the work of those who were recognized")
    func turns() {
        for number in 0..<3 {
            #expect(add("root \(number)", of: "root", from: here))
        }
        #expect(add("bob", of: "bob", from: here))
        let signs = waiting.queue.add { [ran] in ran.names.append("signs") }
        #expect(signs)
        run()
        #expect(ran.names == ["signs", "root 0", "bob", "root 1", "root 2"])
        #expect(waiting.queue.count == 0)
    }

    @Test("take turns by connection, where all try one name")
    func connectionsTakeTurns() {
        let tried = (0..<100).filter {
            add("guess \($0)", of: "root", from: here)
        }.count
        #expect(tried == PasswordQueue.sourceLimit)
        // It has its share, by whatever name.
        #expect(!add("guess", of: "bob", from: here))
        #expect(add("root", of: "root", from: there))
        #expect(add("bob", of: "bob", from: there))
        run()
        #expect(ran.names.prefix(4) == ["guess 0", "bob", "root", "guess 1"])
        #expect(ran.names.count == tried + 2)
        #expect(add("guess", of: "bob", from: here))
    }

    @Test("are compared once, however many wait for the same")
    func together() {
        let gone = Waiter()
        #expect(add("root", of: "root", from: here, for: gone))
        for _ in 0..<50 {
            #expect(add("root", of: "root", from: there))
        }
        gone.leave()
        #expect(waiting.queue.count == 1)
        run()
        // Whoever has gone is not told by the worker; the others are, although they came later.
        #expect(ran.names.count == 51)
        let taken = (0..<2000).filter { _ in
            add("root", of: "root", from: here)
        }.count
        #expect(taken == PasswordQueue.callerLimit)
    }

    @Test("are bounded for each name, and in all")
    func bounds() {
        let many = (0..<100).map { _ in Connection() }
        func taken(_ name: (Int) -> String) -> Int {
            (0..<2000).filter {
                let source = ObjectIdentifier(many[$0 % many.count])
                return add("\(name($0)) \($0)", of: name($0), from: source)
            }.count
        }
        #expect(taken { _ in "root" } == PasswordQueue.nameLimit)
        #expect(taken { "user \($0)" } == PasswordQueue.limit - PasswordQueue.nameLimit)
        #expect(waiting.queue.count == PasswordQueue.limit)
        let signs = waiting.queue.add {}
        #expect(!signs)
        run()
        #expect(ran.names.count == PasswordQueue.limit)
    }

    /// Looking through all of them for every refusal would be a way to keep the server busy.
    @Test("make room once enough have gone, and are passed over before")
    func fewGone() {
        let waiters = (0..<PasswordQueue.sourceLimit).map { _ in Waiter() }
        for (number, waiter) in waiters.enumerated() {
            #expect(add("gone \(number)", of: "root", from: here, for: waiter))
        }
        for waiter in waiters.prefix(PasswordQueue.enoughGone - 1) { waiter.leave() }
        #expect(!add("root", of: "root", from: here))
        #expect(waiting.queue.count == PasswordQueue.sourceLimit)
        waiters[PasswordQueue.enoughGone].leave()
        #expect(add("root", of: "root", from: here))
        let left = PasswordQueue.sourceLimit - PasswordQueue.enoughGone + 1
        #expect(waiting.queue.count == left)
        waiters[PasswordQueue.enoughGone - 1].leave()
        run()
        #expect(ran.names.count == left - 1)
    }

    @Test("are not compared for who has gone, and make room")
    func gone() {
        let waiter = Waiter()
        for number in 0..<PasswordQueue.sourceLimit {
            #expect(add("gone \(number)", of: "root", from: here, for: waiter))
        }
        #expect(!add("root", of: "root", from: here))
        waiter.leave()
        #expect(add("root", of: "root", from: here))
        #expect(waiting.queue.count == 1)
        for number in 0..<2000 {
            _ = add("gone \(number)", of: "user \(number)", from: here, for: waiter)
        }
        #expect(add("bob", of: "bob", from: here))
        run()
        #expect(ran.names == ["root", "bob"])
        #expect(waiting.queue.count == 0)
    }
}

@Suite("The thread of passwords")
struct PasswordWorkerTests {
    private let executor = DeterministicExecutor()
    private let bob = AuthName("bob")
    private let here = Connection()
    private let there = Connection()

    private func verify(
        _ password: String, of name: AuthName, with hash: [UInt8], by worker: PasswordWorker,
        from source: Connection, for waiter: Waiter, _ ran: Ran
    ) {
        let text = "\(String(decoding: name.bytes, as: UTF8.self)) \(password)"
        worker.verify(
            Array(password.utf8), of: name, against: hash, from: ObjectIdentifier(source),
            for: waiter
        ) {
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
                "\(number)", of: .root, with: hash, by: worker, from: here,
                for: number == 1 ? gone : waiter, ran)
        }
        verify("b", of: .root, with: hash, by: worker, from: there, for: waiter, ran)
        verify("b", of: bob, with: hash, by: worker, from: there, for: waiter, ran)
        gone.leave()
        executor.runUntilIdle()
        #expect(
            ran.names == [
                "root 0 false", "root b true", "bob b true", "root 2 false", "root 3 false",
                "root 4 false",
            ])
        // What is known is answered at once.
        verify("b", of: bob, with: hash, by: worker, from: here, for: waiter, ran)
        #expect(ran.names.count == 7)
    }

    @Test("computes a hash for each user who logs in, however often")
    func remembered() throws {
        let hashes = Counter()
        let worker = PasswordWorker(on: executor, random: SeededRandom(seed: 1), hashes: hashes)
        let users = try (0..<10).map { number in
            let random = SeededRandom(seed: UInt64(number))
            return (
                AuthName("u\(number)"), "p\(number)",
                try Bcrypt.hash(Array("p\(number)".utf8), cost: 4, random: random)
            )
        }
        let (ran, waiter) = (Ran(), Waiter())
        func logIn(_ count: Int) {
            for number in 0..<count {
                let (name, password, hash) = users[number % 10]
                verify(password, of: name, with: hash, by: worker, from: here, for: waiter, ran)
            }
        }
        // All come before the first is compared, and then all know.
        logIn(500)
        executor.runUntilIdle()
        logIn(500)
        executor.runUntilIdle()
        #expect(ran.names.filter { $0.hasSuffix("true") }.count == 1000)
        #expect(hashes.value == 10)
        // Another hash of the same password is another.
        let other = try Bcrypt.hash(Array("p0".utf8), cost: 4, random: SeededRandom(seed: 99))
        verify("p0", of: bob, with: other, by: worker, from: here, for: waiter, ran)
        executor.runUntilIdle()
        #expect(hashes.value == 11)
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
            bob, Array(repeating: 1, count: 1 << 20), by: service, from: nil, for: Waiter(),
            reply: Caller())
        #expect(login.password.count == 72)
        let (random, b) = (SeededRandom(seed: 2), Array("b".utf8))
        let hash = try Bcrypt.hash(b, cost: 4, random: random)
        #expect(Bcrypt.verify(b, hash))
        #expect(!Bcrypt.verify(b + [0], hash))
        #expect(!Bcrypt.verify(b + [0] + b, hash))
        #expect(throws: Status.passwordHasNUL) {
            try Bcrypt.hash(b + [0] + b, cost: 4, random: random)
        }
        // Go's package refuses to make a hash of more than counts, but compares what counts.
        let long = Array(repeating: UInt8(ascii: "x"), count: 72)
        #expect(throws: Status.passwordTooLong) {
            try Bcrypt.hash(long + b, cost: 4, random: random)
        }
        let whole = try Bcrypt.hash(long, cost: 4, random: random)
        #expect(Bcrypt.verify(long, whole))
        #expect(Bcrypt.verify(long + b, whole))
        #expect(!Bcrypt.verify(Array(long.dropLast()), whole))
    }
}
